"""What the words of a published serving row mean: its engine, front end, release and precision.

Sources write one thing in many ways (``W4A16``, ``AWQ-int4``, ``int4 (QAT)``) and name engines that nobody has
measured: those take the prior of their generation, never a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

PRECISIONS: Mapping[str, str] = {
    "fp16": "bf16",
    "bf16": "bf16",
    "16-bit": "bf16",
    "fp32": "bf16",
    "fp8": "fp8",
    "int8": "int8",
    "w8a8": "int8",
    "nvfp4": "fp4",
    "fp4": "fp4",
    "mxfp4": "mxfp4",
    "int4": "int4",
    "bfloat16": "bf16",
    "float16": "bf16",
    "w16a16": "bf16",
    "mxfp8": "fp8",
    "w8a16": "int8",
    "w4a4": "fp4",
    "w4a8": "int4",
    "w4a16": "int4",
    "awq": "int4",
    "gptq": "int4",
}
# Where a source's words are none of these: the narrowest format among them is that of the weights.
_INSIDE: tuple[tuple[str, str], ...] = (
    (r"mxfp4", "mxfp4"),
    (r"w4a(?:16|8|fp8)|int4|awq|gptq|nf4|q4_|4-bit", "int4"),
    (r"fp4|w4a4", "fp4"),
    (r"fp8|e4m3|e5m2|float8", "fp8"),
    (r"int8|w8a8|w8a16|q8_|8-bit", "int8"),
    (r"bf16|fp16|bfloat|float16|half|16-bit", "bf16"),
)


def precision_of(text: str) -> str | None:
    """The planner's precision that a source's words for its weights mean; None where they mean none of them."""
    low = text.strip().lower()
    if low in PRECISIONS:
        return PRECISIONS[low]
    return next((found for pattern, found in _INSIDE if re.search(pattern, low)), None)


_ENGINE_WORDS = (
    ("synapse", "hpu"), ("tensorrt", "trtllm"), ("trt-llm", "trtllm"), ("trtllm", "trtllm"),
    ("fastertransformer", "trtllm"), ("nim", "trtllm"), ("sglang", "sglang"), ("atom", "atom"),
    ("vllm-ascend", "vllm_ascend"), ("vllm", "vllm"), ("llm-d", "vllm"),
)  # fmt: skip
_EAGER_WORDS = ("deepspeed", "mii", "transformers", "neuronx", "hugging", "cuda", "sambaflow")
# Servers with continuous batching that are neither of the above: of their year's generation.
_SERVER_WORDS = (
    "tgi", "text-generation", "lmdeploy", "turbomind", "lightllm", "rtp-llm", "fastdeploy", "mindie", "jetstream",
    "friendli", "mlc", "llama.cpp", "ollama", "xllm",
)  # fmt: skip
_FIRST_OF_TODAY = 2025
"""Engines nobody knows are of today's generation from this year on, and where no year is given but a name is."""
_PORTS: Mapping[str, str] = {"huawei_ascend": "vllm_ascend", "intel_gaudi": "hpu"}
"""Families of chips that vLLM runs on by a port of its own, and what is measured of it there."""


def engine_of(framework: str, year: int = 0, family: str = "") -> str:
    """trtllm, vllm, vllm_ascend, sglang, atom or hpu; ``current`` for another program of today, ``other`` for one that
    launches kernel by kernel (by its name, or by its age). ``family``: of the chips, whose port of vLLM it may be.

    A server of before ``_FIRST_OF_TODAY`` that nobody has measured is of the generation of vLLM of its year.
    """
    low = framework.lower()
    if "gaudi" in low or "habana" in low:
        return "hpu"
    for word, engine in _ENGINE_WORDS:
        if word in low:
            return _PORTS.get(family, engine) if engine == "vllm" else engine
    server = any(word in low for word in _SERVER_WORDS)
    if not server and any(word in low for word in _EAGER_WORDS):
        return "other"
    if year >= _FIRST_OF_TODAY or (framework and not year):
        return "current"
    return "vllm" if server else "other"


def serves(framework: str) -> bool:
    """Whether a program's words are of a server, whose requests come and go, even on chips that elsewhere run static
    batches."""
    low = framework.lower()
    return any(word in low for word in ("vllm", "sglang", *_SERVER_WORDS))


_FRONT_WORDS = (("mori", "mori"), ("dynamo", "dynamo"), ("llm-d", "llm_d"), ("mooncake", "mooncake"))


def front_of(framework: str) -> str:
    """The front end that joins workers of a deployment: dynamo, mori, llm_d, mooncake; empty where none is named."""
    low = framework.lower()
    for word, front in _FRONT_WORDS:
        if word in low:
            return front
    return ""


def release_of(version: str, framework: str = "") -> str:
    """Major and minor number of an engine's version: ``1.2.0rc2`` is of release 1.2. Empty where none is given, and for
    Dynamo, whose version is not that of the engine inside."""
    found = re.match(r"(\d+\.\d+)(?:\.|rc|$)", version.strip())
    return found[1] if found and "dynamo" not in framework.lower() else ""


__all__ = ["PRECISIONS", "engine_of", "front_of", "precision_of", "release_of", "serves"]
