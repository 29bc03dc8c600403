"""A plan as one HTML file: no script, nothing loaded from elsewhere, prints well.

Every text that comes from a plan is escaped; a content security policy forbids the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from planner.answer.plan import Deployment, Plan
from planner.export.bom import bill_of_materials, buys
from planner.report import fleet, summary
from planner.report import format as fmt
from planner.report.unit import simulation_sheets, unit_sheets
from planner.report.walls import wall_sheets

_STYLE = """
:root{--ink:#1d2733;--soft:#5b6875;--line:#dde3e9;--paper:#fff;--panel:#f6f8fa;--mark:#2f5f93;--bad:#a33b3b;--bar:#4f81b5}
@media (prefers-color-scheme:dark){@media screen{:root{--ink:#e3e8ee;--soft:#9aa7b4;--line:#313c48;--paper:#12181f;
--panel:#1a222b;--mark:#7fb0e0;--bad:#e58a8a;--bar:#5e93c9}}}
*{box-sizing:border-box}
body{margin:0 auto;padding:32px 24px 64px;max-width:1040px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{font-size:25px;line-height:1.3;margin:6px 0 10px;font-weight:650}
h2{font-size:17px;margin:34px 0 10px;padding-bottom:5px;border-bottom:1px solid var(--line)}
h3{font-size:15px;margin:18px 0 6px}
.about,.note{color:var(--soft)} .about{margin:0}
.status{margin:0 0 18px} .status b{color:var(--mark)} .none h1,.none .status b{color:var(--bad)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(122px,1fr));gap:8px}
.figures div{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:9px 12px}
.figures span{display:block;color:var(--soft);font-size:12.5px} .figures b{display:block;font-size:20px;font-weight:650}
table{border-collapse:collapse;width:100%;margin:6px 0} th,td{text-align:left;vertical-align:top;padding:6px 10px 6px 0;
border-bottom:1px solid var(--line);overflow-wrap:anywhere} th{font-weight:600;color:var(--soft);font-size:13px}
.runs td:nth-child(1){width:15%} .runs td:nth-child(2){width:24%} .runs td:nth-child(4){width:19%}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(400px,1fr));gap:8px 32px}
svg{width:100%;height:auto;display:block} svg text{font:13px system-ui,Arial,sans-serif;fill:var(--ink)}
svg .bar{fill:var(--bar)} svg .soft{fill:var(--soft)} details{margin:6px 0} summary{cursor:pointer}
.facts td:first-child{color:var(--soft);width:46%}
.facts{display:block;columns:2 380px;column-gap:32px} .facts tbody{display:block} .facts tr{display:flex;
break-inside:avoid} .facts td{flex:1;border-bottom:1px solid var(--line)}
ul{margin:6px 0;padding-left:20px} .scroll{overflow-x:auto}
@media print{body{max-width:none;padding:0;font-size:12px} h2{break-after:avoid}
tr,svg,.figures div{break-inside:avoid}}
"""


def html_page(plan: Plan) -> str:
    """The whole plan as the text of a self-contained HTML file."""
    body = [
        f'<p class="about">{_e(_about(plan))}</p>',
        f"<h1>{_e(plan.answer)}</h1>",
        _status(plan),
        _figures(plan),
        _no_plan(plan),
        _deployments(plan.deployments if plan.fleet is None else ()),
        *(
            _sheet(sheet)
            for sheet in (*fleet.sheets(plan), *wall_sheets(plan), *unit_sheets(plan), *simulation_sheets(plan))
        ),
        _splits(plan),
        _details(plan.deployments),
        _binding(plan),
        _alternatives(plan),
        _bill(plan),
        _assumptions(plan),
        _left_out(plan),
        _section("Notes", _list(plan.notes)) if plan.notes else "",
        _section("Proof", _facts(summary.proof_facts(plan))),
    ]
    kind = "plan" if plan.has_plan else "none"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{_e(plan.scenario)}: plan</title>\n<style>{_STYLE}</style>\n</head>\n"
        f'<body class="{kind}">\n' + "\n".join(part for part in body if part) + "\n</body>\n</html>\n"
    )


def bars(title: str, parts: Mapping[str, float], unit: str) -> str:
    """Parts of a whole as an inline SVG: a bar a part, with its value and share."""
    ranked = summary.shares(parts)
    if not ranked:
        return ""
    row, width, left, right = 26, 520, 150, 150
    span = width - left - right
    top = max(s.fraction for s in ranked)
    lines = []
    for i, s in enumerate(ranked):
        y = i * row
        length = max(1.0, span * s.fraction / top) if top > 0 else 1.0
        name = s.name if len(s.name) <= 22 else s.name[:21] + "…"
        lines.append(
            f'<text x="0" y="{y + 17}">{_e(name)}<title>{_e(s.name)}</title></text>'
            f'<rect x="{left}" y="{y + 5}" width="{length:.1f}" height="16" rx="2" class="bar"/>'
            f'<text x="{left + length + 8:.1f}" y="{y + 17}">{_e(fmt.quantity(s.value, unit))}'
            f'<tspan class="soft" dx="6">{_e(fmt.share(s.fraction))}</tspan></text>'
        )
    whole = fmt.quantity(sum(parts.values()), unit)
    spoken = ", ".join(f"{s.name} {fmt.share(s.fraction)}" for s in ranked)
    return (
        f"<div><h3>{_e(title)}: {_e(whole)}</h3>"
        f'<svg viewBox="0 0 {width} {len(ranked) * row}" role="img" aria-label="{_e(f"{title}: {spoken}")}">'
        + "".join(lines)
        + "</svg></div>"
    )


def _e(text: object) -> str:
    return escape(fmt.clean(text), quote=True)


def _section(title: str, content: str, note: str = "") -> str:
    noted = f'<p class="note">{_e(note)}</p>' if note else ""
    return f"<section><h2>{_e(title)}</h2>{noted}{content}</section>"


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{_e(item)}</li>" for item in items) + "</ul>"


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], numeric: frozenset[int] = frozenset(), kind: str = "data"
) -> str:
    """A table; cells are HTML already."""

    def cell(tag: str, i: int, content: str) -> str:
        return f"<{tag}{' class=n' if i in numeric else ''}>{content}</{tag}>"

    header = "<tr>" + "".join(cell("th", i, _e(h)) for i, h in enumerate(head)) + "</tr>"
    body = "".join("<tr>" + "".join(cell("td", i, c) for i, c in enumerate(r)) + "</tr>" for r in rows)
    return f'<div class="scroll"><table class="{kind}"><thead>{header}</thead><tbody>{body}</tbody></table></div>'


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<tr><td>{_e(name)}</td><td>{_e(value)}</td></tr>" for name, value in facts)
    return f'<table class="facts"><tbody>{rows}</tbody></table>'


def _about(plan: Plan) -> str:
    variant = f", variant {plan.variant}" if plan.variant else ""
    return f"{plan.scenario}{variant} · from {plan.start}, {fmt.number(plan.horizon_years)} years"


def _status(plan: Plan) -> str:
    parts = [f"<b>{_e(fmt.status_words(plan))}</b>"]
    if plan.has_plan:
        o = plan.objective
        bound = o.bound if o.bound is not None else plan.proof.bound
        parts += [
            f"gap {_e(fmt.gap(o.gap))}",
            f"no plan of the searched space is better than {_e(fmt.quantity(bound, o.unit))}",
        ]
        parts.append("verified" if plan.verified else "<b>not verified</b>")
    return f'<p class="status">{" · ".join(parts)}</p>'


def _figures(plan: Plan) -> str:
    facts = summary.headline(plan)
    cells = "".join(f"<div><span>{_e(n)}</span><b>{_e(v)}</b><span>{_e(note)}</span></div>" for n, v, note in facts)
    return f'<div class="figures">{cells}</div>' if facts else ""


def _no_plan(plan: Plan) -> str:
    parts = ""
    if plan.conflicts:
        parts += _section("These cannot hold together", _list(c.message for c in plan.conflicts))
    if plan.nearest:
        texts = (
            n.message + ("" if n.helps else " (not confirmed by re-solving)")
            for n in {n.message: n for n in plan.nearest}.values()
        )
        parts += _section("Smallest changes that make a plan possible", _list(texts))
    return parts


def _deployments(deployments: Sequence[Deployment]) -> str:
    if not deployments:
        return ""
    rows = []
    for d in deployments:
        spare = f", {fmt.count(d.spares)} spare" if d.spares else ""
        rows.append(
            (
                f"<b>{_e(d.served)}</b><br>{_e(fmt.ROLE_WORDS[d.role])}, {_e(d.site)}<br>from {_e(d.period)}",
                f"{_e(fmt.count(d.systems))} × {_e(d.system)}{_e(spare)}<br>{_e(fmt.count(d.chips))} × {_e(d.chip)}<br>"
                f"{_e(d.cooled)}, {_e(fmt.plural(d.racks, 'rack'))}, {_e(d.acquire)}",
                f"{_e(fmt.layout(d.parallelism, serving=d.role not in fmt.OWN_LAYOUT))}<br>{_e(d.precision)}",
                "<br>".join(_e(s) for s in summary.speed(d)),
                _e(fmt.power(d.power.facility_mw)),
                _e(fmt.usd(d.cost.total_usd, short=True)),
            )
        )
    head = ("What, where", "Hardware", "Layout", "Result", "Peak power", "Cost")
    return _section("Deployments", _table(head, rows, frozenset({4, 5}), "runs"))


def _sheet(sheet: fleet.Sheet) -> str:
    """A table of a shared fleet."""
    rows = [tuple(_e(cell) for cell in row) for row in sheet.rows]
    return _section(sheet.title, _table(sheet.head, rows, sheet.numeric), sheet.note)


def _splits(plan: Plan) -> str:
    charts = bars("Cost over the horizon", summary.cost_lines(plan), "usd") + bars(
        "Average power at the meter", summary.power_lines(plan), "mw"
    )
    return _section("Where money and power go", f'<div class="two">{charts}</div>') if charts else ""


def _details(deployments: Sequence[Deployment]) -> str:
    parts = ""
    for name, d in zip(summary.unique_names(deployments), deployments, strict=True):
        p = d.predicted
        charts = bars(summary.parts_text(d), p.breakdown, "s") + bars("Memory per chip", p.memory_gb, "gb")
        facts = list(summary.predicted_facts(d))
        if p.interval is not None:
            facts.append(("Interval from", p.interval.basis))
        facts += [("Interconnect", d.interconnect), ("PUE", fmt.number(d.power.pue))]
        facts += [(f"Network {fmt.phrase(k)}", summary.network_value(k, v)) for k, v in d.network.items()]
        facts += [("Carbon", f"{fmt.number(d.carbon_t)} t CO₂e"), ("Water", f"{fmt.number(d.water_m3)} m³")]
        body = (f'<div class="two">{charts}</div>' if charts else "") + _facts(facts)
        parts += _section(name, body + _classes(d))
    return parts


def _classes(d: Deployment) -> str:
    """What a deployment answers of each class of requests, and with which settings."""
    if not d.answers:
        return ""
    rows = [
        (
            _e(a.name),
            _e(fmt.number(a.requests_per_s)),
            _e(f"{a.share_of_time:.1%}"),
            _e(fmt.number(a.ttft_ms)),
            _e(fmt.number(a.tpot_ms)),
            _e(f"{a.batch} in flight, chunks of {a.chunk_tokens}"),
        )
        for a in d.answers
    ]
    head = ("Class of requests", "Requests/s", "Share of time", "TTFT ms", "TPOT ms", "Settings of a replica")
    table = _table(head, rows, frozenset({1, 2, 3, 4}))
    return f"<details><summary>Requests it answers, by class: {len(rows)}</summary>{table}</details>"


def _bill(plan: Plan) -> str:
    """What is bought, line by line, where the plan says it."""
    if not buys(plan):
        return ""
    rows = [
        (
            _e(f"{line.workload} {line.role}".strip()),
            _e(line.item.replace("_", " ")),
            "" if line.quantity is None else _e(f"{fmt.number(line.quantity)} {line.unit}"),
            "" if line.unit_price_usd is None else _e(fmt.usd(line.unit_price_usd)),
            "" if line.total_usd is None else _e(fmt.usd(line.total_usd)),
        )
        for line in bill_of_materials(plan)
    ]
    table = _table(("For", "Item", "Quantity", "Unit price", "Sum"), rows, frozenset({3, 4}))
    return _section("Bill of materials", f"<details><summary>What is bought</summary>{table}</details>")


def _binding(plan: Plan) -> str:
    if not plan.binding:
        return ""
    rows = [
        (
            _e(b.limit) + (f'<br><span class="note">{_e(b.note)}</span>' if b.note else ""),
            _e(fmt.quantity(b.used, b.unit)),
            _e(fmt.quantity(b.of, b.unit)),
            _e(fmt.worth(b.worth_per_unit, b.worth_unit)),
        )
        for b in plan.binding
    ]
    note = "What the objective gains or loses when the limit moves by one unit."
    return _section(
        "What binds", _table(("Limit", "Used", "Of", "One more unit is worth"), rows, frozenset({1, 2, 3})), note
    )


def _alternatives(plan: Plan) -> str:
    if not plan.alternatives:
        return ""
    rows = [
        (
            _e(a.name),
            _e(fmt.quantity(a.objective, plan.objective.unit)),
            _e(fmt.DASH if a.difference is None else f"{'+' if a.difference >= 0 else ''}{fmt.percent(a.difference)}"),
            _e(a.summary),
        )
        for a in plan.alternatives
    ]
    return _section(
        "Alternatives", _table(("Plan", plan.objective.name.capitalize(), "Against the best", "What changes"), rows)
    )


def _assumptions(plan: Plan) -> str:
    if not plan.assumptions:
        return ""
    rows = [
        (
            _e(a.path),
            _e(fmt.quantity(a.value, a.unit) if isinstance(a.value, int | float) else a.value),
            _e(a.source),
            _e(", ".join(a.rests_on_it)),
            _e(summary.worth_of(plan, a)),
        )
        for a in plan.assumptions
    ]
    table = _table(("Figure", "Value", "From", "Rests on it", "What it is worth"), rows)
    return _section("Assumptions", table, "Figures that nobody has published and that this plan rests on.")


def _left_out(plan: Plan) -> str:
    if not plan.left_out:
        return ""
    groups = ""
    for reason, options in summary.left_out_groups(plan.left_out):
        groups += f"<details><summary>{_e(reason)} ({fmt.count(len(options))})</summary>{_list(options)}</details>"
    return _section("Left out", groups, f"{fmt.plural(len(plan.left_out), 'option')} did not take part.")
