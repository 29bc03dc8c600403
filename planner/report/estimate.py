"""An estimate on a terminal: what it is of, what it gives, where time and memory go, how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from planner.answer.plan import Interval
from planner.estimate import ServingEstimation, TrainingEstimation
from planner.performance.measured.ordering import OrderShare, by_distance
from planner.report import format as fmt
from planner.report.summary import measured_run, shares

_BAR = 20


def estimate_table(found: TrainingEstimation | ServingEstimation) -> RenderableType:
    """Everything about an estimate, for ``rich.console.Console.print``; readable on 80 columns."""
    serving = isinstance(found, ServingEstimation)
    title = Text(f"{fmt.clean(found.model)}, {'serving' if serving else 'training'}", style="bold")
    variant = "" if found.chip == found.system else f" with {fmt.clean(found.chip)}"
    place = f"{fmt.plural(found.chips, 'chip')} of {fmt.clean(found.system)}{variant}, {fmt.clean(found.cooling)}"
    parts: list[RenderableType] = [title, Text(place.rstrip(", "), style="dim")]
    if not found.fits:
        parts.append(
            Text(
                f"Does not fit: {fmt.gigabytes(found.memory_gb_per_chip)} a chip,"
                f" {fmt.gigabytes(found.memory_limit_gb_per_chip)} there. --best searches for what does.",
                style="bold red",
            )
        )
    facts = estimate_facts(found)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(Text(name), Text(value))
    parts += [Text(""), grid]
    head = "Where a step's time goes"
    if isinstance(found, ServingEstimation):
        head = (
            f"Where a mean step's time goes: {_ms(found.step_ms)} at full load,"
            f" {fmt.number(found.concurrency)} requests in flight"
        )
    parts += _split(head, found.breakdown_s, "s")
    parts += _split("Memory per chip, fullest stage", found.memory_gb, "gb")
    if isinstance(found, TrainingEstimation):
        parts += _measured(found)
    parts += _ordering(found.ordering)
    notes = found.notes if isinstance(found, ServingEstimation) else ()
    parts += [Text(f"\n{fmt.clean(note)}") for note in notes]
    return Group(*parts)


def estimate_facts(found: TrainingEstimation | ServingEstimation) -> list[tuple[str, str]]:
    """The figures of an estimate as (name, value) in words."""
    facts = _serving(found) if isinstance(found, ServingEstimation) else _training(found)
    facts.append(
        (
            "Memory per chip",
            f"{fmt.gigabytes(found.memory_gb_per_chip)} of {fmt.gigabytes(found.memory_limit_gb_per_chip)}",
        )
    )
    if found.best:
        facts.append(
            ("Searched", f"{fmt.count(found.enumerated)} legal layouts, {fmt.count(found.candidates)} of them fit")
        )
    if found.interval is not None:
        facts.append(("Interval", fmt.clean(found.interval.basis)))
    return facts


def _training(found: TrainingEstimation) -> list[tuple[str, str]]:
    return [
        ("Layout", f"{fmt.layout(found.parallelism)} · {found.precision}"),
        ("Training stack", found.framework),
        ("Sequence length", f"{fmt.count(found.sequence_length)} tokens"),
        ("Step time", fmt.seconds(found.step_time_s) + _range(found.interval)),
        ("Tokens", f"{fmt.rate(found.tokens_per_s)}, {fmt.number(found.tokens_per_s_per_chip)} a chip"),
        ("Model TFLOPS per chip", fmt.number(found.model_tflops_per_chip)),
        ("MFU", f"{fmt.percent(found.mfu)} of {fmt.number(found.peak_tflops_per_chip, 4)} TFLOPS dense"),
    ]


def _serving(found: ServingEstimation) -> list[tuple[str, str]]:
    cached = f", {fmt.percent(found.cached_prefix)} of the prompt cached" if found.cached_prefix else ""
    facts = [
        ("Role", found.role),
        ("Layout", f"{fmt.layout(found.parallelism, serving=True)} · {found.precision}, cache {found.kv_precision}"),
        ("Request", f"{fmt.count(found.input_tokens)} tokens in, {fmt.count(found.output_tokens)} out{cached}"),
        ("Requests", fmt.rate(found.requests_per_s, "requests/s")),
    ]
    for name, rate, each in (
        ("Output", found.output_tokens_per_s, found.output_tokens_per_s_per_chip),
        ("Input", found.input_tokens_per_s, found.input_tokens_per_s_per_chip),
    ):
        if rate is not None:
            facts.append((name, f"{fmt.rate(rate)}, {fmt.number(each)} a chip"))
    for name, mean, high, interval in (
        ("Time to first token", found.ttft_ms, found.ttft_p95_ms, found.ttft_interval),
        ("Time per output token", found.tpot_ms, found.tpot_p95_ms, found.interval),
    ):
        if mean is not None and high is not None:
            facts.append((name, f"{_ms(mean)} mean at full load{_range(interval)}"))
            facts.append(("", f"{_ms(high)} at the 95th percentile, {fmt.percent(found.load)} of full load"))
    simulated = [
        f"{name} {_ms(value)}"
        for name, value in (("TTFT", found.simulated_ttft_p95_ms), ("TPOT", found.simulated_tpot_p95_ms))
        if value is not None
    ]
    if simulated:
        facts.append(("Simulated", ", ".join(simulated) + " at the 95th percentile"))
    if found.chip_power_w is not None and found.joules_per_token is not None:
        kind = "input" if found.role == "prefill" else "output"
        facts.append(
            (
                "Power of a chip",
                f"{fmt.power(found.chip_power_w / 1e6)}, {fmt.number(found.joules_per_token)} J an {kind} token",
            )
        )
    if found.prefill_ms is not None:
        facts.append(("Prefill of one request", _ms(found.prefill_ms)))
    facts.append(("In flight", f"{fmt.number(found.concurrency)} requests"))
    state = f", {fmt.number(found.state_mb_per_request)} MB of state a request" if found.state_mb_per_request else ""
    cache = f"{fmt.si(found.kv_capacity_tokens)} tokens of {fmt.si(found.kv_bytes_per_token)}B{state}"
    facts.append(("Cache", cache))
    facts.append(("Engine", f"{found.engine}, {fmt.percent(found.memory_fraction)} of the memory"))
    return facts


def _ms(value: float) -> str:
    return fmt.seconds(value / 1e3)


def _range(interval: Interval | None) -> str:
    if interval is None:
        return ""
    scale = 1e-3 if interval.quantity.endswith("_ms") else 1.0
    return f"  (80%: {fmt.seconds(interval.low * scale)} to {fmt.seconds(interval.high * scale)})"


def _split(title: str, parts: Mapping[str, float], unit: str) -> Sequence[RenderableType]:
    if not parts:
        return []
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=22, overflow="fold")
    table.add_column(justify="right")
    table.add_column(justify="right", style="dim")
    table.add_column(width=_BAR)
    for share in shares(parts):
        bar = Text("█" * round(max(0.0, min(1.0, share.fraction)) * _BAR), style="cyan")
        table.add_row(Text(f" {share.name}"), fmt.quantity(share.value, unit), fmt.share(share.fraction), bar)
    return [Text(f"\n{title}", style="bold cyan"), table]


def _measured(found: TrainingEstimation) -> Sequence[RenderableType]:
    if found.measured_correction is None:
        return []
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right", style="dim")
    for run in found.measured_runs:
        table.add_row(Text(f" {measured_run(run)}; {fmt.clean(run.source)}"), f"{run.likeness:.0%}")
    title = f"Measured runs near it, and their likeness: together they make a step × {found.measured_correction:.2f}"
    return [Text(f"\n{title}", style="bold cyan"), table]


_COLUMNS = {
    "tokens_per_s_per_chip": "tokens/s",
    "tokens_per_s_per_chip across": "tokens/s, two chips",
    "tpot_ms": "TPOT",
    "tpot_ms across": "TPOT, two chips",
    "ttft_ms": "TTFT",
    "ttft_ms across": "TTFT, two chips",
}


def ordering_rows(shares: Sequence[OrderShare]) -> tuple[list[str], list[list[str]]]:
    """(heads, rows) of the table of pairs in order: a row for each distance, a column for each quantity."""
    table = by_distance(shares)
    columns = [name for name in _COLUMNS if any(name in row for row in table.values())]
    rows = []
    for (apart, until), row in table.items():
        distance = f"{apart:.0%} to {until:.0%}" if until is not None else f"{apart:.0%} or more"
        cells = [f"{row[name].right:.0%} of {row[name].pairs:,}" if name in row else "" for name in columns]
        rows.append([distance, *cells])
    return ["predicted apart", *(_COLUMNS[name] for name in columns)], rows


def _ordering(shares: Sequence[OrderShare]) -> Sequence[RenderableType]:
    if not shares:
        return []
    heads, rows = ordering_rows([s for s in shares if s.same_chip or s.quantity == "tokens_per_s_per_chip"])
    table = Table.grid(padding=(0, 2))
    for i, _ in enumerate(heads):
        table.add_column(justify="right" if i else "left")
    table.add_row(*(Text(f" {head}" if not i else head, style="dim") for i, head in enumerate(heads)))
    for row in rows:
        table.add_row(*(Text(f" {cell}" if not i else cell) for i, cell in enumerate(row)))
    title = "Two configurations in the right order: share of measured pairs, sources left out"
    return [Text(f"\n{title}", style="bold cyan"), table]
