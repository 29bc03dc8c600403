"""The chip of a published row, however its source writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from planner.catalog import Catalog
from planner.catalog.records import Chip
from planner.errors import InputError

_MAKERS = re.compile(r"^(?:nvidia|amd(?: instinct)?|intel|google(?: cloud)?|aws|huawei|moore threads)[-\s]+", re.I)
_PACKAGE = re.compile(r"[-\s]+(?:\d+\s*gi?b\S*|sxm\d?|oam|nvl\d+|tensor core gpu|gpu)$", re.I)
_ALIKE: Mapping[str, str] = {"a800": "A100-80GB", "a800-40gb": "A100-40GB", "ascend 950": "Ascend950DT"}
"""Chips that are another one in all that a replica inside a server feels (A800: links of 400 GB/s instead of 600)."""


def chip_named(catalog: Catalog, name: str) -> Chip:
    """The chip of a source's name: as it stands, then without its maker, what is in brackets, memory and package.

    Raises ``InputError`` with the nearest name.
    """
    bare = _MAKERS.sub("", re.sub(r"\s*\(.*?\)", "", name).strip())
    tries = [name, bare]
    while (match := _PACKAGE.search(bare)) is not None:
        bare = bare[: match.start()].strip()
        tries.append(bare)
    for word in dict.fromkeys(tries):
        try:
            return catalog.chip(_ALIKE.get(word.lower(), word))
        except InputError:
            continue
    return catalog.chip(name)
