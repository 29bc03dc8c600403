"""The plan in one sentence that a person can repeat, and the notes that keep it honest."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from planner.answer.chance import said, together
from planner.answer.plan import Deployment, MeasuredEffect, Plan, StackChoice
from planner.scenario.kinds import ByADate, Diffusion, Encoding, RecurringTraining, Workload
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving, Training

KNOWN_FIGURES = "with the figures that are known"
"""Of a proof that leaves out hardware of which a figure is not published."""
_NUMBERS = re.compile(r"(?<![\w.])[-+]?\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?(?![\w.])")
_VERBS = {"buy": "buy", "rent": "rent", "installed": "use the installed"}


class WithReason(Protocol):
    """Something that takes no part, and why."""

    @property
    def reason(self) -> str: ...


_Item = TypeVar("_Item", bound=WithReason)


def by_reason(items: Iterable[_Item]) -> list[list[_Item]]:
    """Items in groups of one reason, in the order they come: reasons that differ only in figures are one."""
    groups: dict[str, list[_Item]] = {}
    for item in items:
        groups.setdefault(_NUMBERS.sub("#", item.reason), []).append(item)
    return list(groups.values())


def years(count: float) -> str:
    """'1 year', '2.5 years'."""
    return f"{count:g} year{'' if count == 1 else 's'}"


def number(value: float) -> str:
    """Three significant digits, thousands separated."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def money(value: float) -> str:
    """Dollars as people say them."""
    for scale, word in ((1e9, "billion"), (1e6, "million")):
        if abs(value) >= scale:
            return f"${value / scale:.3g} {word}"
    return f"${float(f'{value:.3g}'):,.0f}"


def _group(deployments: Sequence[Deployment]) -> str:
    d = deployments[0]
    where = "" if d.acquire == "rent" else f" at {d.site} in {d.cooled}"
    spare = f" at work, {d.spares} {'system' if d.spares == 1 else 'systems'} spare" if d.spares else ""
    hours = d.parallelism.hours_per_day
    where += f" for {hours} hours of each day" if hours else ""
    return f"{_VERBS[d.acquire]} {number(d.systems)} {d.system} ({number(d.chips)} {d.chip}{spare}){where}"


def served_requests(deployments: Sequence[Deployment]) -> float:
    """Requests a second that some deployments of one workload answer: where prefill and decode are apart, the slower
    of the two at each site, since caches do not travel between sites, nor to replicas that read others."""
    rates: dict[tuple[str, str], float] = {}
    for d in deployments:
        key = (f"{d.site.split('/')[0]} {d.cache_pool}", d.role)
        rates[key] = rates.get(key, 0.0) + (d.predicted.requests_per_s or 0.0)
    total = 0.0
    for site in {site for site, _ in rates}:
        serve, prefill, decode = (rates.get((site, role), 0.0) for role in ("serve", "prefill", "decode"))
        total += min(serve + prefill, serve + decode)
    return total


def throughput_of(scenario: Scenario, deployments: Sequence[Deployment]) -> float:
    """Tokens a second of all workloads: trained, or answered (input and output); samples of recommenders."""
    total = 0.0
    for workload in scenario.workloads:
        mine = [d for d in deployments if d.workload == workload.name]
        if isinstance(workload, Serving) and workload.request_classes:
            total += sum((d.predicted.tokens_per_s or 0.0) + (d.predicted.input_tokens_per_s or 0.0) for d in mine)
        elif isinstance(workload, Serving):
            total += served_requests(mine) * (workload.input_tokens + workload.output_tokens)
        elif isinstance(workload, Training):
            total += sum(d.predicted.tokens_per_s or 0.0 for d in mine)
        else:
            total += sum(d.predicted.samples_per_s or 0.0 for d in mine)
    return total


def power(mw: float) -> str:
    """Megawatts, or kilowatts below one."""
    return f"{number(mw)} MW" if mw >= 1 else f"{number(mw * 1e3)} kW"


def _result(workload: Workload, deployments: Sequence[Deployment]) -> str:
    d = next((x for x in deployments if x.predicted.finish_days is not None), deployments[0])
    p = d.predicted
    if isinstance(workload, RecurringTraining) and p.days is not None:
        return f"does its {workload.runs} runs in {number(p.days)} days of work"
    if d.role == "train" and p.finish_days is not None:
        return f"finishes after {number(p.finish_days)} days"
    if isinstance(workload, ByADate) and workload.window_hours is not None:
        amount, unit, _ = workload.asked
        worked = max(workload.hours_worked(x.parallelism.load or 0.0) for x in deployments)
        days = f" of {workload.finish_within_days:g} days" if workload.finish_within_days else ""
        return f"does {number(amount)} {unit} in {number(worked)} of the {number(workload.window_hours)} hours{days}"
    if p.finish_days:
        return f"finishes after {number(p.finish_days)} days"
    parts = []
    rate = served_requests(deployments)
    if rate:
        amount, unit = rate, "requests/s"
        if isinstance(workload, Serving):
            amount, unit = rate * workload.asked[0] / workload.requests_per_s, workload.asked[1]
        parts.append(f"serves up to {number(amount)} {unit}")
    samples = [x.predicted.samples_per_s for x in deployments if x.predicted.samples_per_s]
    if samples:
        if isinstance(workload, Diffusion):
            parts.append(f"makes up to {number(sum(samples) * 3600.0)} {workload.asked[1]}")
        else:
            parts.append(f"scores up to {number(sum(samples))} samples/s")
    first = "latency" if isinstance(workload, Encoding) else "TTFT"
    for name, text in (("ttft_ms", first), ("tpot_ms", "TPOT"), ("latency_ms", "latency")):
        worst = [getattr(x.predicted, name) for x in deployments if getattr(x.predicted, name) is not None]
        if worst:
            slow = isinstance(workload, Diffusion)
            parts.append(f"{text} {number(max(worst) / (1e3 if slow else 1.0))} {'s' if slow else 'ms'}")
    return ", ".join(parts)


def answer_sentence(scenario: Scenario, plan: Plan) -> str:
    """What to do, what it gives, what it costs and draws."""
    parts = []
    for workload in scenario.workloads:
        mine = [d for d in plan.deployments if d.workload == workload.name]
        if not mine:
            continue
        what = " and ".join(_group([d]) + (f" for {d.role}" if d.role in {"prefill", "decode"} else "") for d in mine)
        later = {d.period for d in mine} - {scenario.start}
        when = f" in {min(later)}" if later else ""
        parts.append(f"for {workload.name} {what}{when}; it {_result(workload, mine)}{said(plan, workload.name)}")
    totals = plan.totals
    text = "; ".join(parts)
    text = text[:1].upper() + text[1:]
    if totals is not None:
        drawn = f"; power at the meter: {power(totals.facility_mw)}" if totals.facility_mw else ""
        capex = f"; capital to spend up front: {money(totals.capex_usd)}" if totals.capex_usd else ""
        text += f". Cost over {years(scenario.horizon_years)}: {money(totals.tco_usd)}{capex}{drawn}."
    return text + together(plan)


def measured_words(effects: Sequence[MeasuredEffect]) -> list[str]:
    """What the user's own measurements change, a note each."""
    notes = []
    for x in effects:
        moved = x.predicted / x.without - 1.0
        words = "do not move" if abs(moved) < 0.0005 else f"move by {moved:+.1%}"
        narrow = f"; its 80% interval spans a factor of {x.width:.2f}, {x.width_without:.2f} without them"
        notes.append(
            f"Your {x.runs} measured figures {words} {x.quantity} of {x.workload} on {x.system}"
            f" ({number(x.without)} to {number(x.predicted)}){narrow}."
        )
    return notes


def plan_notes(scenario: Scenario, plan: Plan) -> tuple[str, ...]:
    """What a reader must know before acting on the plan."""
    notes = []
    trained = [d for d in plan.deployments if d.role == "train"]
    for d in trained:
        share = (d.predicted.days or 0.0) / (scenario.horizon_years * 365.25)
        if d.acquire == "buy" and share < 0.5:
            days = f"{d.predicted.days:.0f} days of the {scenario.horizon_years:g}-year horizon that the cost covers"
            notes.append(f"{d.workload} keeps its systems busy for {days}; other work would have to bear the rest.")
        if d.predicted.mfu is not None and d.predicted.peak_tflops_per_chip:
            peak = f"{d.predicted.peak_tflops_per_chip:,.0f} dense {d.precision} TFLOPS per {d.chip}"
            notes.append(f"MFU of {d.workload}: {d.predicted.mfu:.1%} of {peak}, causal attention counted at half.")
    for d in trained:
        if d.predicted.ettr is not None:
            notes.append(
                f"Effective training time of {d.workload}: {d.predicted.ettr:.1%} of {d.predicted.days:.1f} days, at an"
                f" H100-class failure rate; restarts, lost work{_shrunk(scenario, d)} and checkpoints take the rest."
            )
        notes += _claims(scenario, d)
        notes += _stacks(d)
    notes += [text for d in plan.deployments if (text := _classes(d))]
    notes += [text for d in plan.deployments if (text := _kept(d))]
    software = math.fsum(d.cost.lines_usd.get("software", 0.0) for d in plan.deployments)
    if software > 0 and plan.totals is not None and plan.totals.tco_usd > 0:
        notes.append(
            f"Vendor enterprise software is {money(software)}, {software / plan.totals.tco_usd:.1%} of the cost: an"
            " assumption (NVIDIA's chips alone, often bundled or waived), and alternatives that are closer rest on it."
            " assume.costs.opex_software.value changes it."
        )
    spot = scenario.hardware.spot
    for d in plan.deployments:
        if d.rent_term == "spot" and spot is not None and d.predicted.days:
            notes.append(
                f"{d.workload} runs on spot at {spot.price_share:.0%} of the price; {spot.interruptions_per_day:g}"
                f" interruptions a day are in its {d.predicted.days:.1f} days."
            )
    if any(d.acquire == "rent" for d in plan.deployments):
        notes.append(
            "Rented systems are billed on demand at the catalog's rate; their power and carbon are the owner's."
        )
    if scenario.outcomes is not None:
        notes.append(
            "The plan is for central figures. `planner outlook FILE` gives the probabilities: how likely each date and"
            " load is kept in the futures of the scenario's outcomes, and the cost at risk."
        )
    return tuple(notes)


def _shrunk(scenario: Scenario, d: Deployment) -> str:
    workload = next(w for w in scenario.workloads if w.name == d.workload)
    return ", replicas that wait for repair" if isinstance(workload, Training) and workload.elastic else ""


def _stacks(d: Deployment) -> list[str]:
    """What the stack that a run assumes is worth: hours, systems and money under the best and worst others."""
    named = next((s for s in d.predicted.stacks if s.assumed), None)
    others = [s for s in d.predicted.stacks if not s.assumed and s.fits]
    if named is None or not others:
        return []
    ends = dict.fromkeys((others[0].framework, others[-1].framework))
    told = [s for s in others if s.framework in ends]
    changes = "; ".join(_under(d, s) for s in told)
    whichever = d.predicted.stack_interval
    both = "" if whichever is None else f" Whichever it is, a step takes {whichever.low:.3g} to {whichever.high:.3g} s."
    return [
        f"{d.workload} on {d.system} assumes the training stack {named.framework} (techniques of {named.generation}),"
        f" {number(named.chip_hours)} chip-hours. The same degrees, recomputing what each must: {changes}.{both}"
        " Planned with another stack (framework of the workload) the layout and the hardware may be others."
    ]


def _under(d: Deployment, s: StackChoice) -> str:
    """'hai_llm 3.1 million chip-hours (-31%), in the same days 250 systems for 362 and $53M less'."""
    worth = d.cost.total_usd * (s.time_ratio - 1.0)
    busy = math.ceil((d.systems - d.spares) * s.time_ratio - 1e-9)
    return (
        f"{s.framework} {number(s.chip_hours)} chip-hours ({s.time_ratio - 1.0:+.0%}), in the same days"
        f" {busy:,} systems for {d.systems - d.spares:,} and {money(abs(worth))} {'more' if worth > 0 else 'less'}"
    )


def _kept(d: Deployment) -> str:
    """How much cache a deployment of agents must keep between their calls, and where."""
    k = d.predicted.cache_kept
    if k is None:
        return ""
    return (
        f"{d.workload} on {d.system}: {number(k.paused_sessions)} sessions pause at any time with"
        f" {number(k.gb_a_session)} GB of cache each, {number(k.needed_tb)} TB to keep for the whole load; {k.where}"
        f" has room for {number(k.room_tb)} TB. So {k.found_share:.0%} of prompt tokens need not be computed again, of"
        f" the {k.seen_share:.0%} that earlier calls had."
    )


def _classes(d: Deployment) -> str:
    """Which requests a deployment answers, where its load has classes."""
    if not d.answers:
        return ""
    prompts, answers = ([getattr(a, name) for a in d.answers] for name in ("input_tokens", "output_tokens"))
    rate = number(sum(a.requests_per_s for a in d.answers))
    shape = f"tp {d.parallelism.tp}, pp {d.parallelism.pp}"
    return (
        f"{d.workload}: {number(d.systems)} {d.system} ({shape}) answer {rate} requests/s of {len(d.answers)} classes,"
        f" prompts of {min(prompts):,} to {max(prompts):,} and answers of {min(answers):,} to {max(answers):,} tokens,"
        f" busy {sum(a.share_of_time for a in d.answers):.0%} of their planned time."
    )


def _claims(scenario: Scenario, d: Deployment) -> list[str]:
    """Claims of the scenario beside what the model expects of a run."""
    workload = next(w for w in scenario.workloads if w.name == d.workload)
    claims = workload.claims if isinstance(workload, Training) else None
    if claims is None:
        return []
    said = f" ({claims.source})" if claims.source else ""
    notes = []
    p = d.predicted
    # never beside itself: where the scenario plans with the claim, what the model makes of the same layout
    expected = p.mfu if p.modelled_mfu is None else p.modelled_mfu
    if claims.mfu is not None and expected is not None and p.interval is not None and p.step_time_s:
        low, high = expected * p.step_time_s / p.interval.high, expected * p.step_time_s / p.interval.low
        inside = low <= claims.mfu <= high
        planned = "" if p.modelled_mfu is None else f" The plan is for the {p.mfu or 0:.0%} that the scenario fixes."
        notes.append(
            f"Claimed MFU {claims.mfu:.0%}{said}; expected {expected:.1%} of {p.peak_tflops_per_chip or 0:,.0f} dense"
            f" {d.precision} TFLOPS, 80% interval {low:.0%} to {high:.0%}: the claim is"
            f" {'inside' if inside else 'above' if claims.mfu > high else 'below'} it.{planned}"
        )
    if claims.linearity is not None and p.linearity is not None:
        verdict = "met" if p.linearity >= claims.linearity else "not met"
        notes.append(
            f"Claimed linearity {claims.linearity:.0%}{said}; expected {p.linearity:.1%}, a chip of {d.chips:,} over"
            f" one in the fewest replicas of the same degrees, failures apart: {verdict}."
        )
    if claims.relative_to is not None:
        beside = f"a chip of {claims.relative_to} in the same degrees"
        if p.relative_speed is None:
            told = (
                f"what to expect is not known: the run does not fit there, or a figure of {claims.relative_to} is not"
            )
        else:
            told = f"expected {p.relative_speed:.0%}"
        if claims.relative_speed is None:
            notes.append(f"Speed of a {d.chip} over {beside}: {told}; no speed is claimed.")
        else:
            notes.append(f"Claimed speed {claims.relative_speed:.0%} of {beside}{said}; {told}.")
    if claims.ettr is not None and p.ettr is not None:
        verdict = "met" if p.ettr >= claims.ettr else "not met"
        notes.append(f"Claimed effective time {claims.ettr:.0%}{said}; expected {p.ettr:.1%}: {verdict}.")
    return notes
