"""The Accuracy page: what the planner predicts beside what was measured, and where it is worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from planner.catalog import Catalog
from planner.errors import PlannerError
from planner.plots.charts import predicted_beside_measured
from planner.report import format as fmt
from planner.ui import service
from planner.ui.charts import draw
from planner.ui.measured import show_measurements
from planner.ui.settings import settings
from planner.ui.words import md, show_problems
from planner.validation.cases import CaseResult
from planner.validation.report import validate
from planner.validation.summary import by_tag, overall, time_error

_NAMES = {
    "step_time_s": "Step time (s)",
    "tokens_per_s_per_chip": "Tokens/s a chip, training",
    "model_tflops_per_chip": "Model TFLOPS a chip",
    "total_time_h": "Length of the run (h)",
    "peak_memory_gib": "Peak memory (GiB)",
    "output_tok_s_per_chip": "Output tokens/s a chip",
    "total_tok_s_per_chip": "Tokens/s a chip, serving",
    "ttft_ms": "Time to first token (ms)",
    "tpot_ms": "Time per output token (ms)",
    "power_w_per_chip": "Power a chip (W)",
}
_WORST = 10


@st.cache_data(show_spinner="Predicting every measured case", max_entries=2)
def _results(catalog_digest: str, version: str, _facts: Catalog) -> tuple[CaseResult, ...]:
    """Every carried measurement with its prediction; the digest and the version are the key."""
    return validate(None, _facts).results


def _metrics(results: Sequence[CaseResult]) -> None:
    whole = overall(results)
    if whole is None:
        st.info("No case of this quantity could be predicted; the reasons are below.")
        return
    columns = st.columns(4)
    columns[0].metric(
        "Mean error", md(fmt.percent(whole.mean)), border=True, help="Absolute, each group of cases once."
    )
    columns[1].metric("Median error", md(fmt.percent(whole.median)), border=True, help="Absolute, over groups.")
    baseline = fmt.percent(whole.baseline_mean)
    columns[2].metric("One-constant baseline", md(baseline), border=True, help="Mean error of a single constant.")
    inside = fmt.percent(whole.coverage80)
    columns[3].metric("Inside the 80% interval", md(inside), border=True, help="Share of the measured cases.")
    st.caption(
        f"{fmt.count(whole.answered)} of {fmt.count(whole.rows)} cases predicted, in {fmt.count(whole.groups)} groups "
        f"of one source, model, chip and precision. Bias {md(fmt.percent(whole.bias))} (positive: predicted too slow)."
    )


def _row(result: CaseResult) -> dict[str, Any]:
    error = time_error(result)
    return {
        "case": fmt.clean(result.case_id),
        "group": fmt.clean(result.tags.get("chip", "") or "unstated"),
        "measured": result.measured,
        "predicted": result.predicted,
        "error": fmt.percent(error),
        "size": abs(error or 0.0),
    }


def _worst(results: Sequence[CaseResult]) -> None:
    st.subheader("The worst cases", anchor=False)
    ranked = sorted((r for r in results if time_error(r) is not None), key=lambda r: -abs(time_error(r) or 0.0))
    rows = [
        {
            "Case": fmt.clean(r.case_id),
            "Model": fmt.clean(r.tags.get("model", "")),
            "Chip": fmt.clean(r.tags.get("chip", "")),
            "Measured": r.measured,
            "Predicted": r.predicted,
            "Error (%)": 100 * (time_error(r) or 0.0),
            "Source": fmt.clean(r.tags.get("source", "")),
        }
        for r in ranked[:_WORST]
    ]
    numbers: Mapping[str, Any] = {
        name: st.column_config.NumberColumn(format="%.4g") for name in ("Measured", "Predicted", "Error (%)")
    }
    st.dataframe(rows, hide_index=True, placeholder="–", width="stretch", column_config=numbers, key="accuracy.worst")


def _by(results: Sequence[CaseResult], tag: str, title: str) -> None:
    st.markdown(f"**Error by {title}**")
    rows = [
        {
            title.capitalize(): fmt.clean(g.name),
            "Cases": g.rows,
            "Mean error (%)": 100 * g.mean_absolute,
            "Bias (%)": 100 * g.bias,
            "Baseline (%)": None if g.baseline is None else 100 * g.baseline,
        }
        for g in by_tag(results, tag)[: settings().table_rows]
    ]
    numbers = {n: st.column_config.NumberColumn(format="%.3g") for n in ("Mean error (%)", "Bias (%)", "Baseline (%)")}
    st.dataframe(
        rows,
        hide_index=True,
        placeholder="–",
        width="stretch",
        height=300,
        column_config=numbers,
        key=f"accuracy.by.{tag}",
    )


def _unanswered(results: Sequence[CaseResult]) -> None:
    reasons: dict[str, int] = {}
    for r in results:
        if r.predicted is None:
            reasons[r.reason] = reasons.get(r.reason, 0) + 1
    if not reasons:
        return
    with st.expander(f"Not predicted: {fmt.plural(sum(reasons.values()), 'case')}, with the reasons"):
        for reason, n in sorted(reasons.items(), key=lambda item: -item[1])[:40]:
            st.markdown(f"- {md(reason)} ({fmt.count(n)})")


def show() -> None:
    """Draw the page."""
    st.header("How far the numbers can be trusted", anchor=False)
    st.caption(
        "Every published measurement that the planner carries, predicted with the same model that plans, beside what "
        "was measured. Errors are of time: of a rate, the error of its inverse."
    )
    show_measurements()
    st.subheader("Published measurements", anchor=False)
    facts = service.catalog()
    if "accuracy.asked" not in st.session_state:
        if not st.button("Predict every measured case", type="primary", key="accuracy.go", icon=":material/target:"):
            st.info("It takes a while the first time and is kept afterwards. `planner validate` prints the same.")
            return
        st.session_state["accuracy.asked"] = True
        st.rerun()
    try:
        results = _results(facts.digest, service.version(), facts)
    except PlannerError as error:
        show_problems("The measurements", error.problems)
        return
    quantities = sorted({r.quantity for r in results}, key=lambda q: -sum(r.quantity == q for r in results))
    if not quantities:
        st.info("The catalog carries no measurements.")
        return
    quantity = st.selectbox(
        "Quantity", quantities, format_func=lambda q: _NAMES.get(q, fmt.label(q)), key="accuracy.what"
    )
    chosen = [r for r in results if r.quantity == quantity]
    _metrics(chosen)
    points = [_row(r) for r in chosen if r.predicted is not None and r.predicted > 0 and r.measured > 0]
    if points:
        spoken = f"Predicted beside measured, {len(points)} cases"
        draw(predicted_beside_measured(points), spoken)
        _worst(chosen)
        left, right = st.columns(2, gap="large")
        with left:
            _by(chosen, "source", "source")
        with right:
            _by(chosen, "chip", "chip")
    _unanswered(chosen)


show()
