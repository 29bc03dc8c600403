"""A plan on the page: the answer sentence first, then what it costs, where it goes, what limits it, and the proof."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from planner.answer.plan import Deployment, Nearest, Plan
from planner.export.bom import bill_of_materials, bom_csv, buys
from planner.plots.files import charts_of, charts_zip, svg
from planner.report import format as fmt
from planner.report import html_page, summary
from planner.report.board import board, board_without, readable, risks
from planner.report.fleet import Sheet, sheets
from planner.report.pdf import pdf
from planner.report.unit import unit_sheets
from planner.report.walls import wall_sheets
from planner.report.workbook import workbook
from planner.ui import drawn, service
from planner.ui.first import show_board
from planner.ui.settings import settings
from planner.ui.words import md

_PROVEN = {"proven_optimal": "green", "within_gap": "green", "feasible": "orange"}


def show_answer(plan: Plan, yaml: str = "") -> None:
    """Everything about a plan that exists."""
    _sentence(plan)
    for risk in risks(plan):
        st.warning(md(risk), icon=":material/gavel:")
    show_board(board(plan, service.names()))
    _downloads(plan, yaml)
    drawn.beside_rivals(plan)
    drawn.over_time(plan)
    if plan.fleet is None:
        _deployments(plan)
    _tables(sheets(plan))
    drawn.splits(plan)
    drawn.limits(plan)
    if plan.fleet is None:
        _one_deployment(plan)
        _tables(unit_sheets(plan))
    _tables(wall_sheets(plan))
    _limits(plan)
    _alternatives(plan)
    _assumptions(plan)
    _proof(plan)
    _left_out(plan)
    if plan.notes:
        st.subheader("Notes", anchor=False)
        st.markdown("\n".join(f"- {md(note)}" for note in plan.notes))


def show_no_plan(plan: Plan, apply: Callable[[Nearest], bool], can_apply: Callable[[Nearest], bool]) -> None:
    """Why there is no plan, and the smallest changes that make one possible, as buttons."""
    st.error(f"**{md(plan.answer)}**", icon=":material/block:")
    show_board(board_without(plan))
    if plan.conflicts:
        st.subheader("These cannot hold together", anchor=False)
        for conflict in plan.conflicts:
            unsaid = [limit for limit in conflict.limits if limit not in conflict.message]
            st.markdown(f"- {md(conflict.message)}" + (f"  \n  {md(' · '.join(unsaid))}" if unsaid else ""))
    if plan.nearest:
        st.subheader("Smallest changes that make a plan possible", anchor=False)
        st.caption("Each alone is enough. A button changes the form and plans again.")
        for i, nearest in enumerate(plan.nearest):
            _nearest(i, nearest, apply, can_apply)
    with st.expander("How this was found"):
        _facts(summary.proof_facts(plan))
    _left_out(plan)


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


def _sentence(plan: Plan) -> None:
    about = f"{md(plan.scenario)}, variant {md(plan.variant)}" if plan.variant else md(plan.scenario)
    colour = _PROVEN.get(plan.status, "red")
    o = plan.objective
    bound = fmt.quantity(o.bound if o.bound is not None else plan.proof.bound, o.unit)
    verified = ":green-badge[verified]" if plan.verified else ":red-badge[not verified]"
    with st.container(key="sentence", gap="xxsmall"):
        st.markdown(
            f"{about}, from {md(plan.start)}, {fmt.number(plan.horizon_years)} years "
            f":{colour}-badge[{fmt.STATUS_WORDS[plan.status]}] {verified} "
            f":gray[no plan of the searched space is better than {md(bound)} (gap {md(fmt.gap(o.gap))})]"
        )
        st.header(md(plan.answer), anchor=False)


def _downloads(plan: Plan, yaml: str) -> None:
    names = service.names()
    with st.container(horizontal=True):
        _download("Download plan.json", plan.to_json().encode(), "application/json", "plan.json")
        _download("Report (PDF)", lambda: _pdf(plan), "application/pdf", "plan.pdf")
        _download("Report (HTML)", lambda: html_page(plan).encode(), "text/html", "plan.html")
        _download("Tables (XLSX)", lambda: workbook(plan, names), _XLSX, "plan.xlsx")
        _download("Charts (PNG, SVG)", lambda: charts_zip(plan, names), "application/zip", "charts.zip")
        if yaml:
            _download("Scenario (YAML)", yaml.encode(), "application/yaml", "scenario.yaml")
        if buys(plan):
            made = bill_of_materials(plan)
            _download("Bill of materials (CSV)", lambda: bom_csv(made).encode(), "text/csv", "bom.csv")


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
    )


def _deployments(plan: Plan) -> None:
    st.subheader("Deployments", anchor=False)
    rows = [
        {
            "Workload": fmt.clean(d.served),
            "Role": fmt.ROLE_WORDS[d.role],
            "Hardware": f"{fmt.count(d.systems)} × {fmt.clean(service.names().get(d.system, d.system))}",
            "Chips": d.chips,
            "Peak power (MW)": d.power.facility_mw,
            "Cost (million USD)": d.cost.total_usd / 1e6,
            "Result": ", ".join(summary.speed(d)[:3]),
            "Site": fmt.clean(d.site),
            "From": fmt.clean(d.period),
            "Layout": fmt.layout(d.parallelism, serving=d.role != "train"),
            "Precision": fmt.clean(d.precision),
            "Cooling": fmt.clean(d.cooled),
            "Racks": d.racks,
            "Spare systems": d.spares,
            "Acquired": d.acquire,
        }
        for d in plan.deployments[: settings().table_rows]
    ]
    st.dataframe(
        rows,
        hide_index=True,
        placeholder="–",
        width="stretch",
        key="table.deployments",
        column_config={
            "Chips": st.column_config.NumberColumn(format="localized"),
            "Racks": st.column_config.NumberColumn(format="localized"),
            "Peak power (MW)": st.column_config.NumberColumn(format="%.3g"),
            "Cost (million USD)": st.column_config.NumberColumn(format="%.4g"),
        },
    )


def _tables(found: Sequence[Sheet]) -> None:
    for sheet in found:
        st.subheader(sheet.title, anchor=False)
        if sheet.note:
            st.caption(md(sheet.note))
        rows = [dict(zip(sheet.head, row, strict=True)) for row in sheet.rows[: settings().table_rows]]
        st.dataframe(rows, hide_index=True, width="stretch", key=f"table.{sheet.title}")


@st.fragment
def _one_deployment(plan: Plan) -> None:
    """Time, memory and figures of one deployment; choosing another one redraws only this."""
    names = summary.unique_names(plan.deployments)
    if not names:
        return
    st.subheader("Where time and memory go", anchor=False)
    chosen = 0
    if len(names) > 1:
        picked = st.selectbox("Deployment", names, key="deployment")
        chosen = names.index(picked) if picked in names else 0
    d = plan.deployments[chosen]
    left, right = st.columns(2, gap="large")
    name = names[chosen]
    with left:
        drawn.parts("Time of a step" if d.role == "train" else "Time of a request", {name: d.predicted.breakdown}, "s")
    with right:
        drawn.parts("Memory per chip", {name: d.predicted.memory_gb}, "gb")
        if d.predicted.memory_limit_gb_per_chip is not None:
            st.caption(f"of {fmt.gigabytes(d.predicted.memory_limit_gb_per_chip)} that can be used")
    interval = d.predicted.interval
    if interval is not None:
        what = md(fmt.phrase(interval.quantity))
        st.markdown(f"80% interval of {what}: **{md(summary.interval_text(d))}**, from {md(interval.basis)}.")
    with st.expander("All predicted figures of this deployment"):
        _facts(_details(d))


def _details(d: Deployment) -> list[tuple[str, str]]:
    facts = list(summary.predicted_facts(d))
    facts += [
        ("Layout", fmt.layout(d.parallelism, serving=d.role != "train")),
        ("Interconnect", fmt.clean(d.interconnect)),
        ("PUE", fmt.number(d.power.pue)),
        ("Capital", fmt.usd(d.cost.capex_usd)),
        ("Running cost a year", fmt.usd(d.cost.opex_usd_per_year)),
        ("Carbon", f"{fmt.number(d.carbon_t)} t CO₂e"),
        ("Water", f"{fmt.number(d.water_m3)} m³"),
    ]
    facts += [(f"Network {fmt.phrase(k)}", summary.network_value(k, v)) for k, v in d.network.items()]
    return facts


def _facts(facts: Sequence[tuple[str, str]]) -> None:
    rows = "\n".join(f"| {md(name)} | {md(value)} |" for name, value in facts)
    st.markdown(f"| | |\n|---|---|\n{rows}")


def _limits(plan: Plan) -> None:
    st.subheader("What binds", anchor=False)
    if not plan.binding:
        st.caption("No limit binds: more power, money or time would not make this plan better.")
        return
    rows = "\n".join(
        f"| {md(b.limit)} | {md(fmt.quantity(b.used, b.unit))} | {md(fmt.quantity(b.of, b.unit))} | "
        f"{md(fmt.worth(b.worth_per_unit, b.worth_unit))} | {md(b.note)} |"
        for b in plan.binding
    )
    st.markdown(f"| Limit | Used | Of | One more unit is worth | |\n|---|--:|--:|--:|---|\n{rows}")


def _alternatives(plan: Plan) -> None:
    if not plan.alternatives:
        return
    st.subheader("Alternatives", anchor=False)
    for a in plan.alternatives:
        more = "" if a.difference is None else f" ({'+' if a.difference >= 0 else ''}{fmt.percent(a.difference)})"
        st.markdown(f"- **{md(readable(a.name, service.names()))}**{md(more)}: {md(a.summary)}")


def _assumptions(plan: Plan) -> None:
    if not plan.assumptions:
        return
    st.subheader("Assumptions", anchor=False)
    sources = ", ".join(dict.fromkeys(a.source for a in plan.assumptions if a.source))
    st.caption(f"Figures that nobody has published and that this plan rests on. From: {md(sources or fmt.DASH)}.")
    rows = "\n".join(
        f"| {md(a.path)} | {md(fmt.quantity(a.value, a.unit) if isinstance(a.value, int | float) else a.value)} | "
        f"{md(', '.join(a.rests_on_it))} |"
        for a in plan.assumptions
    )
    st.markdown(f"| Figure | Value | Rests on it |\n|---|--:|---|\n{rows}")


def _proof(plan: Plan) -> None:
    st.subheader("Proof", anchor=False)
    p = plan.proof
    st.markdown(
        f"{fmt.count(p.enumerated)} configurations were examined, {fmt.count(p.candidates)} fit in memory and were "
        f"priced, {fmt.count(p.options)} undominated options went to the solver ({md(p.solver)}), "
        f"in {md(fmt.seconds(p.seconds))}."
    )
    with st.expander("Everything about the proof"):
        _facts(summary.proof_facts(plan))


def _left_out(plan: Plan) -> None:
    if not plan.left_out:
        return
    with st.expander(f"Left out: {fmt.plural(len(plan.left_out), 'option')}, with the reasons"):
        for reason, options in summary.left_out_groups(plan.left_out)[:50]:
            named = ", ".join(options[:12]) + (f" and {len(options) - 12} more" if len(options) > 12 else "")
            st.markdown(f"- **{md(reason)}** ({fmt.count(len(options))})  \n  {md(named)}")
