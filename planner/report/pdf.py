"""A plan as a PDF: the answer on the first page, then charts, tables, assumptions with sources, and the proof.

Typst lays it out. What comes from the plan goes in as data, so nothing of it is read as markup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from planner.answer.plan import Plan
from planner.errors import InputError, Problem
from planner.report import format as fmt
from planner.report.board import board, board_without, risks
from planner.report.tables import every_sheet

_TEMPLATE = r"""
#let plan = json(bytes(sys.inputs.plan))
#let ink = rgb("#1d2733")
#let soft = rgb("#55616d")
#let line-colour = rgb("#d5dce3")
#set document(title: plan.title)
#set page(paper: "a4", margin: (x: 1.6cm, y: 1.7cm), footer: context [
  #set text(size: 7.5pt, fill: soft)
  #plan.footer #h(1fr) #counter(page).display("1 / 1", both: true)
])
#set text(size: 9pt, fill: ink)
#set par(leading: 0.5em)
#show heading: set block(above: 1.1em, below: 0.6em)
#text(size: 8.5pt, fill: soft)[#plan.about]
#v(-0.3em)
#text(size: 12pt, weight: "bold")[#plan.answer]
#for risk in plan.risks [
  #block(fill: rgb("#fbf1df"), inset: 6pt, radius: 3pt, width: 100%)[#risk]
]
#grid(columns: (1fr, 1fr), gutter: 6pt, ..plan.cards.map(card => block(
  stroke: 0.5pt + line-colour, radius: 3pt, inset: 7pt, width: 100%, breakable: false)[
  #text(size: 7.5pt, fill: soft, weight: "bold")[#card.question]\
  #text(size: 10.5pt, weight: "bold")[#card.answer]
  #for told in card.lines [ \ #text(size: 8pt)[#told] ]
]))
#for chart in plan.charts [
  #block(breakable: false)[
    == #chart.title
    #image(bytes(chart.svg), format: "svg", width: 100%, alt: chart.title)
  ]
]
#for sheet in plan.sheets [
  == #sheet.title
  #if sheet.note != "" [ #text(fill: soft, size: 8pt)[#sheet.note] ]
  #set text(size: if sheet.head.len() > 8 { 5.6pt } else { 7.6pt })
  #table(columns: sheet.head.len(), stroke: (x: none, y: 0.4pt + line-colour), inset: 3pt,
    align: (column, row) => if sheet.numeric.contains(column) { right } else { left },
    table.header(..sheet.head.map(cell => text(weight: "bold", fill: soft)[#cell])),
    ..sheet.rows.flatten().map(cell => [#cell]))
]
"""


def pdf(plan: Plan, names: Mapping[str, str], charts: Mapping[str, str] | None = None) -> bytes:
    """The plan as the bytes of a PDF. ``charts``: SVG texts by title. Raises ``InputError`` where Typst is not
    installed."""
    try:
        import typst
    except ImportError:
        remedy = 'pip install "ai-compute-planner[report]"'
        raise InputError(Problem("PDF needs typst, which is not installed", remedy=remedy)) from None
    cards = board(plan, names) if plan.has_plan else board_without(plan)
    variant = f", variant {plan.variant}" if plan.variant else ""
    data = {
        "title": f"{plan.scenario}: plan",
        "about": fmt.clean(f"{plan.scenario}{variant}, from {plan.start}, {fmt.number(plan.horizon_years)} years"),
        "answer": fmt.clean(plan.answer),
        "footer": fmt.clean(
            f"planner {plan.planner_version}, catalog {plan.catalog_digest[:12]}, problem {plan.problem_digest[:12]}"
        ),
        "risks": [fmt.clean(r) for r in risks(plan)],
        "cards": [{"question": c.question, "answer": c.answer, "lines": list(c.lines)} for c in cards],
        "charts": [{"title": title, "svg": svg} for title, svg in (charts or {}).items()],
        "sheets": [
            {"title": s.title, "note": s.note, "head": list(s.head), "rows": [list(map(_broken, r)) for r in s.rows],
             "numeric": sorted(s.numeric)}
            for s in every_sheet(plan, names)[1:]
        ],
    }  # fmt: skip
    return bytes(typst.compile(_TEMPLATE.encode(), sys_inputs={"plan": json.dumps(data, ensure_ascii=False)}))


def _broken(text: str) -> str:
    """Long words may break after an underscore or a slash."""
    return text.replace("_", "_\u200b").replace("/", "/\u200b")
