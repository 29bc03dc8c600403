"""What people call the systems of a catalog: 'AMD Instinct MI300X, 8 in a server', never an id alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from planner.catalog import Catalog
from planner.catalog.records import System

_KINDS = {"server": "server", "rack": "rack", "supernode": "supernode", "pod": "pod", "cluster": "cluster"}


def system_name(catalog: Catalog, system: System) -> str:
    """Vendor and chip, how many stand together in what, and the product's own name where it says more."""
    chips = [catalog.chips[c] for c in system.chip_ids if c in catalog.chips]
    if not chips:
        return system.name
    vendor, name = chips[0].vendor, chips[0].name
    head = name if name.lower().startswith(vendor.lower()) else f"{vendor} {name}"
    count = system.get("chips_total")
    what = f", {count:,.0f} in a {_KINDS.get(system.kind, system.kind)}" if count else ""
    own = system.name
    says_more = not own[:1].isdigit() and own.lower() not in head.lower()
    return f"{head}{what}" + (f" ({own})" if says_more else "")


def system_names(catalog: Catalog) -> Mapping[str, str]:
    """{id: name} of every system and chip; where two are called alike the id tells them apart."""
    names = {key: system_name(catalog, system) for key, system in catalog.systems.items()}
    seen = Counter(names.values())
    told = {key: f"{name} [{key}]" if seen[name] > 1 else name for key, name in names.items()}
    return {**{key: f"{c.vendor} {c.name}" for key, c in catalog.chips.items()}, **told}
