"""Speculative decoding as a choice of a serving load: what is searched, chosen, told and refused."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import cast

import pytest

from planner.catalog import Catalog, load_catalog
from planner.errors import InputError
from planner.options.hardware.choices import Choice
from planner.options.work.serving import ServingSearch
from planner.performance.compile import build_platform
from planner.performance.serving.replica import DECODE, ServingJob, estimate_serving, one_candidate
from planner.scenario.workloads import Serving

LOAD = {
    "kind": "serving", "name": "api", "model": "deepseek-r1", "precision": ["fp8"], "input_tokens": 1000,
    "output_tokens": 1000, "requests_per_s": 5, "tpot_ms": 12,
}  # fmt: skip


@functools.cache
def catalog() -> Catalog:
    return load_catalog()


def load(**fields: object) -> Serving:
    return Serving.model_validate({**LOAD, "parallelism": {"tp": 8, "pp": 1, "ep": 1}, **fields})


def search(workload: Serving):  # type: ignore[no-untyped-def]
    system, chip = catalog().system("dgx_h200"), catalog().chip("h200_sxm")
    choice = cast(
        "Choice",
        SimpleNamespace(system=system, chip=chip, cooling_id="", power_cap=1.0, platform=(system.id, chip.id, "", 1.0)),
    )
    return ServingSearch(workload, catalog()).search(choice, 8)


def test_drafts_are_chosen_where_they_are_worth_it() -> None:
    plain = search(load(tpot_ms=20))
    asked = search(load(tpot_ms=20, speculation={"method": "mtp", "tokens": [0, 1, 3]}))
    best = max(asked.units, key=lambda u: u.requests_per_s if u.role == "serve" else 0.0)
    assert best.shape["drafts"] > 0
    assert best.requests_per_s > max(u.requests_per_s for u in plain.units if u.role == "serve")
    assert best.tpot_ms <= 20
    assert "drafts" not in plain.units[0].shape
    assert all(u.shape["drafts"] == 0 for u in asked.units if u.role == "prefill")
    assert asked.enumerated == 3 * plain.enumerated


def test_drafts_nobody_accepts_are_never_chosen() -> None:
    found = search(load(speculation={"tokens": [0, 2], "acceptance": 0.0}))
    assert {u.shape["drafts"] for u in found.units} == {0}


def test_a_model_without_a_module_drafts_nothing_by_itself() -> None:
    mtp = ServingSearch(load(model="llama-3.1-70b", speculation={"tokens": [1, 2]}), catalog())
    eagle = ServingSearch(load(model="llama-3.1-70b", speculation={"method": "eagle", "tokens": [1, 2]}), catalog())
    assert (mtp.drafts(), eagle.drafts()) == ((0,), (1, 2))


def test_a_step_with_drafts_takes_longer_and_gives_more() -> None:
    platform = build_platform(catalog(), "dgx_h200", "h200_sxm", "")
    model = catalog().model("deepseek-r1")
    shape = one_candidate(tp=8, batch=8, role=DECODE)
    told = [
        estimate_serving(ServingJob(model, "fp8", draft_tokens=n, draft_acceptance=a), platform, shape)
        for n, a in ((0, 0.0), (3, 0.7), (3, 0.0))
    ]
    none, good, bad = (float(e.tpot_s[0]) for e in told)
    assert told[1].step_s[0] > told[0].step_s[0]
    assert told[1].memory_bytes[0] > told[0].memory_bytes[0]
    assert good < none < bad


@pytest.mark.parametrize(
    "speculation", [{"tokens": [9]}, {"tokens": [1, 1]}, {"method": "guess"}, {"acceptance": 1.2}, {"tokens": []}]
)
def test_what_cannot_be_is_refused(speculation: dict[str, object]) -> None:
    with pytest.raises((InputError, ValueError)):
        load(speculation=speculation)
    assert load(speculation={"tokens": 2}).speculation.tokens == (2,)  # type: ignore[union-attr]
