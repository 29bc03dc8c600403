"""One deployment again, from its description alone: what the performance model and the prices say of it.

The fleet's answer is written from this, and ``verify`` calls it for what a plan says, so a plan's figures never rest on
what an optimizer carried along.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from planner.answer.plan import Drafting, Interval, Parallelism, Predicted
from planner.catalog import Catalog
from planner.errors import InputError, Problem
from planner.options.enumerate import earliest_days, interconnect_of
from planner.options.form import shares_servers
from planner.options.hardware.choices import Choice, delivery, hardware_choices, platform_of, start_days
from planner.options.option import Option
from planner.options.parts import part_for
from planner.options.pricing import Designs, Priced, horizon_hours, price
from planner.options.work.classes import ClassRate, describe_classes
from planner.options.work.kinds import LAYOUTS, SEARCHES
from planner.options.work.measured import measured_runs
from planner.options.work.mixed_training import describe_mixed
from planner.options.work.pools import kept_by
from planner.options.work.recommendation import describe_recommendation, placement_of_plan
from planner.options.work.serving import (
    HOURS,
    ON_DEMAND,
    ROLES,
    SHAPE,
    ServingSearch,
    cache_pool,
    peak_over_mean,
    rates_of,
    time_ends,
    unit_of,
    worked_hours,
)
from planner.options.work.serving import activity as serving_activity
from planner.options.work.spot import on_spot, refusal
from planner.options.work.stacks import linearity_of, relative_of, stacks_of
from planner.options.work.training import LAYOUT, RECOMPUTE, TrainingSearch, detail_of, one_layout
from planner.options.work.training import activity as training_activity
from planner.performance.platform import Platform
from planner.performance.precision import peak_name
from planner.performance.serving.replica import ServingCandidates, estimate_serving, unknown_of
from planner.performance.serving.speculation import acceptance_of
from planner.scenario.kinds import Agents, Counted, Workload
from planner.scenario.topology import FAT_TREE, Topology
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving, Speculation, Training
from planner.uncertainty.margins import Margin, margin_of, shared_margin


@dataclass(frozen=True)
class Spec:
    """What identifies a unit: enough to compute everything else from catalog and scenario."""

    workload: str
    role: str
    place: str
    period: int
    system: str
    chip: str
    cooling: str
    acquire: str
    precision: str
    layout: Mapping[str, int]
    power_cap: float = 1.0
    topology: Topology | None = None
    """Design of the scale-out network; none: the first that the scenario allows."""
    partner: Spec | None = None
    """The other group of a run on two kinds of systems."""
    lead: bool = True
    """Of two groups, the one that the run is counted with."""
    rent_term: str = ""
    """Commitment of what is rented."""


@dataclass(frozen=True)
class Described:
    """Everything about one unit of a spec. ``predicted`` is of the unit (rates scale with units, times do not).

    ``rates``, ``finish_days`` and ``run_days`` are what may be counted on with the confidence that is asked.
    """

    systems: int
    spares: int
    chips: int
    replicas: int
    rates: Mapping[str, float]
    tokens_per_s: float
    finish_days: float
    run_days: float
    predicted: Predicted
    priced: Priced
    parallelism: Parallelism
    bought_chips: int
    """Chips of all systems of the unit, spares and idle ones too."""
    cache_pool: str = ""
    """The replicas that hand caches to each other (``serving.cache_pool``)."""
    part: int = 0
    """Chips of the part of a system that it occupies; 0 where it takes whole systems."""
    interconnect: str = ""
    class_rates: Mapping[str, ClassRate] = field(default_factory=dict)
    """Loads with request classes: what a unit does of each alone."""
    slower: float = 1.0
    """What its latencies must bear: predicted ones times this are within their limits."""
    activity: float | None = None
    """Share of its chips' power range that it takes, of kinds whose own model says so."""


@dataclass
class Describer:
    """Describes units of one scenario. ``catalog`` holds the scenario's assumptions."""

    scenario: Scenario
    catalog: Catalog
    other_stacks: bool = True
    """Whether runs are told what other training stacks would make of them: most of what describing one takes."""
    _choices: dict[tuple[str, str, str, str, str, float, Topology | None], Choice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for c in hardware_choices(self.scenario, self.catalog)[0]:
            key = (c.place, c.system.id, c.chip.id, c.cooling_id, c.acquire, c.power_cap)
            self._choices[*key, c.topology] = c
            self._choices.setdefault((*key, None), c)

    def describe(self, spec: Spec) -> Described:
        """Everything about one unit; raises ``InputError`` when the scenario does not allow it."""
        choice = self.choice_of(
            spec.place, spec.system, spec.chip, spec.cooling, spec.acquire, spec.power_cap, spec.topology
        )
        workload = next((w for w in self.scenario.workloads if w.name == spec.workload), None)
        if workload is None:
            raise InputError(Problem(f"the scenario has no workload {spec.workload!r}"))
        if spec.acquire == "rent":
            if spec.rent_term not in self.scenario.hardware.rent_terms:
                allowed = ", ".join(self.scenario.hardware.rent_terms)
                raise InputError(Problem(f"{spec.system} is rented for {spec.rent_term!r}, allowed: {allowed}"))
            choice = replace(choice, rent_term=spec.rent_term)
        if reason := refusal(workload, choice):
            raise InputError(Problem(f"{spec.workload} on {spec.system}: {reason}"))
        ready: float | None = 0.0
        if spec.acquire != "installed":
            ready, reason = delivery(self.scenario, choice.system, choice.chip, spec.period)
            if ready is None:
                raise InputError(Problem(f"{spec.system}: {reason}"))
        assert ready is not None  # noqa: S101 - narrowed for the type checker
        there = spec.acquire == "installed"
        margin = margin_of(self.scenario, self.catalog, workload, spec.system, spec.chip, there=there)
        return self._described(workload, choice, spec, ready, margin)

    def describe_work(self, spec: Spec) -> Described:
        """One unit of work on systems of a shared fleet, whoever brought them and whenever.

        Raises ``InputError`` when the scenario does not allow it. ``priced`` is of systems of its own and of no use;
        days of a run count from the earliest month that it may begin.
        """
        choice = self.choice_of(
            spec.place, spec.system, spec.chip, spec.cooling, power_cap=spec.power_cap, topology=spec.topology
        )
        choice = replace(choice, rent_term=spec.rent_term)
        workload = next((w for w in self.scenario.workloads if w.name == spec.workload), None)
        if workload is None:
            raise InputError(Problem(f"the scenario has no workload {spec.workload!r}"))
        if reason := refusal(workload, choice):
            raise InputError(Problem(f"{spec.workload} on {spec.system}: {reason}"))
        # racks and power of the place are limits of what stands there, not of what it does
        margin = margin_of(self.scenario, self.catalog, workload, spec.system, spec.chip)
        return self._described(workload, replace(choice, location=None), spec, 0.0, shared_margin(margin)[0])

    def choice_of(
        self, place: str, system: str, chip: str, cooling: str, acquire: str = "", power_cap: float = 1.0,
        topology: Topology | None = None,
    ) -> Choice:  # fmt: skip
        """The choice of hardware at a place, acquired that way, or in any way. Raises ``InputError`` for none."""
        for way in (acquire,) if acquire else ("buy", "installed", "rent"):
            if (place, system, chip, cooling, way, power_cap, topology) in self._choices:
                return self._choices[place, system, chip, cooling, way, power_cap, topology]
        how = f" ({acquire})" if acquire else ""
        how += f" capped to {power_cap:.0%}" if power_cap < 1.0 else ""
        how += f" in a network of {topology}" if topology else ""
        raise InputError(Problem(f"the scenario does not allow {system} with {chip} in {cooling} at {place}{how}"))

    def _described(self, workload: Workload, choice: Choice, spec: Spec, ready: float, margin: Margin) -> Described:
        if margin.refused and not workload.runs_once:
            raise InputError(Problem(f"{spec.workload}: {spec.system} {margin.refused}"))
        if isinstance(workload, Counted):
            search = SEARCHES[type(workload)](workload, self.catalog)
            found = search.describe(self.scenario, choice, spec, ready, margin)
        elif isinstance(workload, Training) and spec.partner is not None:
            found = self._mix(workload, choice, spec, spec.partner, ready, margin)
        elif isinstance(workload, Training):
            found = self._train(workload, choice, spec, ready, margin)
        elif isinstance(workload, Serving) and workload.request_classes:
            found = describe_classes(self.scenario, self.catalog, workload, choice, spec, ready, margin)
        elif isinstance(workload, Serving):
            found = self._serve(workload, choice, spec, ready, margin)
        else:
            found = describe_recommendation(self.scenario, self.catalog, workload, choice, spec, ready, margin)
        return replace(found, interconnect=interconnect_of(choice))

    def _train(self, workload: Training, choice: Choice, spec: Spec, ready: float, margin: Margin) -> Described:
        ready = max(ready, start_days(self.scenario, workload.start))
        search = TrainingSearch(workload, self.catalog)
        platform = platform_of(self.catalog, *choice.platform)
        if not search.is_legal(platform, spec.precision, spec.layout):
            raise InputError(Problem(f"{spec.workload}: {dict(spec.layout)} is no legal layout on {spec.system}"))
        estimate = detail_of(search, platform, spec.precision, spec.layout)
        if not estimate.fits[0]:
            raise InputError(Problem(f"{spec.workload} does not fit in memory on {spec.system}"))
        size = search.size_of(
            platform, search.job(spec.precision), one_layout(spec.layout), float(estimate.step_time_s[0])
        )
        size = on_spot(self.scenario, self.catalog, choice, size, search.parameters)
        spares = search.spares_of(size.chips, platform)
        designs = Designs(
            systems=np.array([size.systems + spares]),
            spares=np.array([spares]),
            chips=np.array([size.chips]),
            activity=np.array([training_activity(size.chips, size.systems, platform.system_chips)]),
            run_hours=np.array([size.days * 24.0]),
            cluster=True,
        )
        priced = price(self.scenario, self.catalog, choice, designs, ready)
        step = size.step_time_s
        by_hand = workload.mfu_on(spec.system, spec.chip)
        correction, runs = (
            measured_runs(search.job(spec.precision), platform, search.stack, one_layout(spec.layout))
            if by_hand is None
            else (None, [])
        )
        claimed = workload.claims is not None and workload.claims.linearity is not None
        stacks, whichever = stacks_of(search, platform, spec.precision, size) if self.other_stacks else ([], None)
        scale = step / float(estimate.step_time_s[0])  # 1 unless the scenario fixes the MFU
        tokens_per_s = workload.global_batch * workload.sequence_length / step
        peak = platform.peak_flops[peak_name(spec.precision)]
        predicted = Predicted(
            step_time_s=step,
            tokens_per_s=tokens_per_s,
            tokens_per_s_per_chip=tokens_per_s / size.chips,
            model_tflops_per_chip=float(estimate.model_tflops_per_chip[0]) / scale,
            mfu=float(estimate.mfu[0]) / scale,
            peak_tflops_per_chip=peak / 1e12,
            ettr=size.ettr,
            days=size.days,
            finish_days=ready + size.days,
            memory_gb_per_chip=float(estimate.memory_bytes[0]) / 1e9,
            memory_limit_gb_per_chip=float(estimate.memory_limit_bytes[0]) / 1e9,
            breakdown={k: float(v[0]) * scale for k, v in estimate.breakdown.items() if v[0]},
            memory_gb={k: float(v[0]) / 1e9 for k, v in estimate.memory.items() if v[0]},
            interval=Interval(
                quantity="step_time_s",
                low=step * float(estimate.low80[0]),
                high=step * float(estimate.high80[0]),
                basis="80% of comparable measured runs of sources left out of the calibration"
                if by_hand is None
                else "MFU fixed by the scenario; width of the performance model's own interval",
            ),
            measured_correction=correction,
            measured_runs=runs,
            stacks=stacks,
            stack_interval=whichever,
            modelled_mfu=None if by_hand is None else float(estimate.mfu[0]),
            linearity=linearity_of(search, platform, spec.precision, size) if claimed else None,
            relative_speed=relative_of(search, platform, spec.precision, size),
        )
        missing = search.missing_of(platform, np.array([size.chips]), np.array([spec.layout["dp"]]))
        due = margin.finish(
            size.days, size.chips, estimate.low80, estimate.high80, ready=ready,
            release=earliest_days(self.scenario, workload, spec.period), missing=missing,
        )  # fmt: skip
        layout = spec.layout
        return Described(
            systems=size.systems + spares, spares=spares, chips=size.chips, replicas=1, rates={"run": 1.0},
            tokens_per_s=tokens_per_s, finish_days=float(due[0]),
            run_days=size.days if margin.central else float(due[0]) - ready, predicted=predicted, priced=priced,
            bought_chips=(size.systems + spares) * platform.system_chips,
            parallelism=Parallelism(
                tp=layout["tp"], pp=layout["pp"], vpp=layout["vpp"], dp=layout["dp"], ep=layout["ep"], cp=layout["cp"],
                sp=bool(layout["sp"]), micro_batch=layout["micro_batch"], global_batch=workload.global_batch,
                zero_stage=layout["zero_stage"], recompute=RECOMPUTE[layout["recompute"]],
                schedule="interleaved 1F1B" if layout["vpp"] > 1 else "1F1B" if layout["pp"] > 1 else None,
            ),
        )  # fmt: skip

    def _mix(
        self, workload: Training, choice: Choice, spec: Spec, partner: Spec, ready: float, margin: Margin
    ) -> Described:
        over_lots = not partner.acquire
        other = self.choice_of(
            partner.place, partner.system, partner.chip, partner.cooling, partner.acquire, 1.0, FAT_TREE
        )
        if over_lots:
            other = replace(other, location=None)
        if partner.workload != spec.workload or not workload.mixed_systems:
            raise InputError(Problem(f"the scenario does not allow {spec.system} and {partner.system} together"))
        there: float | None = 0.0
        if partner.acquire not in {"installed", ""}:
            there, reason = delivery(self.scenario, other.system, other.chip, partner.period)
            if there is None:
                raise InputError(Problem(f"{partner.system}: {reason}"))
        ready = max(ready, there or 0.0, start_days(self.scenario, workload.start))
        search = TrainingSearch(workload, self.catalog)
        beside = margin_of(
            self.scenario, self.catalog, workload, partner.system, partner.chip, there=partner.acquire == "installed"
        )
        beside = shared_margin(beside)[0] if over_lots else beside
        both = margin.beside(beside) if spec.lead else beside.beside(margin)
        return describe_mixed(self.scenario, search, (choice, other), (spec, partner), ready, both)

    def _serve(self, workload: Serving, choice: Choice, spec: Spec, ready: float, margin: Margin) -> Described:
        if ready > 0:
            raise InputError(Problem(f"{spec.system} arrives {ready:.0f} days after the load {spec.workload} begins"))
        search = ServingSearch(workload, self.catalog)
        platform = platform_of(self.catalog, *choice.platform)
        candidates = ServingCandidates(**{name: np.array([spec.layout[name]]) for name in SHAPE})
        if not search.is_legal(platform, spec.precision, candidates):
            raise InputError(Problem(f"{spec.workload}: {dict(spec.layout)} is no legal replica on {spec.system}"))
        drafts = spec.layout.get("drafts", 0)
        if drafts not in search.drafts():
            raise InputError(Problem(f"{spec.workload}: {drafts} drafts a step is none of its choices"))
        job = search.job(spec.precision, platform, drafts)
        estimate = estimate_serving(job, platform, candidates)
        if not estimate.fits[0]:
            raise InputError(Problem(f"{spec.workload} does not fit in memory on {spec.system}"))
        load = spec.layout["load"]
        if not search.may_have(load):
            raise InputError(
                Problem(f"{spec.workload} is planned at a load of {load} thousandths, not one of the levels")
            )
        loaded = search.operating(job, platform, candidates).loaded(search.utilisation_at(load))
        ttft, tpot = search.latencies(platform, candidates, estimate, loaded)
        systems, replicas = unit_of(candidates.chips, platform.system_chips)
        part = spec.layout.get("part", 0)
        if part:
            known = replace(search, shared=shares_servers(self.scenario)).part_of(platform)
            if part != part_for(candidates.chips, platform.system_chips, known)[0]:
                raise InputError(Problem(f"{spec.workload}: its replica does not occupy {part} chips of {spec.system}"))
            replicas = part // candidates.chips
        chips = int(candidates.chips[0] * replicas[0])
        on = spec.layout.get("hours", HOURS)
        # over lots (no way to acquire) a unit is on for some hours of what stands for others in the rest
        by_hour = not spec.acquire or (spec.acquire == "rent" and spec.rent_term == ON_DEMAND)
        if on != HOURS and not (by_hour and on in {n for n, _ in workload.by_rank}):
            raise InputError(Problem(f"{spec.workload}: {spec.system} cannot be had for {on} hours a day"))
        hours = worked_hours(workload, spec.layout, horizon_hours(self.scenario, ready))
        designs = Designs(
            systems=systems,
            spares=np.zeros(1, dtype=np.int64),
            chips=np.array([chips]),
            activity=np.array([serving_activity(spec.role, peak_over_mean(workload, spec.layout))]),
            run_hours=np.array([hours]),
            cluster=False,
        )
        priced = price(self.scenario, self.catalog, choice, designs, ready)
        rate = float(estimate.requests_per_s[0] * search.utilisation_at(load) * replicas[0])
        tokens = {"serve": workload.input_tokens + workload.output_tokens, "prefill": workload.input_tokens,
                  "decode": workload.output_tokens}[spec.role]  # fmt: skip
        decoding, prefilling = spec.role != "prefill", spec.role != "decode"
        step = float(estimate.step_s[0])
        waited_for = workload.window_hours is None  # of work by a date a request's own time says nothing
        generates = workload.output_tokens > 1
        tpot_ms = float(tpot[0]) if decoding and waited_for and generates else None
        ttft_ms = float(ttft[0]) if prefilling and waited_for else None
        latency, name = (tpot_ms, "tpot_ms") if tpot_ms is not None else (ttft_ms, "ttft_ms")
        ends = tuple(float(x[0]) for x in time_ends(workload, candidates, estimate))
        basis = "80% of measured runs as near as these are, left out of the calibration"
        if not workload.answer_tokens:
            basis = "prompts measured alone: no measured encoder is carried to compare with"
        counted = rate / float(margin.less(*ends)[0])
        writes = decoding and workload.answer_tokens > 0
        if latency is None:
            latency, name = step, "step_time_s"
        predicted = Predicted(
            step_time_s=step,
            tokens_per_s=rate * (workload.output_tokens if writes else workload.input_tokens),
            tokens_per_s_per_chip=rate * (workload.output_tokens if writes else workload.input_tokens) / chips,
            input_tokens_per_s=rate * workload.input_tokens if prefilling else None,
            requests_per_s=rate,
            ttft_ms=ttft_ms,
            tpot_ms=tpot_ms,
            cached_prefix=job.cached_prefix if workload.prefix_hits or isinstance(workload, Agents) else None,
            cache_kept=kept_by(self.catalog, workload, search.model, platform, peak_name(spec.precision))
            if isinstance(workload, Agents)
            else None,
            prefill_share=float(estimate.prefill_share[0]),
            drafting=self._drafting(search, spec, platform, candidates) if drafts and decoding else None,
            extrapolation=list(unknown_of(job, platform, candidates)),
            memory_gb_per_chip=float(estimate.memory_bytes[0]) / 1e9,
            memory_limit_gb_per_chip=float(estimate.memory_limit_bytes[0]) / 1e9,
            breakdown={k: float(v[0]) for k, v in estimate.breakdown.items() if v[0]},
            memory_gb={k: float(v[0]) / 1e9 for k, v in estimate.memory.items() if v[0]},
            interval=Interval(quantity=name, low=latency * ends[0], high=latency * ends[1], basis=basis),
        )
        shape = spec.layout
        return Described(
            systems=int(systems[0]), spares=0, chips=chips, replicas=int(replicas[0]),
            rates=rates_of(workload, spec.role, counted, spec.layout), tokens_per_s=rate * tokens, finish_days=0.0,
            run_days=hours / 24.0, predicted=predicted, priced=priced,
            bought_chips=int(systems[0]) * platform.system_chips, part=part,
            cache_pool=cache_pool(workload, choice.chip.vendor, spec.precision),
            parallelism=Parallelism(
                tp=shape["tp"], pp=shape["pp"], dp=shape["attention_dp"], ep=shape["ep"], batch=shape["batch"],
                chunk_tokens=shape["chunk"] if prefilling else None, load=search.utilisation_at(load),
                drafts=shape.get("drafts"), hours_per_day=shape.get("hours"),
            ),
            slower=float(margin.slower(*ends)[0]),
        )  # fmt: skip

    def _drafting(
        self, search: ServingSearch, spec: Spec, platform: Platform, candidates: ServingCandidates
    ) -> Drafting:
        """Drafts of a replica, and the same replica at the same share of its throughput without them."""
        asked = search.workload.speculation or Speculation()
        drafts, load = spec.layout.get("drafts", 0), search.utilisation_at(spec.layout["load"])
        job = search.job(spec.precision, platform)
        estimate = estimate_serving(job, platform, candidates)
        loaded = search.operating(job, platform, candidates).loaded(load)
        _, tpot = search.latencies(platform, candidates, estimate, loaded)
        _, replicas = unit_of(candidates.chips, platform.system_chips)
        stated = asked.acceptance is not None
        return Drafting(
            method=asked.method,
            drafts=drafts,
            acceptance=search.acceptance,
            acceptance_source="the scenario" if stated else acceptance_of(search.model, asked.method).source,
            tokens_a_step=1.0 + search.job(spec.precision, platform, drafts).accepted_drafts,
            tpot_ms_without=float(tpot[0]),
            tokens_per_s_without=float(estimate.output_tokens_per_s[0] * load * replicas[0]),
        )


def spec_of_option(option: Option, partner: Option | None = None) -> Spec:
    """The spec of an option; ``partner``: the other one of its mix."""
    return Spec(
        option.workload, option.role, option.location, option.period, option.system, option.chip, option.cooling,
        option.acquire, option.precision, dict(option.parallelism), option.power_cap, option.topology,
        None if partner is None else spec_of_option(partner), not option.mix or bool(option.rates),
        option.rent_term,
    )  # fmt: skip


def layout_of_plan(parallelism: Parallelism, role: str) -> dict[str, int]:
    """The layout behind a plan's parallelism: the inverse of what a deployment prints."""
    p = parallelism
    if role in LAYOUTS:
        return LAYOUTS[role](p)
    if role == "recommend":
        return placement_of_plan(p)
    if role == "train":
        values = (p.tp, p.pp, p.vpp, p.dp, p.cp, p.ep, p.micro_batch or 1, p.zero_stage or 0,
                  RECOMPUTE.index(p.recompute or "none"), int(p.sp))  # fmt: skip
        return dict(zip(LAYOUT, values, strict=True)) | ({"micro_batches": p.micro_batches} if p.micro_batches else {})
    shape = (p.tp, p.pp, p.ep, p.dp, p.batch or 1, p.chunk_tokens or 1024, ROLES.get(role, 0))
    layout = {**dict(zip(SHAPE, shape, strict=True)), "load": math.ceil((p.load or 0.0) * 1000 - 1e-9)}
    if p.hours_per_day is not None:
        layout["hours"] = p.hours_per_day
    return layout if p.drafts is None else {**layout, "drafts": p.drafts}
