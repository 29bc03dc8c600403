"""What searches found, kept for the next plan of this process: a price, a tariff or a limit changes no layout.

A search depends on its workload and on the catalog's technical figures, and on nothing else of a scenario but how many
chips there may be: of training every number of chips is kept by itself, of serving every reach below the largest
replica. Cases of a sweep, variants and the questions about an answer therefore share searches: they price again what
was found once. The catalog is the same object where its files and the assumptions are the same (``load_catalog``,
``Catalog.with_assumptions``); one that was made in another way is another. The verifier makes searches of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from pydantic import BaseModel

from planner.catalog import Catalog

MOST = 48
"""Searches that are kept; the one that was not asked for longest goes first."""

S = TypeVar("S")
_kept: OrderedDict[tuple[type, str, int], tuple[Catalog, object]] = OrderedDict()
_lock = Lock()


def search_for(make: Callable[..., S], workload: BaseModel, catalog: Catalog, **how: bool) -> S:
    """The search ``make(workload, catalog, **how)``, or the one that was made of the same before.

    A search prices nothing by itself, so ``catalog`` may differ in assumed prices from the one that it was made of.
    """
    catalog = catalog.layouts_of
    key = (workload.__class__, f"{make.__name__} {how} {workload.model_dump_json()}", id(catalog))
    with _lock:
        held = _kept.get(key)
        if held is not None and held[0] is catalog:
            _kept.move_to_end(key)
            return held[1]  # type: ignore[return-value]
    search = make(workload, catalog, **how)
    with _lock:
        _kept[key] = (catalog, search)  # the catalog is held, so that its id is not given to another
        while len(_kept) > MOST:
            _kept.popitem(last=False)
    return search


def forget() -> None:
    """Drop everything that is kept."""
    with _lock:
        _kept.clear()
