"""What people call the systems of a catalog: 'AMD Instinct MI300X, 8 in a server', never an id alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from planner.catalog import Catalog
from planner.catalog.records import System

_KINDS = {"server": "server", "rack": "rack", "supernode": "supernode", "pod": "pod", "cluster": "cluster"}
_SHORT, _PATH = 24, 3


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
    """{id: name} of every system, chip and cooling; where two are called alike the id tells them apart."""
    names = {key: system_name(catalog, system) for key, system in catalog.systems.items()}
    seen = Counter(names.values())
    told = {key: f"{name} [{key}]" if seen[name] > 1 else name for key, name in names.items()}
    return {**_coolings(catalog), **{key: f"{c.vendor} {c.name}" for key, c in catalog.chips.items()}, **told}


def _coolings(catalog: Catalog) -> Mapping[str, str]:
    return {key: c.text("short_name") or c.name for key, c in catalog.cooling.items() if c.kind == "option"}


def short_names(catalog: Catalog) -> Mapping[str, str]:
    """{id: a few words} of systems, chips and coolings, for running text: 'DGX H200', 'Instinct MI300X ×8', 'cold
    plates'. What says the same of two systems keeps its id beside it."""
    systems = {key: _short(catalog, system) for key, system in catalog.systems.items()}
    seen = Counter(systems.values())
    told = {key: f"{name} [{key}]" if seen[name] > 1 else name for key, name in systems.items()}
    return {**_coolings(catalog), **{key: _bare(c.name) for key, c in catalog.chips.items()}, **told}


def _bare(name: str) -> str:
    """A name without what stands in brackets, except where that is all that tells it apart (air, liquid)."""
    return name if name.endswith(("(air)", "(liquid)")) else re.sub(r"\s*\([^)]*\)", "", name) or name


def _short(catalog: Catalog, system: System) -> str:
    chips = [catalog.chips[c] for c in system.chip_ids if c in catalog.chips]
    own = min(_bare(system.name).split(" / "), key=len)
    if not own[:1].isdigit() and not own.startswith("One ") and len(own) <= _SHORT:
        return own
    if not chips:
        return own
    count = system.get("chips_total") or 1
    return _bare(chips[0].name) + (f" ×{count:,.0f}" if count > 1 else "")


def readable(text: str, names: Mapping[str, str]) -> str:
    """A text of a plan with the ids in it as people say them; paths of fields ('chips.h100.tdp_w') stay."""
    return _ids(tuple(names)).sub(lambda found: names[found[0]], text)


@lru_cache(maxsize=8)
def _ids(names: tuple[str, ...]) -> re.Pattern[str]:
    found = "|".join(map(re.escape, sorted(names, key=len, reverse=True))) or "(?!)"
    return re.compile(rf"(?<![\w./-])(?:{found})(?![\w/-]|\.\w)")


def figure_name(path: str, names: Mapping[str, str]) -> str:
    """'chips.mtt_s5000_air.tdp_w' as 'MTT S5000 (air): tdp w'; a path of another form stays."""
    parts = path.split(".")
    if len(parts) != _PATH or parts[1] not in names:
        return path
    return f"{names[parts[1]]}: {parts[2].replace('_', ' ')}"
