"""Settings of a deployment, and a launch that must account for each of them.

``Launch`` collects options of a tool. Each option names the settings it expresses; what no option expresses is either
explained (``said``: the number of nodes sets the data parallelism) or ends in the comments as not expressible, so that
nothing a plan decided is lost on the way, settings added to plans later included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from planner.answer.plan import Asked, Deployment, Plan
from planner.catalog import Catalog
from planner.catalog.architecture import ModelArch
from planner.catalog.records import Chip
from planner.errors import InputError, Problem
from planner.export.quoting import Variable, object_name, shell_word
from planner.export.stacks import Stack, stack_of
from planner.performance.compile import build_platform

_TRIVIAL: Mapping[str, object] = {
    "power_cap": 1.0, "sp": False, "spares": 0, "cached_prefix": 0.0, "framework": "default",
    "drafts": 0,
}  # fmt: skip
"""Values that say nothing: the way every tool works without being told."""
_OF_DEPLOYMENT = ("role", "precision", "power_cap", "spares", "replicas", "answers", "mix")
_OF_WORKLOAD = (
    "model", "tokens", "sequence_length", "framework", "checkpoint_interval_s", "kv_precision", "input_tokens",
    "output_tokens", "cached_prefix", "engine", "memory_fraction", "steps", "prompts", "answers_per_prompt",
    "longest_answer",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One deployment with all that launching it needs. Sizes are of one replica; a run is one replica."""

    number: int
    deployment: Deployment
    asked: Asked
    model: ModelArch
    chip: Chip
    stack: Stack
    chips: int
    """Chips of one replica."""
    chips_per_server: int
    memory_gb: float
    """Memory of a chip as the performance model counts it, GB."""

    @property
    def name(self) -> str:
        """A name for files and objects: the workload, and the role and number where there are several."""
        d = self.deployment
        return object_name(d.workload, d.role, self.number)

    @property
    def nodes(self) -> int:
        """Servers of one replica."""
        return -(-self.chips // self.chips_per_server)

    @property
    def chips_per_node(self) -> int:
        """Chips of one replica in one server."""
        return min(self.chips, self.chips_per_server)


def jobs_of(plan: Plan, catalog: Catalog) -> tuple[Job, ...]:
    """The deployments of a plan, or the work of its shared fleet, as jobs.

    Raises ``InputError`` where it has none or does not say what was asked.
    """
    if not plan.has_plan:
        raise InputError(Problem(f"nothing to export: the plan's status is {plan.status}"))
    asked = {w.name: w for w in plan.workloads}
    found = []
    for i, d in enumerate(plan.deployments):
        if d.workload not in asked:
            raise InputError(
                Problem(
                    f"the plan does not say what {d.workload} asks for",
                    remedy="It was made by an older planner: plan the scenario again.",
                )
            )
        found.append(job_of(i, d, asked[d.workload], catalog))
    return tuple(found)


def job_of(number: int, d: Deployment, asked: Asked, catalog: Catalog) -> Job:
    """One deployment, and what its workload asks, as a job."""
    system, chip = catalog.system(d.system), catalog.chip(d.chip)
    return Job(
        number=number,
        deployment=d,
        asked=asked,
        model=catalog.model(asked.model),
        chip=chip,
        stack=stack_of(chip),
        chips=d.chips // max(d.replicas, 1),
        chips_per_server=int(system.get("chips_per_server") or system.need("chips_total")),
        memory_gb=build_platform(catalog, d.system, d.chip, d.cooling).memory_bytes / 1e9,
    )


def settings_of(job: Job) -> dict[str, object]:
    """Every setting of a deployment that a launch must express or own up to not expressing, by name."""
    d = job.deployment
    found: dict[str, object] = {name: getattr(d, name) for name in _OF_DEPLOYMENT}
    found |= d.parallelism.model_dump()
    found |= {name: getattr(job.asked, name) for name in _OF_WORKLOAD}
    return {k: v for k, v in found.items() if v not in (None, "", (), {}) and _TRIVIAL.get(k) != v}


@dataclass
class Launch:
    """Options of one tool for one job."""

    job: Job
    tool: str
    options: list[tuple[str, str | None]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _accounted: set[str] = field(default_factory=set)

    def option(self, name: str, value: object = None, *, of: str | Sequence[str] = ()) -> None:
        """An option (without a value: a switch) and the settings that it expresses."""
        self.options.append((name, None if value is None else _text(value)))
        self._accounted.update([of] if isinstance(of, str) else of)

    def said(self, note: str, *, of: str | Sequence[str] = ()) -> None:
        """Settings that are met without an option, and how."""
        self.notes.append(note)
        self._accounted.update([of] if isinstance(of, str) else of)

    def unexpressed(self) -> dict[str, object]:
        """Settings of the plan for which there is neither an option nor a word."""
        return {k: v for k, v in settings_of(self.job).items() if k not in self._accounted}

    def argv(self) -> list[str]:
        """The options as a list of arguments."""
        return [part for name, value in self.options for part in ((name,) if value is None else (name, value))]

    def lines(self) -> Iterator[str]:
        """The options, one a line, quoted for a shell; variables of the launcher stay variables."""
        for name, value in self.options:
            yield name if value is None else f"{name} {shell_word(value)}"

    def comments(self) -> Iterator[str]:
        """What a reader must know, and what could not be expressed, as lines without a comment sign."""
        yield from about(self.job)
        yield f"Options of {self.tool}."
        yield from self.job.stack.notes_for(self.tool)
        yield from self.notes
        rest = self.unexpressed()
        if rest:
            yield f"The plan also says, and {self.tool.split(' ', maxsplit=1)[0]} has no option for it:"
            yield from (f"  {name} = {value}" for name, value in rest.items())


def about(job: Job) -> Iterator[str]:
    """Which deployment this is, in words."""
    d = job.deployment
    yield f"{d.workload} ({d.role}): {d.systems} x {d.system} with {d.chip} in {d.cooling} at {d.site}, from {d.period}"
    spare = f", {d.spares} of the systems spare" if d.spares else ""
    yield f"{d.replicas} replica(s) of {job.chips} chips on {job.nodes} server(s) of {job.chips_per_server}{spare}"
    yield f"interconnect: {d.interconnect}; acquired: {d.acquire}"


def _text(value: object) -> str:
    if isinstance(value, Variable):
        return value
    return f"{value:g}" if isinstance(value, float) else str(value)
