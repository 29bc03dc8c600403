"""A plan on the page: the answer first, then what to do with it, then its parts, a tab each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from planner.answer.plan import Nearest, Plan
from planner.export.bom import bill_of_materials, bom_csv, buys
from planner.plots.files import charts_of, charts_zip, svg
from planner.report import format as fmt
from planner.report import html_page, summary
from planner.report.board import board, board_without, risks
from planner.report.fleet import Sheet, sheets
from planner.report.names import readable
from planner.report.pdf import pdf
from planner.report.unit import unit_sheets
from planner.report.walls import wall_sheets
from planner.report.workbook import workbook
from planner.ui import address, drawn, service, sketches
from planner.ui.details import assumptions, deployments, facts, left_out, one_deployment, proof
from planner.ui.first import show_board
from planner.ui.settings import settings
from planner.ui.words import md

_PROVEN = {"proven_optimal": "green", "within_gap": "green", "feasible": "orange"}


def show_answer(plan: Plan, yaml: str = "", plan_id: str = "", later: Callable[[], bool] = lambda: False) -> None:
    """Everything about a plan that exists. ``yaml``: the scenario it answers; ``plan_id``: the kept plan, for links;
    ``later``: whether what stands below the first screen is to wait."""
    _sentence(plan)
    for risk in risks(plan):
        st.warning(md(_said(risk)), icon=":material/gavel:")
    show_board(board(plan, service.names(), service.short()))
    _actions(plan, yaml, plan_id)
    if later():
        _waiting(later)
    else:
        _parts(plan, yaml)


@st.fragment(run_every=4.0)
def _waiting(later: Callable[[], bool]) -> None:
    if not later():
        st.rerun(scope="app")
    st.caption("Charts and tables follow in a moment: others wait for their first answer.")


@st.fragment
def _parts(plan: Plan, yaml: str) -> None:
    """The parts of a plan, a tab each; only the open one is drawn, so that nobody waits for what nobody looks at."""
    for tab, (_, draw) in zip(st.tabs(TABS, key="answer.tab", on_change="rerun"), _DRAWN, strict=True):
        if is_open(tab):
            with tab:
                draw(plan, yaml)


def is_open(tab: Any) -> bool:
    """Whether a tab is looked at; tests that walk all of them say so here."""
    return bool(tab.open)


def _charts(plan: Plan, _: str) -> None:
    drawn.beside_rivals(plan)
    drawn.splits(plan)
    drawn.over_time(plan)


def _hardware(plan: Plan, yaml: str) -> None:
    sketches.show(plan, yaml)
    if plan.fleet is None:
        deployments(plan)
    _tables(sheets(plan))


def _time(plan: Plan, _: str) -> None:
    if plan.fleet is None:
        one_deployment(plan)
    _tables(unit_sheets(plan))


def _walls(plan: Plan, _: str) -> None:
    _limits(plan)
    drawn.limits(plan)
    _tables(wall_sheets(plan))


def _rivals(plan: Plan, _: str) -> None:
    _alternatives(plan)
    left_out(plan)


def _trust(plan: Plan, _: str) -> None:
    assumptions(plan)
    proof(plan)
    if plan.notes:
        st.subheader("Notes", anchor=False)
        st.markdown("\n".join(f"- {md(_said(note))}" for note in plan.notes))


_DRAWN: tuple[tuple[str, Callable[[Plan, str], None]], ...] = (
    ("In charts", _charts),
    ("Hardware and places", _hardware),
    ("Time and memory", _time),
    ("Limits", _walls),
    ("Rivals", _rivals),
    ("Assumptions and proof", _trust),
)
TABS = tuple(name for name, _ in _DRAWN)


def show_no_plan(plan: Plan, apply: Callable[[Nearest], bool], can_apply: Callable[[Nearest], bool]) -> None:
    """Why there is no plan, and the smallest changes that make one possible, as buttons."""
    st.error(f"**{md(_said(plan.answer))}**", icon=":material/block:")
    if plan.nearest:
        st.subheader("Smallest changes that make a plan possible", anchor=False)
        st.caption("Each alone is enough. A button changes the form and plans again.")
        # limits that must move together say the same, each: one button moves them all
        for i, nearest in enumerate({fmt.clean(n.message): n for n in plan.nearest}.values()):
            _nearest(i, nearest, apply, can_apply)
    show_board(board_without(plan))
    if plan.conflicts:
        st.subheader("These cannot hold together", anchor=False)
        for conflict in plan.conflicts:
            unsaid = [limit for limit in conflict.limits if limit not in conflict.message]
            st.markdown(f"- {md(conflict.message)}" + (f"  \n  {md(' · '.join(unsaid))}" if unsaid else ""))
    with st.expander("How this was found"):
        facts(summary.proof_facts(plan))
    left_out(plan)


def _nearest(i: int, nearest: Nearest, apply: Callable[[Nearest], bool], can_apply: Callable[[Nearest], bool]) -> None:
    confirmed = "" if nearest.helps else " (not confirmed by re-solving)"
    if can_apply(nearest):
        pressed = st.button(
            md(nearest.message), key=f"nearest.{i}", icon=":material/auto_fix_high:", help=md(nearest.limit) + confirmed
        )
        if pressed and apply(nearest):
            st.rerun()
    else:
        st.markdown(f"- {md(nearest.message)}{confirmed}")


def _said(text: str) -> str:
    """A text of the plan in the words of people."""
    return readable(text, service.short())


def headline(plan: Plan) -> tuple[str, str]:
    """The answer in two: what to get, and the rest of it."""
    head, *rest = re.split(r";\s+|(?<=\.)\s+(?=[A-Z])", _said(plan.answer), maxsplit=1)
    return head, re.sub(r"^it ", "It ", rest[0]) if rest else ""


def _sentence(plan: Plan) -> None:
    """What to do, large; what it costs and presses against, below."""
    about = f"{md(plan.scenario)}, variant {md(plan.variant)}" if plan.variant else md(plan.scenario)
    colour = _PROVEN.get(plan.status, "red")
    o = plan.objective
    bound = fmt.quantity(o.bound if o.bound is not None else plan.proof.bound, o.unit)
    verified = ":green-badge[verified]" if plan.verified else ":red-badge[not verified]"
    head, rest = headline(plan)
    with st.container(key="sentence", gap="xxsmall"):
        st.markdown(
            f"{about}, from {md(plan.start)}, {fmt.number(plan.horizon_years)} years "
            f":{colour}-badge[{fmt.status_words(plan)}] {verified} "
            f":gray[no plan of the searched space is better than {md(bound)} (gap {md(fmt.gap(o.gap))})]"
        )
        st.header(md(head), anchor=False)
        if rest:
            st.markdown(md(rest))


def _actions(plan: Plan, yaml: str, plan_id: str) -> None:
    """What can be taken away, and the link that shows the plan to others."""
    names = service.names()
    with st.container(horizontal=True, key="actions"):
        with st.popover("Download", icon=":material/download:"):
            _download("Report (PDF)", lambda: _pdf(plan), "application/pdf", "plan.pdf")
            _download("Report (HTML)", lambda: html_page(plan).encode(), "text/html", "plan.html")
            _download("Tables (XLSX)", lambda: workbook(plan, names), _XLSX, "plan.xlsx")
            _download("Charts (PNG, SVG)", lambda: charts_zip(plan, names), "application/zip", "charts.zip")
            if buys(plan):
                made = bill_of_materials(plan)
                _download("Bill of materials (CSV)", lambda: bom_csv(made).encode(), "text/csv", "bom.csv")
            if yaml:
                _download("Scenario (YAML)", yaml.encode(), "application/yaml", "scenario.yaml")
            _download("Download plan.json", plan.to_json().encode(), "application/json", "plan.json")
        if plan_id:
            with st.popover("Share", icon=":material/link:"):
                st.caption("Whoever opens this link sees this answer and can change a copy of it.")
                st.code(address.link(plan_id), language=None)


_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _pdf(plan: Plan) -> bytes:
    names = service.names()
    return pdf(plan, names, {title: svg(chart) for title, chart in charts_of(plan, names).items()})


def _download(label: str, content: bytes | Callable[[], bytes], mime: str, name: str) -> None:
    """A download; what takes a while is made when it is asked for."""
    st.download_button(
        label,
        content,
        file_name=name,
        mime=mime,
        on_click="ignore",
        icon=":material/download:",
        key=f"download.{name}",
        width="stretch",
    )


def _tables(found: Sequence[Sheet]) -> None:
    for sheet in found:
        st.subheader(sheet.title, anchor=False)
        if sheet.note:
            st.caption(md(_said(sheet.note)))
        rows = [
            {name: _said(value) for name, value in zip(sheet.head, row, strict=True)}
            for row in sheet.rows[: settings().table_rows]
        ]
        st.dataframe(rows, hide_index=True, width="stretch", key=f"table.{sheet.title}")


def _limits(plan: Plan) -> None:
    st.subheader("What binds", anchor=False)
    if not plan.binding:
        st.caption("No limit binds: more power, money or time would not make this plan better.")
        return
    rows = "\n".join(
        f"| {md(_said(b.limit))} | {md(fmt.quantity(b.used, b.unit))} | {md(fmt.quantity(b.of, b.unit))} | "
        f"{md(fmt.worth(b.worth_per_unit, b.worth_unit))} | {md(b.note)} |"
        for b in plan.binding
    )
    st.markdown(f"| Limit | Used | Of | One more unit is worth | |\n|---|--:|--:|--:|---|\n{rows}")


def _alternatives(plan: Plan) -> None:
    st.subheader("Alternatives", anchor=False)
    if not plan.alternatives:
        st.caption("Nothing else competed: the scenario leaves no other choice of hardware.")
    for a in plan.alternatives:
        more = "" if a.difference is None else f" ({'+' if a.difference >= 0 else ''}{fmt.percent(a.difference)})"
        tied = " :blue-badge[a tie by this model]" if a.tied else ""
        st.markdown(f"- **{md(_said(a.name))}**{md(more)}{tied}: {md(_said(a.summary))}")
