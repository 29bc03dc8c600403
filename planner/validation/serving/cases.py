"""From a row of published serving measurements to what was run: fields in, a case or a reason out.

Only the columns that describe the run are read (model, chip, engine, precision, parallelism, lengths, load, and notes
on speculative decoding, attention copies, prefill workers); the columns that were measured never are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from planner.catalog import Catalog
from planner.errors import InputError
from planner.performance.laws import family_of
from planner.performance.serving.levels import ALIKE, BATCH, SPREAD, TUNED
from planner.validation.chips import chip_named
from planner.validation.models import model_like, model_named
from planner.validation.serving.words import (
    PRECISIONS,
    engine_of,
    front_of,
    precision_of,
    release_of,
    serves,
)

INPUT_RATE = "input_tok_s_per_chip"
"""Answered for pools of prefill alone: elsewhere it is the output rate again, times the lengths' ratio."""
MEASURED = ("output_tok_s_per_chip", "total_tok_s_per_chip", "ttft_ms", "tpot_ms", "power_w_per_chip")
# InferenceX draws lengths uniformly from [0.8, 1.0] of the nominal ones.
INFERENCEX_MEAN = 0.9
INFERENCEX_PROMPTS = 10.0
"""Prompts of a run of InferenceX by its clients, which all start at once."""
# How often SGLang looks for new requests in InferenceX's recipes for Blackwell (``--scheduler-recv-interval``): every
# 10 decode steps, every 30 from 16 clients. Those for other chips leave it at every step.
SELDOM_FROM, SELDOM_STEPS, OFTEN_STEPS = 16.0, 30.0, 10.0
_MEDIAN_TTFT = re.compile(r"median (?:\(mean not in capture\) )?ttft", re.IGNORECASE)
# Real chat prompts where a source does not publish the input length (ML.ENERGY): an assumption, stated in the docs.
UNPUBLISHED_INPUT = 512.0
# Multi-token prediction as InferenceX runs DeepSeek: three drafts, one where attention is data parallel (the recipes'
# rule: wide batches verify less); where a row states no acceptance it is the engine's fitted ``draft_acceptance``.
MTP_DRAFTS, MTP_DRAFTS_ATTENTION_DP = 3, 1
# Requests of a run of TensorRT-LLM's performance overview by (input, output) tokens: all are queued at the start, so
# a run is a few cohorts and its last one is not full (the document's procedure, the same in every release).
REAL_ANSWERS, ANSWER_CV = ("MLEN",), 0.7
"""Sources whose requests are real ones, and how much the lengths of real answers vary (public chat traces: 0.6-1.0)."""
OVERVIEW_REQUESTS: Mapping[tuple[int, int], int] = {
    (128, 128): 30000, (128, 2048): 3000, (128, 4096): 1500, (500, 2000): 3000, (1000, 1000): 3000,
    (1000, 2000): 1500, (1024, 2048): 1500, (2048, 128): 3000, (2048, 2048): 1500, (5000, 500): 1500,
    (20000, 2000): 1000,
}  # fmt: skip
# What a row says of the load of a pool of one phase (where attention is copied, a batch is that of a copy), and of
# speculative decoding inside it.
_SATURATED = re.compile(r"saturated|unlimited|fills GPU memory")
_TOKENS_PER_CHIP = re.compile(r"([\d,]+) tokens per (?:GPU|NPU|chip|die|device)")
_MTP = re.compile(r"MTP[^;]*\bON\b|MTP-\d|incl(?:udes|\.)? MTP|SIMULATED MTP")
_COPIED = re.compile(r"with DP attention|enable_attention_dp")
_ACCEPTANCE = re.compile(r"(\d+)% acceptance")
SATURATED_PER_CHIP = 4096.0
"""Requests offered to a chip of a pool that is kept full: more than any cache holds."""
LARGEST_COPY_BATCH = 1024.0
"""Requests beyond which the batch of a pool is of all its copies of attention: no published copy holds more."""
STATIC = ("TRT05", "TRT09")
"""Documents whose runs are static batches inside the engine's process (gptSessionBenchmark), all of them."""
POOL_ENGINE = "sglang"
"""The stack of a pool of one phase that names none: the open one that such pools are built with."""
WIDEST_STATED = 16
"""Chips up to which a row without parallelism is one tensor-parallel instance."""
OFFLINE = ("max_throughput", "offline")  # the engine chooses the batch; elsewhere a load that is not given is unknown
DIES_PER_CHIP: Mapping[str, int] = {"ascend_910c": 2}
"""Of modules whose published widths often count dies where their number of chips does not."""
CORES_PER_CHIP: Mapping[str, int] = {"inferentia2": 2, "trainium1": 2}


@dataclass(frozen=True)
class Worker:
    """One kind of engine instance: parallelism and how many of them."""

    tp: int
    pp: int
    ep: int
    attention_dp: int
    count: int = 1

    @property
    def chips(self) -> int:
        """Chips of one instance."""
        return self.tp * self.pp * self.attention_dp


@dataclass(frozen=True)
class ServingCase:
    """What was run. ``mode``: closed (clients at fixed concurrency), static (one batch, prefilled whole), offline
    (the engine chooses the batch), disaggregated, prefill or decode (a pool of one phase, kept full).
    ``concurrency`` over all instances; 0 when offline."""

    case_id: str
    source: str
    model: str
    chip: str
    system: str
    engine: str
    precision: str
    kv_precision: str
    input_tokens: float
    output_tokens: float
    mode: str
    concurrency: float
    worker: Worker
    prefill: Worker | None = None
    draft_tokens: int = 0
    draft_acceptance: float = 0.0
    year: int = 0
    framework: str = ""
    moe: bool = False
    requests: int = 0  # of an offline run; 0: without end
    release: str = ""  # "1.0": major and minor number of the engine's release, where it is given
    waves: bool = False  # a closed loop of requests that are all alike: those that start together stay together
    chunk_tokens: int = 0  # of a pool of prefill: prompt tokens a chip works on at once; 0: the engine's own
    run: float = 0.0  # when, in years: of the run, of the engine's release, or the middle of its year
    front: str = ""  # what joins workers that are apart: dynamo, mori, ..., apart, tuned; empty: none are
    output_cv: float = 0.0  # coefficient of variation of answers, where they are of real requests
    median_ttft: bool = False  # the TTFT given is the median, not the mean
    prompts_a_client: float = 0.0  # of a closed loop whose clients all start at once; 0: unknown
    poll_steps: float = 1.0  # decode steps between two looks for new requests
    median_gap: bool = False  # the TPOT given is the median gap between tokens, not the mean

    @property
    def loop(self) -> str:
        """How clients loaded it (``planner.performance.serving.levels``)."""
        return BATCH if self.mode == "static" else ALIKE if self.waves else SPREAD


class UnansweredError(Exception):
    """Why a row cannot be predicted."""


def source_of(case_id: str) -> str:
    """The source's prefix: TRT014, IMAX, ..."""
    return re.split(r"-", case_id, maxsplit=1)[0]


SOURCE_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "inferencex": ("IMAX", "IXFX", "IXDB", "IMAXD", "IXFH", "IXBL"),
    "trtllm_docs_2024": ("TRT014", "TRT05", "TRT09"),
    "trtllm_docs_2025": ("TRT020", "TRT10", "TRTDS", "GREC"),
    "nvidia_sweep": ("NVGAP",),
    "ml_energy": ("MLEN",),
    "static_batches": ("SPLIT", "ANL", "ANLP", "ANLW", "ANLT"),
    "amd_pages": ("AMDPR",),
    "dell_405b": ("DST405", "DST405L"),
    "gaudi_pages": ("GAUDI",),
    "ascend": ("ASC", "ASC2"),
    "others": ("DSTPD", "VLLM", "VLLM2", "VREC", "SGL", "MOON"),
}
"""Sources that are one benchmark are one source: the same harness, images and runs."""


def family_of_source(source: str) -> str:
    """The family a source is left out with; itself when it is in none."""
    for name, members in SOURCE_FAMILIES.items():
        if source in members:
            return name
    return source


def _int(row: Mapping[str, str], name: str) -> int | None:
    text = (row.get(name) or "").strip()
    return int(float(text)) if text else None


def _float(row: Mapping[str, str], name: str) -> float | None:
    text = (row.get(name) or "").strip()
    return float(text) if text else None


_RUN = re.compile(r"\brun (?:date )?(20\d\d)-(\d\d)")
_RELEASED = re.compile(r"(20\d\d)-(\d\d)")


UNDATED = 2025
"""Year of rows that give none (sweeps of releases of that year)."""


def run_of(row: Mapping[str, str]) -> float:
    """When a row was measured, in years and quarters (2026.25: the end of March): what its notes say, or its engine's
    version, or the middle of its year, ``UNDATED`` where it gives none."""
    found = _RUN.search(row.get("notes") or "") or _RELEASED.search(row.get("framework_version") or "")
    if found:
        return round((int(found[1]) + (int(found[2]) - 0.5) / 12.0) * 4.0) / 4.0
    return (_int(row, "year") or UNDATED) + 0.5


_BOX = re.compile(r"(?:(\d+)\s*(?:worker\(s\))?\s*x\s*)\[tp(\d+)((?: [^\]]*)?)\]")


_PLAIN_BOX = re.compile(r"prefill: (\d+) workers tp(\d+) ep(\d+) dpattn (True|False)")


def _box(text: str, chips: int = 0) -> Worker | None:
    """A worker in a note's words: ``2 x [tp8 ep8 dpattn=True]``, ``1 worker(s) x [tp1 attn-dp8 moe-tp1 moe-ep8]``,
    ``prefill: 2 workers tp1 ep8 dpattn True`` (whose chips are a share of ``chips`` of all such workers)."""
    plain = _PLAIN_BOX.search(text)
    if plain:
        many, width, ranks = (int(plain[i]) for i in (1, 2, 3))
        size = chips // many if chips >= many and chips % many == 0 else max(width, ranks)
        ranks = ranks if size % ranks == 0 else 1
        return Worker(1, 1, ranks, size, many) if plain[4] == "True" else Worker(size, 1, ranks, 1, many)
    found = _BOX.search(text)
    if not found:
        return None
    count, tp, rest = int(found[1]), int(found[2]), found[3]
    dp = re.search(r"attn-dp(\d+)", rest)
    ep = re.search(r"\bep(\d+)", rest) or re.search(r"moe-ep(\d+)", rest)
    if dp:
        return Worker(tp, 1, int(ep[1]) if ep else 1, int(dp[1]), count)
    spread = int(ep[1]) if ep else 1
    if "dpattn=True" in rest:  # tp names the chips of the worker, each with attention of its own
        return Worker(1, 1, tp if spread > 1 else 1, tp, count)
    return Worker(tp, 1, spread if tp % spread == 0 else 1, 1, count)


def _precision(row: Mapping[str, str], published: str) -> str:
    """``published``: what the model's own checkpoint is in."""
    text = (row.get("weight_precision") or "").strip().lower()
    if "gpt-oss" in row["model"]:
        return "mxfp4"
    if not text:  # the checkpoint as published; 16 bit where it does not say
        return PRECISIONS.get(published, "bf16")
    if text in ("mixed", "native", "default"):  # as published
        return PRECISIONS.get(published, "bf16")
    found = precision_of(text)
    if found is None:
        raise UnansweredError(f"weight precision {text!r} is not modelled")
    return found


def _unstated_cache(engine: str, precision: str, moe: bool, bench: bool, blackwell: bool) -> str:
    """Precision of a cache that a row leaves out: TensorRT-LLM's narrow checkpoints quantise it as well, but the FP8
    releases of expert models do not, and ``trtllm-bench`` (unlike serving recipes) sets none. ``blackwell``: an
    InferenceX run on that generation, whose vLLM recipes set an FP8 cache (those of Hopper leave it at 16 bit)."""
    if engine == "vllm" and blackwell and precision in ("fp8", "fp4", "mxfp4"):
        return "fp8"
    if engine != "trtllm" or precision not in ("fp8", "fp4", "mxfp4"):
        return "bf16"
    return "bf16" if bench and moe and precision == "fp8" else "fp8"


def _is_pool(row: Mapping[str, str]) -> bool:
    """Whether a row is of the chips of one phase alone."""
    return row.get("disaggregated") == "1" and (row.get("scenario") or "") in ("prefill", "decode")


def _parallelism(row: Mapping[str, str], chip_id: str, moe: bool) -> Worker:
    chips = _int(row, "n_chips")
    tp, pp, dp, ep = (_int(row, n) for n in ("tp", "pp", "dp", "ep"))
    cores = CORES_PER_CHIP.get(chip_id, 1)
    pool = _is_pool(row)
    if pool:  # rates of such rows are by the chips of that phase
        chips = _int(row, f"{row['scenario']}_chips") or chips
    if moe and pool and tp is None and dp is None and chips is not None and chips > 1:
        dp, ep = chips, ep or chips  # a pool of one phase over many servers: experts spread, attention copied
    if tp is None and dp is None:
        if chips is None:
            raise UnansweredError("neither parallelism nor the number of chips is given")
        if chips > WIDEST_STATED:
            raise UnansweredError(f"parallelism is not given for more than {WIDEST_STATED} chips")
        tp = chips
    tp = tp or 1
    if tp >= cores and tp % cores == 0:
        tp //= cores
    pp, dp = pp or 1, dp or 1
    dies = DIES_PER_CHIP.get(chip_id, 1)
    if dies > 1 and chips is not None and tp * pp * dp == dies * chips:  # widths count dies, chips are whole
        dp, tp = (dp // dies, tp) if dp % dies == 0 else (dp, max(tp // dies, 1))
        ep = max(ep // dies, 1) if ep is not None else None
    notes = row.get("notes") or ""
    if moe and tp == 1 and dp == 1 and ep is not None and ep > 1:  # experts over ep chips; attention copied or cut
        if _COPIED.search(notes):
            dp = ep
        else:
            tp = ep if chips is None or chips % ep == 0 else tp
    if moe and ep is None and "enable_attention_dp" in notes and dp == 1 and tp > 1:
        tp, dp, ep = 1, tp, tp
    stage = tp * dp
    ep = ep or 1
    if stage % ep:
        ep = stage if ep > stage else 1
    instance = stage * pp
    count = max((chips or instance) // instance, 1)
    return Worker(tp, pp, ep, dp, count)


def read_case(row: Mapping[str, str], catalog: Catalog) -> ServingCase:
    """The case of a row. Raises ``UnansweredError`` with the reason."""
    framework = row.get("framework") or ""
    notes = row.get("notes") or ""
    try:
        model = model_named(catalog, row["model"])
    except InputError:
        alike = model_like(catalog, _float(row, "params_b"), _float(row, "active_params_b"))
        if alike is None:
            raise UnansweredError(f"model {row['model']} is not in the catalog") from None
        model = alike
    try:
        chip = chip_named(catalog, row["chip"])
        system = catalog.default_system(chip.id)
    except InputError:
        raise UnansweredError(f"chip {row['chip']} is not in the catalog") from None
    scenario = row.get("scenario") or ""
    source = source_of(row["case_id"])
    isl, osl = _float(row, "isl"), _float(row, "osl")
    if source.startswith("MLP"):
        raise UnansweredError("input length and parallelism are not published")
    precision = _precision(row, model.weights)
    kv_text = (row.get("kv_precision") or "").strip()
    pool = _is_pool(row)
    year = _int(row, "year") or 0
    family = family_of(chip.id, chip.text("family"))
    engine = engine_of(framework, year, family) if framework or not pool else POOL_ENGINE
    if kv_text:
        kv = precision_of(kv_text) or "bf16"
    else:
        blackwell = "InferenceM" in notes and family == "nvidia_blackwell"
        kv = _unstated_cache(engine, precision, model.is_moe, "trtllm-bench" in notes, blackwell)
    worker = _parallelism(row, chip.id, model.is_moe)
    concurrency = _float(row, "concurrency_or_batch")
    prefill: Worker | None = None
    chunk = 0
    if row.get("disaggregated") == "1" and scenario not in ("prefill", "decode"):
        told = notes[notes.index("prefill") :].split("decode")[0] if "prefill" in notes else ""
        prefill = _box(told, _int(row, "prefill_chips") or 0) if told else None
        if prefill is None:
            p, d = _int(row, "prefill_chips"), _int(row, "decode_chips")
            if p is None or d is None:
                raise UnansweredError("prefill and decode workers are not given")
            size = min(worker.chips, p)
            prefill = Worker(size, 1, 1, 1, max(p // size, 1))
        total = _int(row, "decode_chips") or max((_int(row, "n_chips") or 0) - prefill.chips * prefill.count, 1)
        worker = Worker(worker.tp, worker.pp, worker.ep, worker.attention_dp, max(total // worker.chips, 1))
        mode = "disaggregated"
    elif pool and scenario == "prefill" and concurrency is None and isl is not None:
        mode = "prefill"
        stated = _TOKENS_PER_CHIP.search(notes)
        chunk = int(stated[1].replace(",", "")) if stated else 0
        concurrency = 1.0
    elif (
        pool
        and scenario == "decode"
        and (worker.attention_dp > 1 if concurrency is not None else _SATURATED.search(notes))
    ):
        mode = "decode"
        per_copy = SATURATED_PER_CHIP if concurrency is None else concurrency
        if per_copy <= LARGEST_COPY_BATCH or concurrency is None:
            concurrency = per_copy * worker.chips * worker.count
        osl = osl or 2.0  # the context stays what it is
    elif (
        "static batch" in notes
        or (source in STATIC and concurrency is not None)
        or engine == "other"
        or (engine == "hpu" and not serves(framework))
        or scenario in ("prefill", "decode")
    ):
        mode = "static"
    elif concurrency is None and scenario in OFFLINE:
        mode = "offline"
    else:
        mode = "closed"
    if isl is None:
        if osl is None or mode == "static":
            raise UnansweredError("the input length is not published")
        isl = UNPUBLISHED_INPUT
    if osl is None:
        if scenario != "prefill":
            raise UnansweredError("the output length is not published")
        osl = 1.0
    if mode != "offline" and concurrency is None:
        raise UnansweredError("the concurrency is not published")
    # the notes of its older runs and of its articles' tables leave out how lengths are drawn
    spread = "0.8,1.0]" in notes or "0.8-1.0x" in notes or family_of_source(source) == "inferencex"
    if spread:
        isl, osl = isl * INFERENCEX_MEAN, osl * INFERENCEX_MEAN
    polls = 1.0
    tuned = mode == "closed" and engine == "sglang" and family_of_source(source) == "inferencex"
    if tuned and family == "nvidia_blackwell":
        polls = SELDOM_STEPS if (concurrency or 0.0) >= SELDOM_FROM else OFTEN_STEPS
    mtp = bool(_MTP.search(notes))
    accepted = _ACCEPTANCE.search(notes)
    drafts = MTP_DRAFTS_ATTENTION_DP if worker.attention_dp > 1 else MTP_DRAFTS
    apart = row.get("disaggregated") == "1"
    requests = 0
    if mode == "offline" and "trtllm-bench" in notes:
        requests = OVERVIEW_REQUESTS.get((round(isl), round(osl)), 0)
    return ServingCase(
        case_id=row["case_id"],
        source=source,
        model=model.id,
        chip=chip.id,
        system=system.id,
        engine=engine,
        precision=precision,
        kv_precision=kv,
        input_tokens=max(isl, 1.0),
        output_tokens=max(osl, 1.0),
        mode=mode,
        concurrency=concurrency or 0.0,
        worker=worker,
        prefill=prefill,
        draft_tokens=drafts if mtp else 0,
        draft_acceptance=int(accepted[1]) / 100.0 if accepted and mtp else 0.0,
        year=year,
        run=run_of(row),
        front=front_of(framework) or (TUNED if mode in ("prefill", "decode") else "apart" if apart else ""),
        framework=framework,
        moe=model.is_moe,
        requests=requests,
        release=release_of(row.get("framework_version") or "", framework),
        chunk_tokens=chunk,
        waves=mode == "closed" and not spread,
        output_cv=ANSWER_CV if source in REAL_ANSWERS else 0.0,
        median_ttft=bool(_MEDIAN_TTFT.search(notes)),
        prompts_a_client=INFERENCEX_PROMPTS if spread and mode in ("closed", "disaggregated") else 0.0,
        poll_steps=polls,
        median_gap="tpot=median ITL" in notes,
    )
