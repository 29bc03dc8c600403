"""Parts of a plan as tables and lists: deployments, one of them in full, assumptions, the proof, what was left out."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from planner.answer.plan import Deployment, Plan
from planner.report import format as fmt
from planner.report import summary
from planner.report.names import figure_name, readable
from planner.ui import drawn, service
from planner.ui.settings import settings
from planner.ui.words import md


def deployments(plan: Plan) -> None:
    """What stands where and does what, a row a deployment."""
    st.subheader("Deployments", anchor=False)
    names, short = service.names(), service.short()
    rows = [
        {
            "Workload": fmt.clean(d.served),
            "Role": fmt.ROLE_WORDS[d.role],
            "Hardware": f"{fmt.count(d.systems)} × {fmt.clean(names.get(d.system, d.system))}",
            "Chips": d.chips,
            "Peak power (MW)": d.power.facility_mw,
            "Cost (million USD)": d.cost.total_usd / 1e6,
            "Result": ", ".join(summary.speed(d)[:3]),
            "Site": fmt.clean(d.site),
            "From": fmt.clean(d.period),
            "Layout": fmt.layout(d.parallelism, serving=d.role != "train"),
            "Precision": fmt.clean(d.precision),
            "Cooling": readable(fmt.clean(d.cooled), short),
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


@st.fragment
def one_deployment(plan: Plan) -> None:
    """Time, memory and figures of one deployment; choosing another one redraws only this."""
    names = [readable(name, service.short()) for name in summary.unique_names(plan.deployments)]
    if not names:
        return
    st.subheader("Where time and memory go", anchor=False)
    chosen = 0
    if len(names) > 1:
        chosen = st.selectbox("Deployment", range(len(names)), format_func=lambda i: names[i], key="deployment")
    d = plan.deployments[chosen if chosen < len(names) else 0]
    left, right = st.columns(2, gap="large")
    name = names[chosen]
    with left:
        drawn.parts(summary.parts_text(d), {name: d.predicted.breakdown}, "s")
    with right:
        drawn.parts("Memory per chip", {name: d.predicted.memory_gb}, "gb")
        if d.predicted.memory_limit_gb_per_chip is not None:
            st.caption(f"of {fmt.gigabytes(d.predicted.memory_limit_gb_per_chip)} that can be used")
    interval = d.predicted.interval
    if interval is not None:
        what = md(fmt.phrase(interval.quantity))
        st.markdown(f"80% interval of {what}: **{md(summary.interval_text(d))}**, from {md(interval.basis)}.")
    with st.expander("All predicted figures of this deployment"):
        facts(_facts_of(d))


def _facts_of(d: Deployment) -> list[tuple[str, str]]:
    found = list(summary.predicted_facts(d))
    found += [
        ("Layout", fmt.layout(d.parallelism, serving=d.role != "train")),
        ("Interconnect", fmt.clean(d.interconnect)),
        ("PUE", fmt.number(d.power.pue)),
        ("Capital", fmt.usd(d.cost.capex_usd)),
        ("Running cost a year", fmt.usd(d.cost.opex_usd_per_year)),
        ("Carbon", f"{fmt.number(d.carbon_t)} t CO₂e"),
        ("Water", f"{fmt.number(d.water_m3)} m³"),
    ]
    found += [(f"Network {fmt.phrase(k)}", summary.network_value(k, v)) for k, v in d.network.items()]
    return found


def facts(found: Sequence[tuple[str, str]]) -> None:
    """Names and values, a row each."""
    rows = "\n".join(f"| {md(name)} | {md(value)} |" for name, value in found)
    st.markdown(f"| | |\n|---|---|\n{rows}")


def assumptions(plan: Plan) -> None:
    """Figures that the plan rests on and nobody has published."""
    st.subheader("Assumptions", anchor=False)
    if not plan.assumptions:
        st.caption("None: every figure that this plan rests on is published or measured.")
        return
    short = service.short()
    sources = ", ".join(dict.fromkeys(a.source for a in plan.assumptions if a.source))
    st.caption(f"Figures that nobody has published and that this plan rests on. From: {md(sources or fmt.DASH)}.")
    rows = "\n".join(
        f"| {md(figure_name(a.path, short))} | "
        f"{md(fmt.quantity(a.value, a.unit) if isinstance(a.value, int | float) else a.value)} | "
        f"{md(readable(', '.join(a.rests_on_it), short))} | {md(summary.worth_of(plan, a))} |"
        for a in plan.assumptions
    )
    st.markdown(f"| Figure | Value | Rests on it | What it is worth |\n|---|--:|---|---|\n{rows}")


def proof(plan: Plan) -> None:
    """What was searched and what proves the answer."""
    st.subheader("Proof", anchor=False)
    p = plan.proof
    st.markdown(
        f"{fmt.count(p.enumerated)} configurations were examined, {fmt.count(p.candidates)} fit in memory and were "
        f"priced, {fmt.count(p.options)} undominated options went to the solver ({md(p.solver)}), "
        f"in {md(fmt.seconds(p.seconds))}."
    )
    with st.expander("Everything about the proof"):
        facts(summary.proof_facts(plan))


def left_out(plan: Plan) -> None:
    """Options that did not take part, by reason."""
    if not plan.left_out:
        return
    with st.expander(f"Left out: {fmt.plural(len(plan.left_out), 'option')}, with the reasons"):
        for reason, options in summary.left_out_groups(plan.left_out)[:50]:
            told = [readable(o, service.short()) for o in options]
            named = ", ".join(told[:12]) + (f" and {len(told) - 12} more" if len(told) > 12 else "")
            st.markdown(f"- **{md(reason)}** ({fmt.count(len(options))})  \n  {md(named)}")
