"""Two files that ask the same question have one digest; what is resolved reads back."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from scenario_support import TEXT, base

from planner.scenario import load_text, problem_digest, resolve, resolve_yaml, scenario_from_mapping


def digest(data: dict[str, Any], **more: Any) -> str:
    return problem_digest(scenario_from_mapping(data, **more), "catalog")


def _shuffled(value: Any, draw: Any) -> Any:
    if isinstance(value, dict):
        keys = draw(st.permutations(list(value)))
        return {k: _shuffled(value[k], draw) for k in keys}
    if isinstance(value, list):
        return [_shuffled(v, draw) for v in value]
    return value


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_order_of_keys_does_not_matter(data: Any) -> None:
    shuffled = _shuffled(base(), data.draw)
    assert digest(shuffled) == digest(base())
    assert scenario_from_mapping(shuffled) == scenario_from_mapping(base())


def test_how_it_is_solved_and_what_it_is_called_do_not_matter() -> None:
    solve = {"gap": 0.05, "time_limit_s": 3, "threads": 1, "seed": 7, "reproducible": True, "backend": "cpsat"}
    assert digest(base() | {"solve": solve, "name": "other", "description": "said otherwise"}) == digest(base())


def test_a_default_written_out_does_not_matter() -> None:
    data = base() | {
        "horizon_years": 4.0,
        "objective": "cost",
        "version": 1,
        "hardware": {**base()["hardware"], "acquire": "buy"},
    }
    data["sites"][0]["power_mw"] = "2e1"
    data["limits"]["carbon_t_per_year"] = None
    assert digest(data) == digest(base())


def test_overrides_do_not_matter_unless_they_are_used() -> None:
    data = base() | {"overrides": {"x": {"limits.chips": 5}}, "variants": {"v": ["x"]}}
    assert digest(data) == digest(base())
    assert digest(data, variant="v") == digest(base() | {"limits": {"chips": 5}})
    assert digest(data, variant="v") == digest(base(), overrides={"limits.chips": 5}) != digest(base())


def test_the_question_matters() -> None:
    changes: list[tuple[str, Any]] = [
        ("sites.0.power_mw", 21),
        ("sites.0.name", "elsewhere"),
        ("workloads.0.name", "other"),
        ("start", "2026-11"),
        ("objective", ["cost", "carbon"]),
        ("assume.chips.mtt_s5000_air.tdp_w", 601),
        ("limits.chips", 20001),
        ("workloads.0.precision", ["bf16", "fp8"]),
        ("outcomes", {"seed": 1}),
    ]
    digests = [digest(base(), overrides=dict([change])) for change in changes]
    assert len({digest(base()), *digests}) == len(changes) + 1
    scenario = scenario_from_mapping(base())
    assert problem_digest(scenario, "another catalog") != digest(base())
    assert problem_digest(scenario, "catalog", model_version="2") != digest(base())


def test_the_digest_does_not_drift() -> None:
    """Stored plans are found by it: a change of the digest is a change of the format, to be made knowingly."""
    assert problem_digest(load_text(TEXT), "0") == PINNED


PINNED = "73a289ca1ba685c3e13a8c1b34414aefe45e134d9ff0d4c04c0de95bf3b9776e"


def test_resolved_reads_back_to_the_same_scenario() -> None:
    data = base() | {"overrides": {"x": {"limits.chips": 5, "workloads.pretrain.chips": {"max": 64}}}}
    scenario = scenario_from_mapping(data, variant="x")
    again = load_text(resolve_yaml(scenario))
    assert resolve(again) == resolve(scenario)
    assert again == scenario_from_mapping(resolve(scenario))
    assert problem_digest(again, "") == problem_digest(scenario, "")


def test_names_that_look_like_something_else_survive() -> None:
    data = base()
    data["sites"][0] |= {"name": "1e3", "region": "no"}
    data["workloads"][0] |= {"name": "null", "model": "405"}
    again = load_text(resolve_yaml(scenario_from_mapping(data)))
    assert (again.sites[0].name, again.sites[0].region) == ("1e3", "no")
    assert (again.workloads[0].name, again.workloads[0].model) == ("null", "405")


def test_defaults_are_filled_in() -> None:
    resolved = resolve(load_text(TEXT))
    assert resolved["horizon_years"] == 4
    assert resolved["workloads"][0]["utilisation"] == 0.85
    assert resolved["solve"]["gap"] == 0.001
    assert "overrides" not in resolved


def test_where_a_scenario_came_from_is_no_part_of_it() -> None:
    assert load_text(TEXT, "a.yaml") == load_text("# a comment\n" + TEXT, "b.yaml")
