"""The answer as data: one plan, JSON in and out, with a schema that ships.

Field names carry their units. ``schema`` names the version of this form; additions keep it, changes raise it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError
from pydantic_core import from_json

from planner.answer.check import LARGEST_FILE, MOST_PROBLEMS, plan_problems
from planner.answer.names import named
from planner.answer.part import Part as _Part
from planner.answer.seal import seal_of
from planner.answer.views import PlanViews
from planner.answer.walls import Walls
from planner.errors import NOT_PUBLISHED, InputError, Problem, at_most
from planner.scenario.topology import FAT_TREE, Topology

SCHEMA_VERSION = 2

Status = Literal["proven_optimal", "within_gap", "feasible", "infeasible", "unbounded", "no_plan_found", "failed"]
STATUS_WITH_PLAN: frozenset[str] = frozenset({"proven_optimal", "within_gap", "feasible"})

Role = Literal["train", "serve", "prefill", "decode", "recommend", "post_train", "generate"]


class Objective(_Part):
    """What was optimised, what was reached and what is proven about it. All in the objective's own unit."""

    name: str
    unit: str
    value: float | None = None
    bound: float | None = None
    """No plan of the searched space is better than this."""
    gap: float | None = None
    """(value - bound) / value."""
    priorities: tuple[str, ...] = ()
    """The lexicographic list, most important first."""
    values: dict[str, float] = Field(default_factory=dict)
    """The plan's value of every objective that the planner knows."""


class RolloutLayout(_Part):
    """Replicas that generate in a post-training step; of them all, beside the layout of the update."""

    tp: int
    dp: int
    ep: int
    replicas: int
    placement: Literal["together", "apart"]
    """On the chips of the update, one after the other, or on chips of their own."""


class Parallelism(_Part):
    """How a model is laid over chips. ``dp`` is attention data parallelism in serving."""

    tp: int = 1
    pp: int = 1
    vpp: int = 1
    dp: int = 1
    ep: int = 1
    cp: int = 1
    sp: bool = False
    micro_batch: int | None = None
    micro_batches: int | None = None
    """Of a run on two kinds of systems: micro-batches that each replica of this one works through in a step."""
    global_batch: int | None = None
    zero_stage: int | None = None
    recompute: Literal["none", "selective", "full"] | None = None
    schedule: str | None = None
    batch: int | None = None
    """Serving: sequences in flight on one replica."""
    chunk_tokens: int | None = None
    hours_per_day: int | None = None
    """Serving by the hour: rented for so many hours of each day, those of most demand; none: all of them."""
    drafts: int | None = None
    """Serving: tokens drafted ahead in a step (speculative decoding); none where the load does not ask for a choice."""
    load: float | None = None
    """Serving: share of a replica's throughput that it is planned at; less leaves less queueing."""
    sharding: Literal["table-wise", "row-wise", "pooled"] | None = None
    """Recommenders: whole tables on chips, the rows of each spread, or rows loaded from the memories of a domain."""
    rollout: RolloutLayout | None = None
    """Post-training: the replicas that generate; the rest is of the update."""
    hbm_percent: int | None = None
    """Recommenders: share of embedding rows in the chips' own memory; hosts hold the rest."""


class Interval(_Part):
    """An 80% interval and where it comes from."""

    quantity: str
    low: float
    high: float
    basis: str


class MeasuredRun(_Part):
    """A published measurement near a training run, that corrects what the physical model says of it."""

    case_id: str
    source: str
    chip: str
    model: str
    precision: str
    chips: int
    tp: int
    pp: int
    ep: int
    likeness: float
    """Correlation of what the model leaves over there with what it leaves over here: 0 to 1."""
    measured_over_predicted: float
    """Its step time over that of the physical model and its calibrated levels."""


class StackChoice(_Part):
    """A training run's layout under one stack. Money and systems in the same days go with ``time_ratio``."""

    framework: str
    generation: int
    """Year of its techniques."""
    assumed: bool
    """Whether the run is planned with it."""
    step_time_s: float
    low_s: float
    """Ends of the 80% interval of a step under it."""
    high_s: float
    time_ratio: float
    """Its step time over that of the stack assumed."""
    chip_hours: float
    """Of the run, failures included."""
    fits: bool
    """Whether the layout fits in memory under it."""


class CacheKept(_Part):
    """Caches of agents between their calls: how much there is to keep, and where."""

    paused_sessions: float
    """Sessions of the whole load that wait for a tool at any time."""
    gb_a_session: float
    needed_tb: float
    room_tb: float
    """In such systems, were they to answer all of the load."""
    where: str
    seen_share: float
    """Of prompt tokens that an earlier call of the session had."""
    found_share: float
    """Of prompt tokens that need not be computed again."""


class Drafting(_Part):
    """Speculative decoding of a serving replica, and what it is worth: the same replica at the same share of its
    throughput without drafts."""

    method: Literal["mtp", "eagle"]
    drafts: int
    acceptance: float
    acceptance_source: str
    tokens_a_step: float
    """Tokens that a request gains in a step, on average."""
    tpot_ms_without: float
    tokens_per_s_without: float


class Predicted(_Part):
    """What the performance model expects of this deployment. Rates are of the whole deployment."""

    step_time_s: float | None = None
    tokens_per_s: float | None = None
    tokens_per_s_per_chip: float | None = None
    input_tokens_per_s: float | None = None
    requests_per_s: float | None = None
    samples_per_s: float | None = None
    model_tflops_per_chip: float | None = None
    mfu: float | None = None
    peak_tflops_per_chip: float | None = None
    """The dense peak that ``mfu`` divides by."""
    modelled_mfu: float | None = None
    """Where the scenario fixes ``mfu``: what the performance model expects of the same layout."""
    linearity: float | None = None
    """Where one is claimed: tokens/s of a chip over those in the fewest replicas of the same degrees."""
    relative_speed: float | None = None
    """Where claims name a system: tokens/s of a chip over those of a chip of it in the same degrees."""
    ettr: float | None = None
    days: float | None = None
    """Days of running, failures included."""
    finish_days: float | None = None
    """Days from the scenario's start to the end of the run."""
    ttft_ms: float | None = None
    tpot_ms: float | None = None
    latency_ms: float | None = None
    cached_prefix: float | None = None
    """Share of prompt tokens that the system's pools find cached, where the load names a hit curve."""
    cache_kept: CacheKept | None = None
    """Agents: caches of the sessions that pause."""
    prefill_share: float | None = None
    """Of a serving replica's time that prompts take: what divides its cost between prompts and answers."""
    drafting: Drafting | None = None
    """Serving: drafts a step, where the load asks for a choice and some are chosen."""
    extrapolation: list[str] = Field(default_factory=list)
    """Serving: what no measured run has in common with this replica, in words; empty where runs like it are known."""
    memory_gb_per_chip: float | None = None
    memory_limit_gb_per_chip: float | None = None
    breakdown: dict[str, float] = Field(default_factory=dict)
    """Seconds by cause: of a step (training), of a mean step at full load (serving), else of a request; sums to it."""
    memory_gb: dict[str, float] = Field(default_factory=dict)
    """GB per chip by component, of the fullest stage; sums to memory_gb_per_chip."""
    interval: Interval | None = None
    measured_correction: float | None = None
    """Training: factor on the step time that measured runs near this one make, None where there is none."""
    measured_runs: list[MeasuredRun] = Field(default_factory=list)
    """Training: the measured runs that have most in common with this one, most first."""
    stacks: list[StackChoice] = Field(default_factory=list)
    """Training: the same layout under the stack assumed and under others that may run it, fastest first; empty where
    the scenario fixes the MFU."""
    stack_interval: Interval | None = None
    """Training: the 80% interval of a step where it is not known which of the ``stacks`` that fit will run it."""


class DeploymentPower(_Part):
    """MW of this deployment. ``it_mw`` and ``facility_mw`` are peaks (provisioning); averages pay for energy."""

    it_mw: float
    facility_mw: float
    it_average_mw: float
    facility_average_mw: float
    pue: float
    breakdown_mw: dict[str, float] = Field(default_factory=dict)
    """Average facility MW by cause; sums to facility_average_mw."""


class Cost(_Part):
    """Money of this deployment over the horizon. ``lines_usd`` sums to ``total_usd``."""

    capex_usd: float
    opex_usd_per_year: float
    total_usd: float
    lines_usd: dict[str, float]
    capex_lines_usd: dict[str, float] = Field(default_factory=dict)
    """What is bought, at its purchase price; sums to ``capex_usd``."""


class Answered(_Part):
    """What a deployment answers of one class of requests, and the settings at which a replica does it."""

    name: str
    input_tokens: int
    output_tokens: int
    requests_per_s: float
    share_of_time: float
    """Of all replicas' time; the classes of a deployment sum to one at most."""
    ttft_ms: float
    tpot_ms: float
    batch: int
    """Requests of the class in flight on one replica."""
    chunk_tokens: int
    load: float


class Deployment(_Part):
    """Some whole systems, at one site from one period on, doing one job of one workload."""

    workload: str
    role: Role
    site: str
    period: str
    system: str
    chip: str
    cooling: str
    interconnect: str
    systems: int
    """Whole systems bought or rented, spares included; of work in parts those that it would fill by itself."""
    replicas: int
    """Copies of the unit (a training run is one, serving has many)."""
    part_chips: int = 0
    """Chips of the part of a system that a unit occupies, beside other work; 0: whole systems."""
    cache_pool: str = ""
    """Of a load whose phases may be apart: the replicas that hand caches to each other; empty where any may."""
    with_loads: tuple[str, ...] = ()
    """Other loads, alike in all but how many requests come, that its units answer too."""
    chips: int
    """Chips that work, without spares."""
    spares: int
    """Spare systems among ``systems``."""
    racks: int
    acquire: Literal["buy", "rent", "installed"]
    rent_term: str = ""
    """Of rented systems: on_demand, 1y or 3y."""
    parallelism: Parallelism
    precision: str
    power_cap: float = 1.0
    """Enforced share of the chips' TDP."""
    topology: Topology = FAT_TREE
    """Design of the scale-out network (docs/scenarios.md, ``hardware.topologies``)."""
    predicted: Predicted
    power: DeploymentPower
    cost: Cost
    carbon_t: float
    water_m3: float
    mix: str = ""
    """Shared by the two deployments of a run on two kinds of systems."""
    answers: tuple[Answered, ...] = ()
    """Loads with request classes: what it answers of each."""
    network: dict[str, float] = Field(default_factory=dict)
    """Bill of materials of the cluster network: switches, links, optics, price_usd, power_w."""
    option: str = ""
    """Id of the option this deployment counts."""

    @property
    def loads(self) -> tuple[str, ...]:
        """The workload, and the loads that its units answer too."""
        return self.workload, *self.with_loads

    @property
    def served(self) -> str:
        """Whom it works for, as a person reads it."""
        return named(self.loads)

    @property
    def cooled(self) -> str:
        """Cooling and power cap, as a person reads them."""
        return f"{self.cooling} capped to {self.power_cap:.0%}" if self.power_cap < 1.0 else self.cooling


class Money(_Part):
    """Money of a lot or of work, present value at the plan's start. ``lines_usd`` sums to ``total_usd``."""

    total_usd: float
    lines_usd: dict[str, float]
    opex_usd_by_year: tuple[float, ...]
    """Running cost in each year of the plan, not discounted."""
    capex_usd: float = 0.0
    capex_lines_usd: dict[str, float] = Field(default_factory=dict)
    """What is bought, at its purchase price; sums to ``capex_usd``."""


class Priced(_Part):
    """Something that costs money, emits and evaporates, by year of the plan."""

    money: Money
    carbon_t_by_year: tuple[float, ...]
    water_m3_by_year: tuple[float, ...]


class FleetLot(Priced):
    """Systems of one kind that stand at one place from one period until another."""

    site: str
    system: str
    chip: str
    cooling: str
    fabric: Literal["none", "pod", "large"] = "pod"
    """Scale-out fabric that it stands in: none, ports of a pod, or of one with a tier more."""
    power_cap: float = 1.0
    """Share of the chips' TDP that they are held to."""
    topology: Topology = FAT_TREE
    """Design of the scale-out network that they take ports of."""
    interconnect: str
    acquire: Literal["buy", "rent", "installed"]
    workload: str = ""
    """The workload whose own systems these are; empty where whatever needs them may use them."""
    rented_days: float = 0.0
    """Of systems rented for the run ``workload`` alone: for so many days from its start, in the periods from ``begin``
    until ``end``. 0: they stand for whole periods."""
    begin: str
    """Month in which they arrive."""
    end: str = ""
    """Month in which they are sold or handed back; empty where they stay to the end of the horizon."""
    rent_term: str = ""
    """Of rented systems: on_demand, 1y or 3y."""
    hours: tuple[int, ...] = ()
    """Of each day, UTC, that they are rented for; none: all of them."""
    since: str = ""
    """Of installed systems: the month they were installed in, where the scenario says."""
    systems: int
    chips: int
    racks: float
    """Racks that they fill; a part of one where systems share racks."""
    power_mw: float
    """Peak at the meter; 0 where rented: the power is another's."""
    it_mw: float
    """IT peak; 0 where rented."""
    network: dict[str, float] = Field(default_factory=dict)
    """Their share of the network of their place: switches, links, optics, price_usd, power_w."""


class FleetStanding(_Part):
    """What stands of one kind at one place in one period."""

    period: str
    site: str
    system: str
    chip: str
    cooling: str
    fabric: Literal["none", "pod", "large"] = "pod"
    """Scale-out fabric that it stands in: none, ports of a pod, or of one with a tier more."""
    power_cap: float = 1.0
    """Share of the chips' TDP that they are held to."""
    topology: Topology = FAT_TREE
    """Design of the scale-out network that they take ports of."""
    systems: int
    chips: int
    racks: int
    power_mw: float
    utilisation: float
    """Share of the systems' time in the period in which they work, spares of runs included; 0 to 1."""


class FleetYear(_Part):
    """A year of the plan, not discounted: what is spent on buying, on running, what is emitted and evaporated."""

    year: int
    capex_usd: float
    opex_usd: float
    carbon_t: float
    water_m3: float


class Fleet(_Part):
    """A fleet over time: what is bought, rented and sold where and when, and what then stands."""

    lots: tuple[FleetLot, ...]
    standing: tuple[FleetStanding, ...]
    years: tuple[FleetYear, ...]


class Work(Priced):
    """Work on systems of a fleet. ``money`` is what it costs on top of systems that stand: its power."""

    workload: str
    role: Role
    site: str
    system: str
    chip: str
    cooling: str
    fabric: Literal["none", "pod", "large"] = "pod"
    """Scale-out fabric that it stands in: none, ports of a pod, or of one with a tier more."""
    power_cap: float = 1.0
    """Share of the chips' TDP that they are held to."""
    topology: Topology = FAT_TREE
    """Design of the scale-out network that they take ports of."""
    interconnect: str
    parallelism: Parallelism
    precision: str
    predicted: Predicted
    added_mw: float
    """Facility power while at work, above what its systems draw without: of the run, or of one unit."""
    part_chips: int = 0
    """Chips of the part of a system that it (or one unit) occupies, beside other work; 0: whole systems."""
    hours: tuple[int, ...] = ()
    """Of each day, UTC, in which it works; none: all of them. Others may have its systems in the rest."""
    cache_pool: str = ""
    """Of a load whose phases may be apart: the replicas that hand caches to each other; empty where any may."""
    option: str = ""
    """Id of the column of the model that this is."""


class ScheduledRun(Work):
    """A run: when, where and on what. It occupies its systems from ``start_day`` to ``end_day``, in its ``hours`` of
    each day, spares included.

    The model starts runs at slots: money, dates of limits and the objective count from ``counted_from_day``; the
    schedule in days begins the run then or earlier, after the slot before.
    """

    systems: int
    """Whole systems, spares included."""
    spares: int
    chips: int
    """Chips that work, without spares."""
    start_day: float
    """Days from the plan's start."""
    end_day: float
    start_date: str
    end_date: str
    rented_alone: bool = False
    """Whether it runs on systems rented for it alone, a lot of its own."""
    counted_from_day: float
    counted_to_day: float
    mix: str = ""
    """Of a run on two kinds of systems: the same of its two sides, which begin and end together."""
    leads: bool = True
    """Of the two, the one that is counted as the run: its finish is the run's."""
    units: int = 1
    """Of work by a date: units that work side by side, each with systems of its own."""
    stops_a_day: int = 0
    """How often a day it is stopped and begun again, where it works in some ``hours`` alone."""
    stop_s: float = 0.0
    """Seconds that each of them costs: a checkpoint that has left its chips, and a restart."""


class ScheduledLoad(Work):
    """Units of a load. ``predicted``, ``systems``, ``chips`` and ``replicas`` are of one unit."""

    systems: int
    chips: int
    replicas: int
    units: tuple[int, ...]
    """Units at work in each period."""
    with_loads: tuple[str, ...] = ()
    """Other loads, alike in all but how many requests come, that its units answer too."""
    answers: tuple[tuple[Answered, ...], ...] = ()
    """Of loads with request classes: what all its units answer of each class, by period; ``predicted`` is of a unit
    in the period in which most of them work."""

    @property
    def loads(self) -> tuple[str, ...]:
        """All loads that its units answer."""
        return self.workload, *self.with_loads

    @property
    def served(self) -> str:
        """Whom it works for, as a person reads it."""
        return named(self.loads)


class LoadDemand(_Part):
    """What a load asks for and what the plan can answer, by period; ``unit`` requests/s or samples/s."""

    workload: str
    unit: str
    asked: tuple[float, ...]
    answered: tuple[float, ...]


class Schedule(_Part):
    """What a fleet does when: runs in order of their start, loads by period."""

    runs: tuple[ScheduledRun, ...] = ()
    loads: tuple[ScheduledLoad, ...] = ()
    demand: tuple[LoadDemand, ...] = ()


class Simplified(_Part):
    """How a plan was made simpler at little cost: ``solve.simplify``. Objectives in the objective's unit."""

    share: float
    """Of the best objective, that a simpler plan may be worse by."""
    best: float
    """The objective of the best plan that was found."""
    kinds_before: int
    """Kinds of systems (system, chip, cooling) that the best plan has at work."""
    pools_before: int
    """Pools (one job of one workload on one kind at one site) that it has."""
    kinds: int
    pools: int
    proven: bool
    """No plan within the share has fewer kinds, or as few and fewer pools."""


class Totals(_Part):
    """Sums over deployments; ``opex_usd_per_year`` is the mean of the plan's years. Of a plan over lots: counts and
    power of the period in which each is largest."""

    chips: int
    systems: int
    racks: int
    it_mw: float
    facility_mw: float
    capex_usd: float
    opex_usd_per_year: float
    tco_usd: float
    usd_per_m_tokens: dict[str, float] = Field(default_factory=dict)
    """By workload: cost over the horizon divided by tokens processed in it."""
    unit_cost_usd: dict[str, dict[str, dict[str, float]]] = Field(default_factory=dict)
    """{workload: {chip_hour | run | million_tokens | million_input_tokens | ...: {line: USD, ..., total: USD}}}.

    Lines sum to their total; input, cached and output tokens of a serving load together pay all of its cost."""
    joules_per_token: dict[str, dict[str, float]] = Field(default_factory=dict)
    """{serving load: {input | cached | output: J}} at the meter, on average, divided as the cost is."""
    carbon_t: float
    water_m3: float


class PromiseChance(_Part):
    """How likely a workload's promise is kept: the date of a run, the rate and latencies of a load."""

    workload: str
    what: str
    """``date`` of a run, ``load`` of a load."""
    chance: float
    asked: float = 0.5
    """The confidence with which the scenario asks for it; 0.5: central figures."""


class Chance(_Part):
    """How likely the promises of the plan are kept: performance, deliveries, failures and demand are uncertain."""

    promises: tuple[PromiseChance, ...]
    all_kept_least: float
    """All of them, where the model's errors of different workloads have nothing in common."""
    all_kept_most: float
    """All of them, where one error moves every workload."""
    basis: str


class MeasuredEffect(_Part):
    """What a user's own measurements change of one prediction."""

    workload: str
    role: str
    system: str
    quantity: str
    """``step_time_s``, ``tpot_ms``, ...: what the interval is of."""
    without: float
    """What would be predicted without the measurements."""
    predicted: float
    width_without: float
    """High end of the 80% interval over the low one, without them."""
    width: float
    runs: int
    """Figures measured, of all rows."""


class PlanAt(_Part):
    """The plan behind what another confidence costs: what stands and works, and what it comes to.

    A plan over lots has ``fleet`` and ``schedule``, of which its deployments are a view; any other its deployments.
    """

    status: Status
    objective: Objective
    deployments: tuple[Deployment, ...] = ()
    fleet: Fleet | None = None
    schedule: Schedule | None = None
    totals: Totals
    chance: Chance | None = None
    simplified: Simplified | None = None


class AtConfidence(_Part):
    """The same question with every promise at another confidence: what the best plan costs then."""

    confidence: float
    status: Literal["same", "planned", "out_of_reach", "not_tried"]
    """``same``: the plan itself holds with it; ``planned``: another plan does; ``out_of_reach``: none does;
    ``not_tried``: there was no time for it (``solve.answers: full`` takes as long as it needs)."""
    cost_usd: float | None = None
    more_usd: float | None = None
    """Cost over the horizon beyond the plan's own."""
    systems: int | None = None
    hardware: str = ""
    chance: float | None = None
    """The least chance of its promises."""
    plan: PlanAt | None = None
    """Where it is ``planned``: that plan, which ``verify`` holds to the scenario at this confidence."""


class Binding(_Part):
    """A limit that binds: what is used, of what, and what one more unit is worth (confirmed by re-solving)."""

    limit: str
    used: float
    of: float
    unit: str
    worth_per_unit: float | None = None
    worth_unit: str = ""
    note: str = ""
    kind: str = ""
    """What sort of limit: power, racks, budget, chips, supply, carbon, water, deadline, demand, ..."""
    path: str = ""
    """The leaf of the scenario that states it."""


class Alternative(_Part):
    """Another plan worth knowing: what changes, what it costs."""

    name: str
    objective: float | None
    difference: float | None = None
    """(alternative - best) / best of the objective."""
    summary: str
    tied: bool = False
    """Whether the model cannot tell it from the plan: nearer than measured pairs come out in the predicted order."""
    kinds: int = 0
    """Kinds of systems (with their chips) that it is made of; 0 where it was not described."""
    values: dict[str, float] = Field(default_factory=dict)
    """Its value of every objective, as ``objective.values`` of the plan; empty where they were not worked out."""
    cost_difference_usd: dict[str, float] = Field(default_factory=dict)
    """By cost line over the horizon: the alternative's less the plan's."""


class Assumption(_Part):
    """A figure that nobody has published and that this plan rests on."""

    path: str
    value: float | str
    unit: str = ""
    source: str = ""
    rests_on_it: tuple[str, ...] = ()
    moves_usd: float | None = None
    """Of a plan of one period: what a quarter of the figure, either way, changes of the cost of the plan as it is, up
    or down; the larger of both. None where the plan does not use what rests on it."""
    chance: float | None = None
    """The least chance of its promises with a quarter the worse way."""
    breaks: bool = False
    """Whether a quarter one way makes the plan impossible as it is: what it runs no longer fits, or is not allowed."""


class LeftOut(_Part):
    """An option that did not take part, and why."""

    option: str
    reason: str


class Proof(_Part):
    """How large the searched space was and who vouches for the answer."""

    candidates: int
    """Legal combinations that fit in memory and were priced."""
    enumerated: int
    options: int
    pruned: int
    solver: str
    bound: float | None = None
    checked_by: str = ""
    seconds: float = 0.0
    seconds_by_room: dict[str, float] = Field(default_factory=dict)
    columns: int = 0
    rows: int = 0
    seed: int = 0
    threads: int = 1
    time_limit_s: float = 0.0
    gap_limit: float = 0.0


class Conflict(_Part):
    """Limits that cannot hold together, in the user's words."""

    limits: tuple[str, ...]
    message: str


class Nearest(_Part):
    """The smallest change of one limit that makes a plan possible (confirmed by re-solving)."""

    limit: str
    now: float
    needed: float
    unit: str
    message: str
    confirmed: bool
    """Planning again with this change alone found a plan."""
    together: tuple[str, ...] = ()
    """Other limits that must move as well, each to the figure that it has here: this change alone is not enough."""
    confirmed_together: bool = False
    """Planning again with this change and those together found a plan."""

    @property
    def helps(self) -> bool:
        """Whether it was confirmed, alone or together with the others."""
        return self.confirmed or self.confirmed_together


class Asked(_Part):
    """What a workload of the scenario asks for, as far as acting on the plan needs it (launch settings, sizes)."""

    name: str
    kind: str
    """``training``, ``serving`` and the other kinds of ``planner.scenario.kinds``, or one of a plugin."""
    model: str
    tokens: float | None = None
    sequence_length: int | None = None
    global_batch: int | None = None
    framework: str = ""
    checkpoint_interval_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    requests_per_s: float | None = None
    kv_precision: str = ""
    engine: str = ""
    memory_fraction: float | None = None
    software_date: str = ""
    cached_prefix: float | None = None
    speculation: Literal["mtp", "eagle"] | None = None
    steps: int | None = None
    prompts: int | None = None
    answers_per_prompt: int | None = None
    longest_answer: int | None = None
    clips_per_hour: float | None = None
    height: int | None = None
    width: int | None = None
    frames: int | None = None
    samples: float | None = None
    samples_per_s: float | None = None
    finish_within_days: float | None = None
    """Of work by a date; with ``tokens`` or ``requests_per_s`` over its window."""
    hours_per_day: float | None = None


class Simulation(_Part):
    """Single requests followed through one replica of a deployment at its planned load, beside what was planned."""

    workload: str
    role: Role
    site: str
    system: str
    requests: int
    requests_per_s: float
    """Of the replica."""
    percentile: float
    planned_ttft_ms: float | None = None
    ttft_ms: float | None = None
    """None of a replica that only decodes."""
    planned_tpot_ms: float | None = None
    tpot_ms: float | None = None
    """None of a replica that only prefills."""
    ttft_limit_ms: float | None = None
    tpot_limit_ms: float | None = None
    """Limits of the load; a simulated percentile above one says by how much it is missed."""
    waited: float = 0.0
    """Share of requests that found no room."""
    misses: tuple[str, ...] = ()
    """Limits of the load that the simulated percentile is above: ttft_ms, tpot_ms."""


class Plan(PlanViews, _Part):
    """A plan, or the reason there is none."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=SCHEMA_VERSION)] = SCHEMA_VERSION
    planner_version: str
    scenario: str
    variant: str | None = None
    start: str
    periods: tuple[str, ...] = ()
    horizon_years: float
    status: Status
    answer: str
    """One sentence a person can repeat."""
    objective: Objective
    workloads: tuple[Asked, ...] = ()
    """What was asked, in the scenario's order."""
    deployments: tuple[Deployment, ...] = ()
    """What stands and what it does. Of a plan over lots a view: each piece of work with its share of ``fleet``."""
    fleet: Fleet | None = None
    schedule: Schedule | None = None
    totals: Totals | None = None
    chance: Chance | None = None
    simplified: Simplified | None = None
    """Where a simpler plan than the best one was taken."""
    """None where there is no plan, or nothing is known of how far off its predictions may be."""
    measured: tuple[MeasuredEffect, ...] = ()
    """What the user's own measurements change; empty where there are none."""
    at_confidences: tuple[AtConfidence, ...] = ()
    """What other confidences cost, lowest first."""
    binding: tuple[Binding, ...] = ()
    walls: Walls | None = None
    """Communication, power and cooling, complexity: how hard each presses, and which binds. None without a plan."""
    alternatives: tuple[Alternative, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    simulations: tuple[Simulation, ...] = ()
    """Only where asked for; a check beside the plan, which does not change it."""
    proof: Proof
    conflicts: tuple[Conflict, ...] = ()
    nearest: tuple[Nearest, ...] = ()
    problem_digest: str = ""
    catalog_digest: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    verified: bool = False
    seal: str = ""
    """Digest of all else that the plan says; a file that was changed since fails ``verify``. Empty: not sealed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True, populate_by_name=True
    )

    @property
    def holdings(self) -> tuple[Deployment | FleetLot, ...]:
        """What is bought, rented or used: the lots of a fleet, else the deployments."""
        return self.deployments if self.fleet is None else self.fleet.lots

    @property
    def kinds(self) -> frozenset[tuple[str, str, str]]:
        """Kinds of systems at work: (system, chip, cooling)."""
        return frozenset((d.system, d.chip, d.cooling) for d in self.deployments)

    @property
    def pools(self) -> frozenset[tuple[str, str, str, str, str, str]]:
        """Pools at work: (site, system, chip, cooling, workload, role)."""
        return frozenset(
            (d.site.split("/")[0], d.system, d.chip, d.cooling, d.workload, d.role) for d in self.deployments
        )

    @property
    def has_plan(self) -> bool:
        """Whether there are deployments, or a fleet, to act on."""
        return self.status in STATUS_WITH_PLAN

    @property
    def lacks_figures(self) -> bool:
        """Whether hardware is left out of it of which a figure is not published."""
        return any(NOT_PUBLISHED in x.reason for x in self.left_out)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; one with something changed carries no seal until it is ``sealed``."""
        return super().model_copy(update={"seal": "", **update} if update else update, deep=deep)

    @property
    def sealed(self) -> Self:
        """The plan with a seal over what it says now."""
        return self.model_copy(update={"seal": seal_of(self.to_dict())})

    @property
    def seal_is_broken(self) -> bool:
        """Whether something was changed since the plan was sealed."""
        return bool(self.seal) and self.seal != seal_of(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in plan.json."""
        return self.model_dump(mode="json", by_alias=True)

    def to_json(self) -> str:
        """The text of plan.json."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"

    def write(self, path: Path) -> None:
        """Write plan.json whole or not at all (temporary file beside it, then rename)."""
        write_text(path, self.to_json())

    @classmethod
    def from_json(cls, text: str, file: str = "") -> Plan:
        """Read plan.json; raises ``InputError`` where it is another schema, breaks this one or holds absurd figures."""
        _must_be_this_schema(text, file)
        try:
            plan = cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            found = [
                Problem(e["msg"], file=file, path=".".join(str(p) for p in e["loc"]), found=repr(e["input"])[:80])
                for e in error.errors()
            ]
            raise InputError(at_most(found, MOST_PROBLEMS)) from None
        if problems := plan_problems(plan, file):
            raise InputError(problems)
        if plan.fleet is not None and plan.schedule is not None and not plan.deployments:
            from planner.answer.deployed import deployments_view, lengths_of  # which reads plans

            # schema 1 had no deployments where there are lots
            years = lengths_of(plan.periods or (plan.start,), plan.start, plan.horizon_years)
            view = deployments_view(plan.fleet, plan.schedule, plan.periods or (plan.start,), years)
            plan = plan.model_copy(update={"deployments": view})
        return plan

    @classmethod
    def read(cls, path: str | Path) -> Plan:
        """Read plan.json; raises ``InputError`` when it is missing or is not a plan."""
        try:
            with Path(path).open("rb") as handle:
                data = handle.read(LARGEST_FILE + 1)
            text = data.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(Problem(f"cannot read the plan: {error}", file=str(path))) from None
        return cls.from_json(text, file=str(path))


def _must_be_this_schema(text: str, file: str) -> None:
    """Raise ``InputError`` for what is no JSON, no plan, or a plan of a schema that is not read here."""
    if len(text) > LARGEST_FILE:
        raise InputError(Problem(f"is no plan: longer than {LARGEST_FILE // 2**20} MiB", file=file))
    try:
        data = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise InputError(Problem(f"is no plan: not JSON ({error})", file=file)) from None
    if not isinstance(data, dict) or "schema" not in data or "objective" not in data:
        raise InputError(
            Problem(
                "is no plan of this planner", file=file, remedy="`planner plan SCENARIO --out DIR` writes plan.json."
            )
        )
    found = data["schema"]
    if isinstance(found, int) and found > SCHEMA_VERSION:
        maker = str(data.get("planner_version", ""))[:20]
        raise InputError(
            Problem(
                "the plan has a newer schema than this planner reads",
                file=file,
                path="schema",
                found=f"{found!s:.20}, written by planner {maker!r}",
                allowed=f"up to {SCHEMA_VERSION}",
                remedy="Read it with that planner, or plan its scenario again with this one.",
            )
        )


def plan_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of plan.json."""
    schema = Plan.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "plan"
    return schema


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; raises ``InputError`` when the place cannot be written."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; raises ``InputError`` when the place cannot be written."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as handle:
                handle.write(data)
            temporary.replace(path)
        except BaseException:  # Ctrl-C and a full disk leave nothing behind
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(Problem(f"cannot write: {error.strerror or error}", file=str(path))) from None
