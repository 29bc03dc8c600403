"""The Help page: how to read a plan, and the words used."""

from __future__ import annotations

import streamlit as st

_READING = """
1. **The sentence** is the answer. Below it stand the status and the bound: *proven optimal* means that no plan of the
   searched space is better; *optimal within the gap* means that none is better by more than the gap shown.
2. **The figures.** Power is the peak at the meter, cooling and losses included; it is what a site's limit is about.
   Energy is paid for the average, which the power chart shows. Capital is what is bought and built; the total adds the
   running cost over the horizon, discounted.
3. **Deployments** are whole systems in whole racks. Chips are those that work; spares stand beside them.
4. **Where time and memory go** is the performance model's account of one step, or of one request. Its interval comes
   from measured cases and says how far off the model was there.
5. **What binds** are the limits that stop the plan from being better, with what one more unit of each is worth,
   confirmed by planning again.
6. **Assumptions** are figures that nobody has published. The plan rests on them: check those first.
7. **Left out** lists every option that did not take part, with the reason.
8. Where there is **no plan**, the page says which limits cannot hold together and the smallest change of each
   that helps.
"""

_WORDS = {
    "TP, PP, DP, EP, CP": "tensor, pipeline, data, expert and context parallelism: over how many chips a model is laid",
    "VPP": "interleaved pipeline stages on each chip, which shorten the pipeline's idle time",
    "SP": "sequence parallelism: activations outside the matrix multiplications are shared within tensor parallelism",
    "ZeRO": "sharing of optimizer state (1), gradients (2) and weights (3) over data parallelism; FSDP is stage 3",
    "Recompute": "activations computed again in the backward pass to save memory: none, selective or full",
    "MFU": "model FLOPs over the chip's dense peak of the precision used; causal attention counts half",
    "ETTR": "effective training time ratio: the share of time left after failures, restarts and checkpoints",
    "TTFT": "time to first token of a request",
    "TPOT": "time per output token after the first",
    "ISL, OSL": "input and output tokens of a request",
    "PUE": "power at the meter over power of the IT equipment",
    "WUE": "litres of water a kWh of IT energy",
    "TCO": "total cost of ownership over the horizon, discounted: capital, energy, operations, rent",
    "Gap": "how far the plan's objective is from the proven bound, as a share",
    "Candidate": "one legal layout of a workload on one platform that fits in memory and was priced",
    "Option": "a candidate with its price and power, offered to the solver",
    "TFLOPS": "dense; bandwidth is one direction, a chip",
}


def show() -> None:
    """Draw the page."""
    st.header("How to read a plan", anchor=False)
    st.markdown(_READING)
    st.header("Words", anchor=False)
    st.markdown("| Word | Meaning |\n|---|---|\n" + "\n".join(f"| **{w}** | {m} |" for w, m in _WORDS.items()))
    st.header("Beyond this page", anchor=False)
    st.markdown(
        "A scenario is a text file; the one behind the form can be downloaded beside the answer and planned again with "
        "`planner plan scenario.yaml`. `planner init` writes a commented one to start from, `planner catalog show ID` "
        "prints every figure of a chip, and a folder of your own figures is merged over the catalog with `--catalog`."
    )


show()
