"""A scenario against a catalog: every name it uses exists, and its filters leave something to choose from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from planner.catalog import Catalog
from planner.catalog.architecture import ModelArch
from planner.errors import InputError, Problem, nearest_name, unknown_name
from planner.scenario.kinds import Agents, Counted, Workload
from planner.scenario.names import OUTCOMES_BY_SYSTEM, excluded_id
from planner.scenario.paths import Path
from planner.scenario.site import Hall
from planner.scenario.types import Scenario
from planner.scenario.workloads import Images, Recommendation, Serving, Training
from planner.scenario.yaml import path_text


def check_scenario(scenario: Scenario, catalog: Catalog) -> None:
    """Raise ``InputError`` with every name that is not in the catalog, each with its line and the nearest name.

    Checks models (and that a recommender is planned as one), systems, vendors, regions, cooling options, assumptions
    with their fields and bounds, and that the filters of ``hardware`` leave at least one system.
    """
    problems = [
        *_empty_catalog(scenario, catalog),
        *_sites(scenario, catalog),
        *_hardware(scenario, catalog),
        *_outcomes(scenario, catalog),
        *_by_hand(scenario, catalog),
        *_assumptions(scenario, catalog),
        *_workloads(scenario, catalog),
    ]
    if problems:
        raise InputError(sorted(dict.fromkeys(problems), key=lambda p: p.line or 0))


def _problem(scenario: Scenario, path: Path, message: str, **more: str) -> Problem:
    source = scenario.source
    return Problem(message, file=source.file, line=source.line(path), path=path_text(path), **more)


def _named(scenario: Scenario, path: Path, find: Callable[[str], object], name: str) -> Iterator[Problem]:
    """The problem of a name that a catalog look-up refuses, at its place in the file."""
    try:
        find(name)
    except InputError as error:
        for problem in error.problems:
            yield replace(
                problem,
                file=scenario.source.file,
                line=scenario.source.line(path),
                path=path_text(path),
                remedy=problem.remedy or "`planner catalog list` shows what there is.",
            )


def _empty_catalog(scenario: Scenario, catalog: Catalog) -> Iterator[Problem]:
    for what, records in (("systems", catalog.systems), ("models", catalog.models), ("regions", catalog.regions)):
        if not records:
            yield Problem(
                f"the catalog has no {what}, so there is nothing to plan with",
                file=scenario.source.file,
                remedy="`planner catalog check` says what is wrong with it.",
            )


def _sites(scenario: Scenario, catalog: Catalog) -> Iterator[Problem]:
    if not catalog.regions:
        return
    for i, site in enumerate(scenario.sites):
        yield from _named(scenario, ("sites", i, "region"), catalog.region, site.region)
        for j, cooling in enumerate(site.cooling):
            yield from _named(scenario, ("sites", i, "cooling", j), catalog.cooling_option, cooling)
        if site.capacity is not None:
            yield from _halls(scenario, catalog, site.capacity.halls, ("sites", i, "capacity"))
        for j, block in enumerate(site.installed):
            yield from _named(scenario, ("sites", i, "installed", j, "system"), catalog.system, block.system)
            if block.cooling is not None:
                path = ("sites", i, "installed", j, "cooling")
                yield from _named(scenario, path, catalog.cooling_option, block.cooling)
                alike = [b.cooling for b in site.installed if b.system == block.system]
                if alike[0] != block.cooling:
                    yield Problem(
                        f"{block.system} stands in another cooling in an earlier block of this site",
                        file=scenario.source.file,
                        line=scenario.source.line(path),
                        path=f"sites.{site.name}.installed.{j}.cooling",
                        found=block.cooling,
                        allowed=str(alike[0]),
                        remedy="Give blocks of one kind one cooling, or make a site of its own for the others.",
                    )


def _halls(scenario: Scenario, catalog: Catalog, halls: tuple[Hall, ...], at: Path) -> Iterator[Problem]:
    for i, hall in enumerate(halls):
        path = (*at, "halls", i)
        for j, cooling in enumerate(hall.cooling):
            yield from _named(scenario, (*path, "cooling", j), catalog.cooling_option, cooling)
        yield from _halls(scenario, catalog, hall.halls, path)


def _hardware(scenario: Scenario, catalog: Catalog) -> Iterator[Problem]:
    if not catalog.systems:
        return
    hardware = scenario.hardware
    wrong = []
    for i, name in enumerate(hardware.systems):
        wrong += list(_named(scenario, ("hardware", "systems", i), catalog.system, name))
    vendors = sorted({chip.vendor for chip in catalog.chips.values() if chip.vendor})
    told: list[tuple[Path, str]] = [(("hardware", "vendors", i), name) for i, name in enumerate(hardware.vendors)]
    told += [(("limits", "vendor_share", name), name) for name in scenario.limits.vendor_share]
    path: Path
    for path, name in told:
        if name.lower() not in {v.lower() for v in vendors}:
            near = nearest_name(name, vendors)
            wrong.append(_problem(scenario, path, f"unknown vendor {name!r}", nearest=near, allowed=", ".join(vendors)))
    for i, name in enumerate(hardware.exclude):
        if excluded_id(name, catalog) is None:
            path = ("hardware", "exclude", i)
            near = nearest_name(name, [*catalog.systems, *catalog.chips])
            wrong.append(_problem(scenario, path, f"there is no system or chip {name!r}", nearest=near))
    for field in ("supply", "price_usd"):
        for name in getattr(hardware, field):
            wrong += list(_named(scenario, ("hardware", field, name), catalog.system, name))
    if catalog.regions:
        wrong += list(_named(scenario, ("hardware", "rent_region"), catalog.region, hardware.rent_region))
    yield from wrong
    if not wrong and not _competing(scenario, catalog):
        yield _problem(
            scenario,
            ("hardware",),
            "the filters leave no system to choose from",
            remedy="Loosen vendors or exclude, or name other systems.",
        )


def _competing(scenario: Scenario, catalog: Catalog) -> bool:
    """Whether any system passes the filters by name; dates and export rules are judged option by option."""
    hardware = scenario.hardware
    vendors = {v.lower() for v in hardware.vendors}
    systems = [catalog.system(s) for s in hardware.systems] or list(catalog.systems.values())
    return any(
        chip.id not in hardware.exclude and not chip.edge and (not vendors or chip.vendor.lower() in vendors)
        for system in systems
        if system.id not in hardware.exclude
        for chip in (catalog.chips.get(c) for c in system.chip_ids)
        if chip is not None
    )


def _by_hand(scenario: Scenario, catalog: Catalog) -> Iterator[Problem]:
    """What figures by hand and claims are of: systems or chips that there are."""
    for i, w in enumerate(scenario.workloads):
        for name in w.mfu_of if isinstance(w, Training) and catalog.systems else ():
            if excluded_id(name, catalog) is None:
                yield from _named(scenario, ("workloads", i, "mfu_of", name), catalog.system, name)
        claims = w.claims if isinstance(w, Training) and catalog.systems else None
        if claims is not None and claims.relative_to is not None:
            yield from _named(scenario, ("workloads", i, "claims", "relative_to"), catalog.system, claims.relative_to)


def _outcomes(scenario: Scenario, catalog: Catalog) -> Iterator[Problem]:
    """What futures are drawn for: systems (slips also by chip), sites and workloads that are there."""
    outcomes = scenario.outcomes
    if outcomes is None or not catalog.systems:
        return
    for field in OUTCOMES_BY_SYSTEM:
        for name in getattr(outcomes, field):
            if field == "slip_quarters" and excluded_id(name, catalog) is not None:
                continue
            yield from _named(scenario, ("outcomes", field, name), catalog.system, name)
    for field, word, known in (
        ("tariff_factor", "site", [s.name for s in scenario.sites]),
        ("demand_factor", "workload", [w.name for w in scenario.workloads]),
    ):
        for name in getattr(outcomes, field):
            if name not in known:
                allowed, near = ", ".join(known), nearest_name(name, known)
                message = f"there is no {word} {name!r} in this scenario"
                yield _problem(scenario, ("outcomes", field, name), message, allowed=allowed, nearest=near)


def _assumptions(scenario: Scenario, catalog: Catalog) -> Iterator[Problem]:
    given = scenario.assume.as_mapping()
    if not given:
        return
    paths: dict[str, Path] = {}
    for kind, records in given.items():
        for name, fields in records.items():
            paths[f"assume.{kind}.{name}"] = ("assume", kind, name)
            paths |= {f"assume.{kind}.{name}.{f}": ("assume", kind, name, f) for f in fields}
    try:
        catalog.with_assumptions(given)
    except InputError as error:
        for problem in error.problems:
            file, line = scenario.source.place(paths.get(problem.path, ("assume",)))
            yield replace(problem, file=file, line=line)


_OF_ITS_OWN = {"recommender": ("recommender", "recommendation"), "diffusion": ("diffusion model", "diffusion")}
"""Kinds of models that one kind of workload alone takes: in words, and that kind."""
_MODELS_OF = {kind: words for words, kind in _OF_ITS_OWN.values()}


def _fits(workload: Workload, model_kind: str) -> bool:
    """Whether a model of a kind is one for a workload."""
    own = _OF_ITS_OWN.get(model_kind)
    return workload.kind == own[1] if own else workload.kind not in _MODELS_OF


def _model(catalog: Catalog, workload: Workload, name: str) -> None:
    """Raise ``InputError`` for an unknown model, with models of the workload's kind as what is allowed."""
    try:
        catalog.model(name)
    except InputError:
        fitting = [m.id for m in catalog.models.values() if _fits(workload, m.kind)]
        raise unknown_name("model", name, fitting) from None


def _images(scenario: Scenario, i: int, images: Images, input_tokens: int, model: ModelArch) -> Iterator[Problem]:
    """What is wrong with the images of a load's requests."""
    path = ("workloads", i, "images")
    if model.vision is None:
        remedy = "Name a model with one (kind: vlm), or remove images."
        yield _problem(scenario, path, f"{model.id} has no vision tower", remedy=remedy)
        return
    seen = images.per_request * (images.tokens or model.vision.tokens_per_image)
    if seen > input_tokens:
        message = "the images alone make more tokens than the prompt has"
        found, allowed = f"{seen:g} tokens", f"up to input_tokens = {input_tokens}"
        yield _problem(scenario, path, message, found=found, allowed=allowed)


def _workloads(scenario: Scenario, catalog: Catalog) -> Iterator[Problem]:
    if not catalog.models:
        return
    for i, workload in enumerate(scenario.workloads):
        path: Path = ("workloads", i, "model")
        unknown = list(_named(scenario, path, partial(_model, catalog, workload), workload.model))
        yield from unknown
        if unknown:
            continue
        model = catalog.model(workload.model)
        if not _fits(workload, model.kind):
            what = _MODELS_OF.get(workload.kind, "")
            is_one = f"is no {what}" if what else f"is a {_OF_ITS_OWN[model.kind][0]}"
            own = _OF_ITS_OWN.get(model.kind)
            remedy = f"Use kind: {own[1]}." if own else "Use kind: training or serving."
            yield _problem(scenario, path, f"{model.id} {is_one}, so not for kind: {workload.kind}", remedy=remedy)
        elif isinstance(workload, Recommendation):
            if workload.samples is not None and workload.samples < (workload.global_batch or 1):
                message, found = "are fewer than one batch", f"{workload.samples:g}"
                allowed = f"at least global_batch = {workload.global_batch}"
                yield _problem(scenario, ("workloads", i, "samples"), message, found=found, allowed=allowed)
        elif not isinstance(workload, Counted):
            degree = workload.parallelism.ep
            if degree is not None and degree > 1 and not model.is_moe:
                path = ("workloads", i, "parallelism", "ep")
                yield _problem(scenario, path, f"{model.id} has no experts to spread", found=str(degree), allowed="1")
            if isinstance(workload, Serving) and model.longest_context:
                longest = workload.longest_tokens
                if longest > model.longest_context:
                    message = f"prompt and answer together are longer than the context of {model.id}"
                    allowed = f"up to {model.longest_context} tokens"
                    path = ("workloads", i, "last_prompt" if isinstance(workload, Agents) else "input_tokens")
                    yield _problem(scenario, path, message, found=f"{longest} tokens", allowed=allowed)
            if isinstance(workload, Serving) and workload.images is not None:
                yield from _images(scenario, i, workload.images, workload.input_tokens, model)
            if isinstance(workload, Training) and workload.tokens < workload.global_batch * workload.sequence_length:
                step = workload.global_batch * workload.sequence_length
                yield _problem(
                    scenario, ("workloads", i, "tokens"), "are fewer than one step takes", found=f"{workload.tokens:g}",
                    allowed=f"at least global_batch x sequence_length = {step:g}",
                    remedy="Give tokens in units (15e12, not 15), global_batch in sequences (not tokens).",
                )  # fmt: skip
            if isinstance(workload, Training) and (workload.parallelism.pp or 1) > model.layers:
                path = ("workloads", i, "parallelism", "pp")
                found = str(workload.parallelism.pp)
                yield _problem(scenario, path, f"{model.id} has {model.layers} layers, fewer than stages", found=found)
