"""What the faces say about a plan, as plain rows of text and numbers. No arithmetic beyond sums and shares.

Console, HTML report, app and comparison all draw from these functions, so they cannot disagree.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from planner.answer import words as sentence
from planner.answer.chance import percent, price_of_more
from planner.answer.plan import Assumption, Deployment, Drafting, LeftOut, MeasuredRun, Plan, Priced, StackChoice
from planner.report import format as fmt


@dataclass(frozen=True, slots=True)
class Share:
    """One part of a whole: its name, value and fraction of the sum."""

    name: str
    value: float
    fraction: float


def shares(parts: Mapping[str, float], *, at_most: int = 12) -> tuple[Share, ...]:
    """Parts of a whole, largest first; zero parts are dropped, the tail beyond ``at_most`` is one 'Other'."""
    total = sum(parts.values())
    ranked = sorted(((n, v) for n, v in parts.items() if v), key=lambda item: (-item[1], item[0]))
    if len(ranked) > at_most:
        head, tail = ranked[: at_most - 1], ranked[at_most - 1 :]
        ranked = [*head, ("other", sum(v for _, v in tail))]
    return tuple(Share(fmt.label(n), v, v / total if total else 0.0) for n, v in ranked)


def _sum(maps: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: defaultdict[str, float] = defaultdict(float)
    for parts in maps:
        for name, value in parts.items():
            total[name] += value
    return dict(total)


def cost_lines(plan: Plan) -> dict[str, float]:
    """USD over the horizon by cause, all deployments, or all lots and work of a shared fleet."""
    if plan.fleet is not None:
        return _sum(x.money.lines_usd for x in shared_parts(plan))
    return _sum(d.cost.lines_usd for d in plan.deployments)


def shared_parts(plan: Plan) -> tuple[Priced, ...]:
    """Lots, runs and loads of a shared fleet; none of other plans."""
    if plan.fleet is None or plan.schedule is None:
        return ()
    return (*plan.fleet.lots, *plan.schedule.runs, *plan.schedule.loads)


def power_lines(plan: Plan) -> dict[str, float]:
    """Average facility MW by cause, all deployments."""
    return _sum(d.power.breakdown_mw for d in plan.deployments)


def deployment_name(d: Deployment) -> str:
    """'pretrain at guizhou' with the role where a workload has several."""
    role = f" {d.role}" if d.role in {"prefill", "decode"} else ""
    return fmt.clean(f"{d.served}{role} at {d.site}")


def unique_names(deployments: Sequence[Deployment]) -> tuple[str, ...]:
    """A name for each deployment, told apart by hardware and period where needed."""
    names = [deployment_name(d) for d in deployments]
    for told_by in (
        [f" on {fmt.clean(d.system)}" for d in deployments],
        [f" from {fmt.clean(d.period)}" for d in deployments],
    ):
        seen = Counter(names)
        names = [n + more if seen[n] > 1 else n for n, more in zip(names, told_by, strict=True)]
    seen = Counter(names)
    return tuple(f"{n} ({i + 1})" if seen[n] > 1 else n for i, n in enumerate(names))


def hardware(d: Deployment) -> str:
    """'256 x hgx_h800, 2,048 chips'."""
    return f"{fmt.count(d.systems)} × {fmt.clean(d.system)}, {fmt.count(d.chips)} chips"


def speed(d: Deployment) -> tuple[str, ...]:
    """What a deployment does, most telling first."""
    p = d.predicted
    facts: list[str] = []
    if p.days is not None:
        facts.append(fmt.days(p.days))
    if p.requests_per_s is not None:
        facts.append(fmt.rate(p.requests_per_s, "requests/s"))
    if p.samples_per_s is not None:
        facts.append(fmt.rate(p.samples_per_s, "samples/s"))
    if p.tokens_per_s is not None:
        facts.append(fmt.rate(p.tokens_per_s, "tokens/s"))
    if p.step_time_s is not None and d.role == "train":
        facts.append(f"step {fmt.seconds(p.step_time_s)}")
    if p.mfu is not None:
        facts.append(f"MFU {fmt.percent(p.mfu)}")
    if p.ttft_ms is not None:
        facts.append(f"TTFT {fmt.seconds(p.ttft_ms / 1e3)}")
    if p.tpot_ms is not None:
        facts.append(f"TPOT {fmt.seconds(p.tpot_ms / 1e3)}")
    if p.latency_ms is not None:
        facts.append(f"latency {fmt.seconds(p.latency_ms / 1e3)}")
    return tuple(facts)


def drafting_text(d: Drafting) -> str:
    """What drafts are worth, in words."""
    many = f"{d.drafts} draft{'s' if d.drafts > 1 else ''}"
    return (
        f"{many} a step ({d.method}), accepted at {fmt.percent(d.acceptance)}: {d.tokens_a_step:.2f} tokens a step;"
        f" without, {fmt.seconds(d.tpot_ms_without / 1e3)} a token and"
        f" {fmt.rate(d.tokens_per_s_without, 'tokens/s')} at the same load; acceptance: {d.acceptance_source}"
    )


SERVES = ("serve", "prefill", "decode")


def step_text(d: Deployment) -> str:
    """What the time of a step is of: one at full load where a deployment serves, as its latencies are of another."""
    if d.role not in SERVES:
        return "Step time"
    batch = d.parallelism.batch
    return f"Mean step at full load, {fmt.count(batch)} requests in flight" if batch else "Mean step at full load"


def latency_text(d: Deployment, name: str) -> str:
    """The name of a latency with the load that it is at, where a deployment serves."""
    load = d.parallelism.load if d.role in SERVES else None
    return f"{name} at {fmt.percent(load)} of full load" if load else name


def parts_text(d: Deployment) -> str:
    """Heading of where a deployment's time goes."""
    if d.role in SERVES:
        return step_text(d)
    return "Time of a step" if d.role == "train" else "Time of a request"


def predicted_facts(d: Deployment) -> tuple[tuple[str, str], ...]:
    """Every figure the performance model gives for a deployment, named."""
    p = d.predicted
    wanted: tuple[tuple[str, float | None, Callable[[float], str]], ...] = (
        ("Days of running", p.days, fmt.days),
        ("Done, days from the start", p.finish_days, fmt.days),
        (step_text(d), p.step_time_s, fmt.seconds),
        ("Requests", p.requests_per_s, lambda v: fmt.rate(v, "requests/s")),
        ("Samples", p.samples_per_s, lambda v: fmt.rate(v, "samples/s")),
        ("Tokens", p.tokens_per_s, lambda v: fmt.rate(v, "tokens/s")),
        ("Input tokens", p.input_tokens_per_s, lambda v: fmt.rate(v, "tokens/s")),
        ("Tokens per chip", p.tokens_per_s_per_chip, lambda v: fmt.rate(v, "tokens/s")),
        ("Model TFLOPS per chip", p.model_tflops_per_chip, fmt.number),
        ("Dense peak, TFLOPS per chip", p.peak_tflops_per_chip, fmt.number),
        ("MFU", p.mfu, fmt.percent),
        ("MFU the model expects", p.modelled_mfu, fmt.percent),
        ("Linearity", p.linearity, fmt.percent),
        ("Speed of a chip over the named system's", p.relative_speed, fmt.percent),
        ("Effective training time (ETTR)", p.ettr, fmt.percent),
        (latency_text(d, "Time to first token"), p.ttft_ms, lambda v: fmt.seconds(v / 1e3)),
        (latency_text(d, "Time per output token"), p.tpot_ms, lambda v: fmt.seconds(v / 1e3)),
        ("Latency", p.latency_ms, lambda v: fmt.seconds(v / 1e3)),
        ("Memory per chip", p.memory_gb_per_chip, fmt.gigabytes),
        ("Memory limit per chip", p.memory_limit_gb_per_chip, fmt.gigabytes),
    )
    facts = [(name, show(value)) for name, value, show in wanted if value is not None]
    if p.interval is not None:
        facts.append((f"80% interval of {fmt.phrase(p.interval.quantity)}", interval_text(d) or ""))
    if p.extrapolation:
        facts.append(("An extrapolation", "; ".join(p.extrapolation)))
    if p.drafting is not None:
        facts.append(("Speculative decoding", drafting_text(p.drafting)))
    if p.measured_correction is not None:
        facts.append(("Measured runs near it", measured_text(p.measured_correction, p.measured_runs)))
    if p.stacks:
        facts.append(("Training stacks, same degrees", "; ".join(stack_text(s) for s in p.stacks)))
    if p.stack_interval is not None:
        low, high = (fmt.seconds(end) for end in (p.stack_interval.low, p.stack_interval.high))
        facts.append(("80% interval of a step, whichever of them runs it", f"{low} to {high}"))
    return tuple(facts)


def stack_text(s: StackChoice) -> str:
    """'hai_llm (2024): 2.95M chip-hours, 31% fewer'."""
    change = s.time_ratio - 1.0
    how = "assumed" if s.assumed else f"{abs(change):.0%} {'more' if change > 0 else 'fewer'}"
    text = f"{fmt.clean(s.framework)} ({s.generation}): {fmt.number(s.chip_hours)} chip-hours, {how}"
    return text if s.fits else f"{text}, does not fit"


def measured_text(correction: float, runs: Sequence[MeasuredRun]) -> str:
    """'step x 0.96: llama-3.1-70b on 512 h100_sxm (4% faster than the model), ...'."""
    return f"step × {correction:.2f}: " + "; ".join(measured_run(run) for run in runs)


def measured_run(run: MeasuredRun) -> str:
    """'llama-3.1-70b on 512 h100_sxm, bf16: 4% faster than the physical model (NEMO-017)'."""
    off = run.measured_over_predicted - 1.0
    how = f"{abs(off):.0%} {'slower' if off > 0 else 'faster'} than" if abs(off) >= 0.005 else "as"
    what = fmt.clean(f"{run.model} on {fmt.plural(run.chips, 'chip')} of {run.chip}, {run.precision}")
    return f"{what}: {how} the physical model ({fmt.clean(run.case_id)})"


def worth_of(plan: Plan, a: Assumption) -> str:
    """What an assumed figure is worth to the plan, in words; nothing where the plan does not use it."""
    parts = ["a quarter one way breaks the plan"] if a.breaks else []
    if a.moves_usd is not None:
        moved = "nothing of the cost" if not a.moves_usd else f"{fmt.usd(abs(a.moves_usd), short=True)} of the cost"
        parts.append(f"a quarter moves {moved}")
    known = min((p.chance for p in plan.chance.promises), default=None) if plan.chance is not None else None
    if a.chance is not None and known is not None and a.chance < known - 0.005:
        parts.append(f"{percent(a.chance)} likely to keep what is promised the worse way")
    return ", ".join(parts)


def interval_text(d: Deployment) -> str | None:
    """'53.1 to 61.7 days' of the quantity the interval is about, None without one."""
    i = d.predicted.interval
    if i is None:
        return None
    if "per_s" in i.quantity:
        return f"{fmt.rate(i.low, '')} to {fmt.rate(i.high, _rate_unit(i.quantity))}"
    unit = next((u for end, u in (("days", "days"), ("_ms", "ms"), ("_s", "s")) if i.quantity.endswith(end)), "")
    return f"{fmt.number(i.low)} to {fmt.number(i.high)} {unit}".rstrip()


def _rate_unit(quantity: str) -> str:
    """'tokens/s' of ``output_tokens_per_s``."""
    words = quantity.partition("_per_s")[0].replace("_", " ").split()
    return f"{words[-1] if words else ''}/s"


def network_value(key: str, value: float) -> str:
    """A figure of a network's bill of materials, by the unit in its name."""
    if key.endswith("_usd"):
        return fmt.usd(value)
    return fmt.power(value / 1e6) if key.endswith("_w") else fmt.count(value)


def served_requests(plan: Plan, workload: str) -> float:
    """Requests a second a workload's deployments answer: where prefill and decode are apart, a site's slower one. Over
    periods what is asked in the largest: deployments of different periods do not add up."""
    if plan.schedule is not None:
        return _asked(plan, workload, "requests/s")
    return sentence.served_requests([d for d in plan.deployments if d.workload == workload])


def scored_samples(plan: Plan, workload: str) -> float:
    """Samples a second a workload's deployments score; over periods what is asked in the largest."""
    if plan.schedule is not None:
        return _asked(plan, workload, "samples/s")
    return sum(d.predicted.samples_per_s or 0.0 for d in plan.deployments if d.workload == workload)


def _asked(plan: Plan, workload: str, unit: str) -> float:
    found = plan.schedule.demand if plan.schedule is not None else ()
    return sum(max(d.asked, default=0.0) for d in found if (d.workload, d.unit) == (workload, unit))


def headline(plan: Plan) -> tuple[tuple[str, str, str], ...]:
    """The key figures: (name, value, note), the chance first; at most eight."""
    facts: list[tuple[str, str, str]] = []
    if plan.chance is not None:
        least, most = percent(plan.chance.all_kept_least), percent(plan.chance.all_kept_most)
        alone = "; ".join(f"{p.workload} {percent(p.chance)}" for p in plan.chance.promises)
        more = price_of_more(plan, lambda usd: fmt.usd(usd, short=True)).strip().rstrip(".")
        note = f"{alone}; {more[0].lower()}{more[1:]}" if more else alone
        facts.append(("Chance to keep it", least if least == most else f"{least} to {most}", note))
    t = plan.totals
    if t is not None:
        facts += [
            ("Chips", fmt.count(t.chips), f"in {fmt.plural(t.racks, 'rack')}"),
            ("Power at the meter", fmt.power(t.facility_mw), f"IT {fmt.power(t.it_mw)}, peak"),
            ("Capital", fmt.usd(t.capex_usd, short=True), "bought and built"),
            (
                f"Total over {fmt.number(plan.horizon_years)} years",
                fmt.usd(t.tco_usd, short=True),
                f"{fmt.usd(t.opex_usd_per_year, short=True)} a year",
            ),
        ]
    runs = plan.schedule.runs if plan.schedule is not None else ()
    ends = [d.predicted.finish_days or d.predicted.days or 0.0 for d in plan.deployments] + [r.end_day for r in runs]
    longest = max(ends, default=0.0)
    if longest:
        facts.append(("Done after", fmt.days(longest), "failures included"))
    served = [d for d in plan.deployments if d.role != "train"]
    requests = sum(served_requests(plan, workload) for workload in {d.workload for d in served})
    samples = sum(scored_samples(plan, workload) for workload in {d.workload for d in served})
    if requests:
        facts.append(("Served", fmt.rate(requests, "req/s"), "whole deployment"))
    elif samples:
        facts.append(("Scored", fmt.rate(samples, "samples/s"), "whole deployment"))
    if plan.has_plan:
        facts.append(("Gap to the bound", fmt.gap(plan.objective.gap), f"limit {fmt.gap(plan.proof.gap_limit)}"))
    return tuple(facts)


def _verified(plan: Plan) -> str:
    if not plan.has_plan:
        return "there is no plan to verify"
    return "yes, recomputed independently" if plan.verified else "no"


def proof_facts(plan: Plan) -> tuple[tuple[str, str], ...]:
    """How large the searched space was and who vouches for the answer."""
    p, o = plan.proof, plan.objective
    facts = [
        ("Status", fmt.status_words(plan)),
        ("Objective", f"{', then '.join(o.priorities) or o.name} = {fmt.quantity(o.value, o.unit)}"),
        ("Proven bound", fmt.quantity(o.bound if o.bound is not None else p.bound, o.unit)),
        ("Gap", f"{fmt.gap(o.gap)} (limit {fmt.gap(p.gap_limit)})"),
        ("Configurations examined", fmt.count(p.enumerated)),
        ("Fit in memory and were priced", fmt.count(p.candidates)),
        ("Options for the solver", f"{fmt.count(p.options)}, after removing {fmt.count(p.pruned)} dominated ones"),
        ("Model", f"{fmt.count(p.columns)} columns, {fmt.count(p.rows)} rows"),
        ("Solver", fmt.clean(p.solver)),
        ("Checked by", fmt.clean(p.checked_by) or fmt.DASH),
        ("Verified", _verified(plan)),
        ("Time", fmt.seconds(p.seconds)),
    ]
    if p.seconds_by_room:
        rooms = sorted(p.seconds_by_room.items(), key=lambda item: -item[1])
        facts.append(("Time by part", ", ".join(f"{fmt.phrase(n)} {fmt.seconds(s)}" for n, s in rooms[:6])))
    facts += [
        ("Seed, threads, time limit", f"{p.seed}, {p.threads}, {fmt.seconds(p.time_limit_s)}"),
        ("Catalog", fmt.clean(plan.catalog_digest)[:16] or fmt.DASH),
        ("Problem", fmt.clean(plan.problem_digest)[:16] or fmt.DASH),
        (
            "Versions",
            ", ".join(f"{fmt.clean(n)} {fmt.clean(v)}" for n, v in plan.versions.items()) or plan.planner_version,
        ),
    ]
    return tuple(facts)


def left_out_groups(left_out: Sequence[LeftOut]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Options grouped by reason, largest group first. Reasons that differ only in numbers are one group."""
    ranked = sorted(sentence.by_reason(left_out), key=lambda items: (-len(items), items[0].reason))
    return tuple((fmt.clean(_shared(items)), tuple(fmt.clean(i.option) for i in items)) for items in ranked)


def _shared(items: Sequence[LeftOut]) -> str:
    """The reason of a group: the first one's figures, and that the others have their own where they do."""
    alike = all(i.reason == items[0].reason for i in items)
    return items[0].reason if alike else f"{items[0].reason} (the first; the others have figures of their own)"
