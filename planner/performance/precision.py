"""Names of number formats, and which peak of a chip a training recipe uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from planner.errors import InputError, Problem, nearest_name

_ALIASES: Mapping[str, str] = {
    "bf16": "bf16",
    "bfloat16": "bf16",
    "fp16": "bf16",
    "float16": "bf16",
    "half": "bf16",
    "bf16_fp16": "bf16",
    "amp": "bf16",
    "fp8": "fp8",
    "fp8_cs": "fp8",
    "fp8_ds": "fp8",
    "fp8_sc": "fp8",
    "fp8_delayed": "fp8",
    "fp8_blockwise": "fp8",
    "fp8_e4m3": "fp8",
    "mxfp8": "mxfp8",
    "fp8_mx": "mxfp8",
    "fp4": "fp4",
    "nvfp4": "fp4",
    "mxfp4": "fp4",
    "int8": "int8",
    "w8a8": "int8",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a precision is trained: the peak its matrix units run at, and what stays in 16 bits.

    ``low_share``: share of the layers' matrix FLOPs in the low precision (attention cores, the output head, the
    embedding and the router always stay in 16 bits). ``element_bytes``: bytes of a quantised matrix operand.
    ``cast_passes``: bytes moved per quantised element beyond reading it once (scaling, second orientation).
    ``block_scaled``: one scale a block of elements, which kernels can compute as they write (MXFP8, NVFP4).
    """

    peak: str
    catalog_field: str
    low_share: float
    element_bytes: float
    cast_bytes: float
    block_scaled: bool = False


# NVFP4 keeps about 15% of the linear layers in BF16 (arXiv:2509.25149 keeps the first and last blocks).
RECIPES: Mapping[str, Recipe] = {
    "bf16": Recipe("bf16", "bf16_fp16_tflops_dense", 1.0, 2.0, 0.0),
    "fp8": Recipe("fp8", "fp8_tflops_dense", 1.0, 1.0, 4.0),
    "mxfp8": Recipe("fp8", "fp8_tflops_dense", 1.0, 1.0, 4.5, block_scaled=True),
    "int8": Recipe("int8", "int8_tops_dense", 1.0, 1.0, 4.0),
    "fp4": Recipe("fp4", "fp4_tflops_dense", 0.85, 0.5, 5.0, block_scaled=True),
}


def normalise_precision(name: str) -> str:
    """The planner's name of a training precision: bf16, fp8, mxfp8, int8 or fp4. Raises ``InputError``."""
    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    if key in _ALIASES:
        return _ALIASES[key]
    raise InputError(
        Problem(
            f"unknown precision {name!r}",
            nearest=nearest_name(key, list(_ALIASES)),
            allowed=", ".join(sorted(RECIPES)),
        )
    )


def peak_name(precision: str) -> str:
    """The peak of a platform that a workload's precision runs on: 16-bit formats share one, TF32 is not kept apart."""
    return {"fp16": "bf16", "tf32": "bf16"}.get(precision, precision)


def fastest_precision(wanted: Iterable[str], peak_flops: Mapping[str, float]) -> str | None:
    """Of a list of precisions the one whose peak on a chip is the highest; None where it has none of them.

    Of equal peaks the one with fewer bytes an operand, of equals the first: whoever lists formats would take any.
    """
    known = [p for p in wanted if peak_name(p) in peak_flops]
    return min(known, key=lambda p: (-peak_flops[peak_name(p)], RECIPES[peak_name(p)].element_bytes), default=None)
