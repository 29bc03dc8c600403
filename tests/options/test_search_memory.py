"""Cases share searches: prices, tariffs and limits re-price; the plans are those of a fresh process."""

from __future__ import annotations

from typing import Any

import pytest

import planner
from planner.catalog import Catalog
from planner.options.work import memory
from planner.options.work.serving import ServingSearch
from planner.options.work.training import TrainingSearch

RUN: dict[str, Any] = {
    "name": "run", "start": "2026-10", "horizon_years": 2,
    "sites": [{"name": "hall", "region": "us_va", "power_mw": 1.5, "cooling": ["air_crah"]}],
    "hardware": {"systems": ["hgx_h100_oem", "dgx_h200"]},
    "workloads": [
        {
            "name": "pretrain", "kind": "training", "model": "llama-3.1-8b", "tokens": 2e11, "sequence_length": 4096,
            "global_batch": 256, "precision": ["bf16"], "finish_within_days": 300,
        },
        {
            "name": "chat", "kind": "serving", "model": "llama-3.1-8b", "input_tokens": 1000, "output_tokens": 200,
            "requests_per_s": 5, "disaggregated": "never", "parallelism": {"tp": 1, "pp": 1},
        },
    ],
}  # fmt: skip
VARIANTS: list[dict[str, Any]] = [
    {}, {"sites.hall.tariff_usd_per_kwh": 0.2}, {"sites.hall.power_mw": 1.2}, {"sites.hall.power_mw": 2},
    {"assume.systems.hgx_h100_oem.price_usd": 150000}, {"limits.chips": 720}, {"objective": "carbon"},
    {"horizon_years": 3},
]  # fmt: skip


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many layouts were estimated by searches, by call."""
    memory.forget()
    found: list[int] = []
    training, serving = TrainingSearch._search, ServingSearch._search

    def counted(real: Any, self: Any, *args: Any) -> Any:
        before = {k: set(v) for k, v in getattr(self, "_by_chips", {}).items()}
        result = real(self, *args)
        after = {k: set(v) for k, v in getattr(self, "_by_chips", {}).items()}
        new = sum(len(after[k] - before.get(k, set())) for k in after) if after else 1
        if new:
            found.append(new)
        return result

    monkeypatch.setattr(TrainingSearch, "_search", lambda self, *a: counted(training, self, *a))
    monkeypatch.setattr(ServingSearch, "_search", lambda self, *a: counted(serving, self, *a))
    return found


@pytest.mark.usefixtures("in_process")
def test_prices_tariffs_and_limits_search_nothing_again(searches: list[int], shipped: Catalog) -> None:
    """After the widest case nothing is searched, and every plan is that of a memory that was empty before it."""
    planner.plan(RUN, overrides={"sites.hall.power_mw": 2.5}, catalog=shipped)
    assert searches
    searches.clear()
    shared = [planner.plan(RUN, overrides=v, catalog=shipped) for v in VARIANTS]
    assert searches == []
    for variant, plan in zip(VARIANTS, shared, strict=True):
        memory.forget()
        alone = planner.plan(RUN, overrides=variant, catalog=shipped)
        assert alone.totals == plan.totals, variant
        assert (alone.status, alone.objective, alone.deployments) == (plan.status, plan.objective, plan.deployments)
        assert (alone.proof.enumerated, alone.proof.candidates) == (plan.proof.enumerated, plan.proof.candidates)


@pytest.mark.usefixtures("in_process")
def test_what_changes_a_layout_is_searched(searches: list[int], shipped: Catalog) -> None:
    """Another sequence length, another catalog, another assumption: not the same search."""
    for overrides in ({}, {"workloads.pretrain.sequence_length": 8192}, {"assume.chips.h100_sxm.tdp_w": 600}):
        searches.clear()
        planner.plan(RUN, overrides=overrides, catalog=shipped)
        assert searches, overrides


def test_the_same_assumptions_give_the_same_catalog(shipped: Catalog) -> None:
    """Which is what a search is kept under; the memory does not grow without end."""
    one = shipped.with_assumptions({"chips": {"h100_sxm": {"tdp_w": 600}}})
    assert shipped.with_assumptions({"chips": {"h100_sxm": {"tdp_w": 600}}}) is one
    assert shipped.with_assumptions({"chips": {"h100_sxm": {"tdp_w": 601}}}) is not one
    for watts in range(100, 150):
        shipped.with_assumptions({"chips": {"h100_sxm": {"tdp_w": watts}}})
    assert len(shipped._assumed) <= 16
