"""The Supernode page: what unified addressing, each mechanism and engines that move bytes are worth on a load."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from planner.plots.supernode_charts import steps_chart
from planner.report import format as fmt
from planner.report.names import readable
from planner.supernode.result import Step, SupernodeAnswer
from planner.ui import asked, service
from planner.ui.charts import draw
from planner.ui.looks import Inquiry
from planner.ui.words import md

_AUTO = ""


def _steps(found: SupernodeAnswer, title: str, note: str, steps: Sequence[Step]) -> None:
    if not steps:
        return
    st.subheader(title, anchor=False)
    st.caption(note)
    chart = steps_chart(steps, found.objective, found.unit)
    if chart is not None:
        said = "; ".join(
            f"{s.name} {'no plan' if s.value is None else fmt.quantity(s.value, found.unit)}" for s in steps
        )
        draw(chart, f"{title}: {said}")
    st.dataframe(
        [
            {
                "Step": s.name,
                "What it is": fmt.clean(s.what),
                f"{found.objective.capitalize()} ({found.unit})": (
                    f"no plan: {s.status}" if s.value is None else fmt.quantity(s.value, found.unit)
                ),
                "Change": None if s.worth is None else f"{s.worth:+.2%}",
                "Worth": None if s.worth_usd is None else fmt.usd(s.worth_usd, short=True),
                "Pays up to, a chip": None if s.pays_usd_per_chip is None else fmt.usd(s.pays_usd_per_chip, short=True),
                "Chips": s.chips,
                "Exposed": None if s.exposed_share is None else fmt.share(s.exposed_share),
                "A fault stops": None if s.fault_chips is None else fmt.plural(s.fault_chips, "chip"),
            }
            for s in steps
        ],
        hide_index=True,
        placeholder=fmt.DASH,
        width="stretch",
        key=f"supernode.{title}",
        column_config={"Chips": st.column_config.NumberColumn(format="localized")},
    )


def _show(found: SupernodeAnswer) -> None:
    short = service.short()
    st.subheader(md(readable(found.answer, short)), anchor=False)
    name = short.get(found.system, found.system)
    _steps(found, f"{name} as L0 to L4", "Each level of remote memory against the one before it.", found.levels)
    _steps(found, "The highest level with one mechanism taken away", "Against the highest level.", found.taken_away)
    _steps(found, "Who moves the bytes", "Cores, copy engines or engines such as ACE, against cores.", found.movers)
    _steps(found, "As it is", "The scenario with every system it allows, and this system alone.",
           (found.best, found.as_sold))  # fmt: skip
    for line in found.findings[1:]:
        st.markdown(f"- {md(readable(line, short))}")


def show() -> None:
    """Draw the page."""
    st.header("Supernode or servers", anchor=False)
    st.markdown(
        "The same chips with more and less of what makes a supernode, each planned again: from separate servers "
        "(L0) to one coherent memory (L4), the highest level with each mechanism taken away, and who moves the bytes."
    )
    v = asked.subject()
    if v is None or v.draft is None:
        return
    names = service.names()
    wanted = [s for s in v.draft.scenario.hardware.systems if s in names]
    system = st.selectbox(
        "System to look into", [_AUTO, *wanted, *(s for s in service.catalog().systems if s not in wanted)],
        format_func=lambda s: names[s] if s else "chosen for you: a supernode of the best plan, or one you named",
        key="supernode.system",
    )  # fmt: skip
    st.caption("Some fifteen plans: seconds for one workload, minutes for a large fleet.")
    inquiry = Inquiry("supernode", (("system", system),) if system else ())
    found = asked.document(v, inquiry, "supernode", "This question")
    if isinstance(found, SupernodeAnswer):
        _show(found)
        asked.download(found, "supernode")


show()
