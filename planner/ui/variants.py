"""What a variant of a scenario sets, and a scenario with a variant written into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.scenario import Scenario, resolve, scenario_from_mapping
from planner.scenario.paths import PathError, resolve_dots
from planner.ui.inputs import Path
from planner.ui.service import Draft


def sets_place(draft: Draft, variant: str, path: Path) -> bool:
    """Whether a variant sets a place of the scenario."""
    names = draft.scenario.variants.get(variant, (variant,))
    leaves = [leaf for name in names for leaf in _leaves(draft.scenario, name)]
    return any(_same_place(leaf, path, draft.data) for leaf in leaves)


def written_in(draft: Draft, variant: str) -> Draft:
    """The draft with the variant as its own figures. Raises ``InputError``."""
    return draft.with_data(resolve(scenario_from_mapping(draft.data, draft.origin, variant)))


def _leaves(scenario: Scenario, name: str) -> list[str]:
    """Dot paths that an override sets, those of the overrides it includes among them."""
    found, waiting, seen = [], [name], set()
    while waiting:
        override = waiting.pop()
        if override in seen:
            continue
        seen.add(override)
        for path, value in scenario.overrides.get(override, {}).items():
            if path == "include":
                waiting += [value] if isinstance(value, str) else list(value)
            else:
                found.append(path)
    return found


def _same_place(leaf: str, path: Path, data: Mapping[str, Any]) -> bool:
    """Whether setting one place sets the other: one is the other, or holds it."""
    try:
        other = resolve_dots(leaf, data)
    except PathError:
        return False
    shared = min(len(other), len(path))
    return other[:shared] == path[:shared]
