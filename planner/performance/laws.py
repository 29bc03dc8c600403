"""What a family of chips makes of its peak: kernel efficiencies as named, bounded parameters.

A law is shape, not level: asymptotes, sizes at which they are reached, start-up times. The level is one factor per
family and framework profile, fitted by ``calibration`` and carried in ``Platform.efficiency``. Every field may be
overridden there by name. Sources of the shapes: large-GEMM ceilings are the catalog's measured medians where it has
them, otherwise the family's share of peak below; fused attention 0.43-0.65 of peak over causal FLOPs (A100 0.47
forward, 0.43 backward at 4K; B200 0.29 at 4K and 0.59 at 32K; FlashAttention-2 arXiv:2307.08691, -3 arXiv:2407.08608);
weight gradients with FP32 accumulation 3-5 points lower; memory-bound kernels 0.67-0.91 of the memory bandwidth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class KernelLaw:
    """Kernel efficiencies of a chip family.

    ``gemm``: share of the 16-bit peak that large matrix products sustain in training; ``gemm_8bit``, ``gemm_4bit``
    the same of those peaks; ``wgrad``: of that, what weight gradients reach; ``grouped``: of that, what grouped
    (expert) products reach with many tokens. ``wave_outputs``: outputs computed by all cores at once (cores x tile),
    for the last, partly filled wave. ``attention``: share of the 16-bit peak over causal FLOPs of long sequences,
    forward; ``attention_backward`` likewise; ``attention_half``: keys at which half of it is reached; ``softmax``:
    share of it that exponentials take at heads of 128, twice that at 64.
    ``memory``: share of memory bandwidth of element-wise kernels; ``launch_s``: seconds no kernel beats.
    ``scan``: share of the 16-bit peak of a state-space scan over its FLOPs. ``speed``: calibrated level of all kernels.
    """

    gemm: float = 0.65
    gemm_8bit: float = 0.55
    gemm_4bit: float = 0.42
    wgrad: float = 0.96
    grouped: float = 0.92
    wave_outputs: float = 4.0e6
    wave_share: float = 0.40
    bytes_share: float = 0.20
    attention: float = 0.55
    attention_backward: float = 0.47
    attention_half: float = 900.0
    softmax: float = 0.0
    memory: float = 0.80
    permute: float = 0.35
    launch_s: float = 4.0e-6
    scan: float = 0.05
    speed: float = 1.0


FAMILY_LAWS: Mapping[str, KernelLaw] = {
    "nvidia_volta": KernelLaw(
        gemm=0.72,
        wave_outputs=80 * 128 * 128,
        attention=0.30,
        attention_backward=0.25,
        memory=0.80,
        launch_s=6e-6,
        wave_share=0.22,
    ),
    "nvidia_ampere": KernelLaw(
        gemm=0.80,
        wave_outputs=108 * 256 * 128,
        attention=0.72,
        attention_backward=0.52,
        memory=0.92,
        launch_s=5e-6,
        wave_share=0.22,
    ),
    "nvidia_hopper": KernelLaw(
        gemm=0.73,
        gemm_8bit=0.60,
        wave_outputs=132 * 256 * 128,
        attention=0.62,
        attention_backward=0.32,
        memory=0.6,
        attention_half=700.0,
        softmax=0.3,
        permute=0.27,
        wave_share=0.45,
    ),
    "nvidia_blackwell": KernelLaw(
        gemm=0.70,
        gemm_8bit=0.56,
        gemm_4bit=0.52,
        wave_outputs=148 * 256 * 128,
        attention=0.78,
        attention_backward=0.64,
        attention_half=800.0,
        softmax=0.6,
        memory=0.5,
        grouped=1.0,
        permute=0.5,
        wave_share=0.5,
    ),
    "amd_cdna3": KernelLaw(
        gemm=0.50, gemm_8bit=0.42, wave_outputs=304 * 256 * 128, attention=0.32, attention_backward=0.26, memory=0.70
    ),
    "google_tpu": KernelLaw(
        gemm=0.80,
        gemm_8bit=0.65,
        wave_outputs=4 * 512 * 512,
        attention=0.33,
        attention_backward=0.25,
        memory=0.65,
        attention_half=1200.0,
        permute=0.45,
    ),
    "aws_trainium": KernelLaw(gemm=0.62, attention=0.35, attention_backward=0.30, memory=0.70, launch_s=8e-6),
    "huawei_ascend": KernelLaw(
        gemm=0.68,
        wave_outputs=24 * 256 * 256,
        attention=0.55,
        attention_backward=0.5,
        memory=0.42,
        launch_s=8e-6,
        attention_half=1200.0,
        grouped=0.65,
        permute=0.2,
    ),
    "intel_gaudi": KernelLaw(gemm=0.70, gemm_8bit=0.55, attention=0.40, attention_backward=0.34, launch_s=8e-6),
    "mtt": KernelLaw(gemm=0.65, gemm_8bit=0.55, attention=0.45, attention_backward=0.38),
}

_FAMILY_BY_CHIP_PREFIX: tuple[tuple[str, str], ...] = (
    ("v100", "nvidia_volta"),
    ("a100", "nvidia_ampere"),
    ("a800", "nvidia_ampere"),
    ("l40", "nvidia_ada"),
    ("h100", "nvidia_hopper"),
    ("h800", "nvidia_hopper"),
    ("h200", "nvidia_hopper"),
    ("h20", "nvidia_hopper"),
    ("gh200", "nvidia_hopper"),
    ("b200", "nvidia_blackwell"),
    ("b300", "nvidia_blackwell"),
    ("gb200", "nvidia_blackwell"),
    ("gb300", "nvidia_blackwell"),
    ("rtx_pro", "nvidia_blackwell"),
    ("vr200", "nvidia_rubin"),
    ("rubin", "nvidia_rubin"),
    ("mi2", "amd_cdna2"),
    ("mi30", "amd_cdna3"),
    ("mi32", "amd_cdna3"),
    ("mi3", "amd_cdna4"),
    ("mi", "amd_cdna4"),
    ("tpu", "google_tpu"),
    ("trainium", "aws_trainium"),
    ("inferentia", "aws_trainium"),
    ("ascend", "huawei_ascend"),
    ("atlas", "huawei_ascend"),
    ("gaudi", "intel_gaudi"),
    ("mtt", "mtt"),
    ("br", "biren"),
    ("kunlun", "other_cn"),
    ("metax", "other_cn"),
    ("ppu", "other_cn"),
    ("hygon", "other_cn"),
    ("mlu", "other_cn"),
    ("enflame", "other_cn"),
    ("bi_v", "other_cn"),
)

# A family without a law of its own takes this one's; nobody has measured it, so its interval is the widest.
_KIN: Mapping[str, str] = {
    "nvidia_rubin": "nvidia_blackwell",
    "nvidia_ada": "nvidia_ampere",
    "amd_cdna2": "amd_cdna3",
    "amd_cdna4": "amd_cdna3",
}


def family_of(chip_id: str, declared: str = "") -> str:
    """The family a chip belongs to: what the catalog declares, otherwise by the prefix of its id, otherwise the id."""
    if declared:
        return declared
    low = chip_id.lower()
    for prefix, family in _FAMILY_BY_CHIP_PREFIX:
        if low.startswith(prefix):
            return family
    return low


def law_of(family: str, efficiency: Mapping[str, float]) -> KernelLaw:
    """The law of a family with the parameters in ``efficiency`` put over it; names it does not have are ignored."""
    base = FAMILY_LAWS.get(family) or FAMILY_LAWS.get(_KIN.get(family, ""), KernelLaw())
    known = {f.name for f in fields(KernelLaw)}
    return replace(base, **{name: value for name, value in efficiency.items() if name in known})
