"""A plan as files for others to act on: which formats there are, and what each makes of a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from planner import plugins
from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.errors import InputError, Problem, unknown_name
from planner.export.bom import bill_of_materials, bom_csv, bom_xlsx
from planner.export.cluster import kubernetes, script, slurm
from planner.export.megatron import megatron
from planner.export.serving import sglang, vllm
from planner.export.settings import Job, jobs_of
from planner.export.verl import verl_script
from planner.scenario.types import Scenario
from planner.verify.plan import verify_plan

SERVING = ("serve", "prefill", "decode")


@dataclass(frozen=True)
class ExportFile:
    """A file to write. ``text`` is None where it is no text."""

    name: str
    data: bytes
    media: str

    @property
    def text(self) -> str | None:
        """The file as text."""
        return self.data.decode() if self.media.startswith("text/") else None


def export_plan(
    plan: Plan, catalog: Catalog, what: str, *, scenario: Scenario | None = None, unverified: bool = False
) -> tuple[ExportFile, ...]:
    """The files of a format for a plan; ``catalog`` without the plan's assumptions (they are in the plan).

    With ``scenario`` the plan is verified against it first; without, its own word is taken for that.

    Raises ``InputError`` for an unknown format, a plan that fails verification or says that it never was verified
    (unless ``unverified``), one without deployments, one made by an older planner, or one in which nothing is of the
    format's kind. XLSX is left out where openpyxl is not installed (``bom_xlsx`` says so).
    """
    others = plugins.names(plugins.EXPORTERS)
    if what not in FORMATS and what not in others:
        raise unknown_name("format to export", what, [*FORMATS, *others])
    if not unverified:
        _vouched(plan, catalog, scenario)
    if what not in FORMATS:
        return _by_plugin(plan, with_assumptions(plan, catalog), what)
    if what == "bom":
        return tuple(_bom(plan))
    jobs = jobs_of(plan, with_assumptions(plan, catalog))
    roles, make, suffix = _LAUNCHED[what]
    files = tuple(
        ExportFile(f"{job.name}.{suffix}", make(job).encode(), "text/plain")
        for job in jobs
        if job.deployment.role in roles
    )
    if not files:
        has = ", ".join(sorted({job.deployment.role for job in jobs}))
        raise InputError(
            Problem(f"nothing in the plan is launched with {what}", found=has, allowed=f"roles {', '.join(roles)}")
        )
    return files


def _by_plugin(plan: Plan, catalog: Catalog, what: str) -> tuple[ExportFile, ...]:
    """Files of an exporter of another package. Raises ``InputError`` where it fails or names a file outside."""
    write: plugins.Exporter = plugins.load(plugins.EXPORTERS, what)
    try:
        made = [(str(name), content.encode() if isinstance(content, str) else bytes(content), isinstance(content, str))
                for name, content in write(plan, catalog)]  # fmt: skip
    except InputError:
        raise
    except Exception as error:
        raise InputError(Problem(f"the exporter {what!r} failed: {type(error).__name__}: {error}")) from error
    for name, _, _ in made:
        if not name or PurePath(name).name != name or "\\" in name or name.startswith("."):
            raise InputError(Problem(f"the exporter {what!r} names a file that is no plain name", found=name[:80]))
    return tuple(
        ExportFile(name, data, "text/plain" if is_text else "application/octet-stream") for name, data, is_text in made
    )


def _vouched(plan: Plan, catalog: Catalog, scenario: Scenario | None) -> None:
    """Raise ``InputError`` for a plan that nobody should act on: it failed verification, or was never verified."""
    remedy = "Plan the scenario again; --unverified exports it all the same."
    if plan.has_plan and not plan.verified:
        raise InputError(Problem("the plan says that it was never verified", path="verified", remedy=remedy))
    if scenario is None:
        return
    failures = verify_plan(plan, scenario, catalog)
    if failures:
        more = f" and {len(failures) - 3} more" if len(failures) > 3 else ""
        raise InputError(
            Problem(f"the plan fails verification: {'; '.join(failures[:3])}{more}", path="verified", remedy=remedy)
        )


def with_assumptions(plan: Plan, catalog: Catalog) -> Catalog:
    """The catalog with the figures that the plan assumes."""
    wanted: dict[str, dict[str, dict[str, float | str]]] = {}
    for a in plan.assumptions:
        kind, _, rest = a.path.partition(".")
        record, _, name = rest.partition(".")
        if not (kind and record and name):
            raise InputError(Problem("is no figure of a record", path="assumptions", found=a.path[:80],
                                     allowed="kind.id.field"))  # fmt: skip
        wanted.setdefault(kind, {}).setdefault(record, {})[name] = a.value
    return catalog.with_assumptions(wanted) if wanted else catalog


def _bom(plan: Plan) -> Iterator[ExportFile]:
    lines = bill_of_materials(plan)
    yield ExportFile("bom.csv", bom_csv(lines).encode(), "text/csv")
    try:
        yield ExportFile(
            "bom.xlsx", bom_xlsx(lines), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        )
    except InputError:
        return


_LAUNCHED: Mapping[str, tuple[tuple[str, ...], Callable[[Job], str], str]] = {
    "megatron": (("train",), lambda job: script(job, megatron(job)), "megatron.sh"),
    "vllm": (SERVING, lambda job: script(job, vllm(job)), "vllm.sh"),
    "sglang": (SERVING, lambda job: script(job, sglang(job)), "sglang.sh"),
    "verl": (("post_train",), verl_script, "verl.sh"),
    "slurm": (("train", *SERVING), slurm, "sbatch"),
    "kubernetes": (("train", *SERVING), kubernetes, "yaml"),
}
FORMATS: tuple[str, ...] = (*_LAUNCHED, "bom")
"""Names of the formats."""
