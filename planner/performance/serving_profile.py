"""Parameters of the serving model: a few bounded physical constants per engine family and per chip family.

Shapes (how a cost grows with batch, length, chips) are in the code and shared by all; a profile sets levels. The
values come from ``catalog/calibration/serving.yaml`` (fitted leaving whole sources out) over the defaults below, each
of which has its source in the comment beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from planner.errors import InputError, Problem, nearest_name, unknown_name


@dataclass(frozen=True)
class ServingProfile:
    """Engine and chip constants. Efficiencies are shares of the catalog's peak; times are seconds."""

    name: str = "default"
    # --- compute
    gemm_efficiency: float = (
        0.65  # large GEMM; measured 0.50-0.80 of peak (Bekman's MAMF: A100 0.87, H100 0.80, B200 0.78)
    )
    gemm_half_tokens: float = 40.0  # tokens at which a GEMM reaches half of it (tiles of 64-128 rows half filled)
    expert_efficiency: float = 0.80  # grouped GEMM over plain GEMM (SimuMax tables: 0.43-0.49 against 0.50-0.56)
    expert_half_tokens: float = 48.0  # per expert
    attention_efficiency: float = 0.50  # prefill attention core, of the bf16 peak, causal counted at half
    decode_attention_efficiency: float = 0.40  # attention core when decoding from a latent (MLA), of the bf16 peak
    scan_efficiency: float = 0.05  # state-space scan runs on vector units
    # --- memory
    weight_bandwidth: float = 0.80  # share of peak while streaming weights (0.73-0.91 in published fits)
    kv_bandwidth: float = 0.65  # while reading the cache (0.51-0.80)
    elementwise_passes: float = 12.0  # reads or writes of the hidden state per layer (norms, residuals, quantisation)
    roofline_power: float = 3.0  # smooth maximum of compute and memory time
    # --- fixed costs
    layer_s: float = 12e-6  # per layer and step: kernel gaps
    moe_layer_s: float = 18e-6  # more per MoE layer: gate, permutation
    step_s: float = 0.6e-3  # per step: scheduling, sampling
    sequence_s: float = 6e-6  # per sequence and step: sampling, detokenisation
    request_s: float = 12e-3  # per request, in its TTFT: tokenisation, HTTP, queue hand-over
    # --- communication
    all_reduce_s: float = 7e-6  # start-up of one in-domain all-reduce of an engine (custom kernels)
    all_reduce_step_s: float = 1.0e-6  # per doubling of the group
    dispatch_s: float = 25e-6  # start-up of expert dispatch and combine; DeepEP's low-latency table within 14%
    combine_s: float = 25e-6
    all_to_all_doubling_s: float = 0.0
    point_to_point_s: float = 15e-6
    moe_overlap: float = 0.0  # share of dispatch and combine hidden under compute of another micro-batch
    # --- routed experts
    expert_skew: float = 0.15  # load of the fullest rank over the mean, less 1, beyond chance (EPLB 1.05-1.2)
    # --- scheduling
    mixed: bool = True  # prefill chunks share steps with decodes; False: prefill runs in steps of its own
    chunk_tokens: int = 8192  # most prefill tokens per step (max_num_batched_tokens, max_num_tokens)
    max_batch: int = 1024  # requests per attention copy an offline run keeps in flight
    queue_weight: float = 1.0  # scales the wait of a prefill for other prefills
    # --- memory
    engine: str = "vllm"  # how the KV budget is cut: vllm | trtllm
    workspace: str = "vllm-0.19"  # measured workspace of a release (kv_budget.WORKSPACES)
    memory_utilisation: float = 0.90
    activation_scale: float = 1.0
    kv_hold: float = 0.75  # share of the output a request holds in the cache on average when admission is counted
    block_tokens: int = 16
    # --- cached prefix (CloudMatrix384: 1.42x at 50%, 2.28x at 90% reuse; TTFT -34%, -59%)
    reuse_efficiency: float = 0.60  # eta
    reuse_ttft_efficiency: float = 0.67  # eta_t
    # --- interval
    low80: float = 0.75
    high80: float = 1.45

    def with_values(self, values: Mapping[str, object], *, file: str = "") -> ServingProfile:
        """A copy with some constants replaced; raises ``InputError`` for a name that is not a constant."""
        names = [f.name for f in fields(self)]
        bad = [n for n in values if n not in names]
        if bad:
            raise InputError(
                [Problem(f"unknown serving constant {n!r}", file=file, nearest=nearest_name(n, names)) for n in bad]
            )
        return replace(self, **values)  # type: ignore[arg-type]


# What differs between engines by construction, before any calibration.
ENGINES: Mapping[str, Mapping[str, object]] = {
    "vllm": {"engine": "vllm", "workspace": "vllm-0.19", "memory_utilisation": 0.90},
    "trtllm": {"engine": "trtllm", "workspace": "trtllm-1.0", "memory_utilisation": 0.90, "block_tokens": 32},
    "sglang": {"engine": "vllm", "workspace": "vllm-0.19", "memory_utilisation": 0.88, "mixed": False},
    "other": {"engine": "vllm", "workspace": "vllm-0.19", "memory_utilisation": 0.90},
}


def profile_for(family: str, engine: str = "vllm", *, year: int = 0) -> ServingProfile:
    """The constants of an engine on a chip family; a family nobody has measured keeps defaults and a wide interval."""
    del family, year
    if engine not in ENGINES:
        raise unknown_name("serving engine", engine, sorted(ENGINES))
    return ServingProfile(name=engine).with_values(ENGINES[engine])
