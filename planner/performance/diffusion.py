"""Diffusion transformers (DiT): images and video, from steps, resolution, frames and guidance to seconds.

A request is denoised in ``steps`` forward passes, two of them a step where guidance takes one with and one without the
prompt (classifier-free guidance; guidance-distilled models take one). Of one pass over s tokens (arXiv:2212.09748 for
the architecture, 2405.07719 for sequences over chips):

    tokens      n = (frames - 1) / temporal stride + 1 latent frames of (height / (8 p)) x (width / (8 p)) patches
    linear      2 (4 d^2 + 2 d f) FLOPs a token and layer; with cross-attention 4 d^2 more for queries and outputs
    attention   4 s^2 d a layer, all tokens to all (not causal); joint models have the prompt's tokens among the s,
                the others attend to them apart: 4 n t d
    streams     norms, modulation, residuals: ``STREAMS`` passes over s x d elements a layer
    sequence    Ulysses: every chip holds s / P tokens and exchanges queries, keys, values and outputs, four times
                2 s d / P bytes a layer, for heads / P heads of all tokens
    decoder     the autoencoder's FLOPs a pixel, on one chip of the unit; the prompt's encoder once

Weights are whole on every chip of a unit. Shapes: arrays (n,) over units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.catalog.architecture import Denoiser, ModelArch
from planner.errors import InputError, Problem
from planner.performance.gemm import attention_seconds, gemm_seconds, stream_seconds
from planner.performance.laws import law_of
from planner.performance.platform import Platform
from planner.performance.serving import collectives as coll
from planner.performance.serving.job import BYTES_PER_ELEMENT
from planner.performance.serving.step import compute_rate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STREAMS = 12.0
"""Passes over the hidden state a layer: two modulated norms, gates, residuals, norms of q and k, rotary (estimate)."""
EXCHANGE_S = 20e-6
WORKSPACE_BYTES = float(4 << 30)
ACTIVATION_COPIES = 10.0
"""Hidden states of 16 bits held at once in a pass: q, k, v, the feed-forward's input and output, residuals."""
USABLE = 0.95
LOW80, HIGH80 = 0.6, 1.8
"""Multipliers on times. No published measurement of a diffusion model is carried: the planner's own judgement."""


@dataclass(frozen=True)
class DiffusionJob:
    """One request. ``frames`` 1 for an image. Raises ``InputError`` for a model that is no diffusion transformer."""

    model: ModelArch
    precision: str
    steps: int
    height: int
    width: int
    frames: int = 1
    guidance: bool = True

    def __post_init__(self) -> None:
        if self.model.denoiser is None:
            raise InputError(Problem(f"model {self.model.id} is no diffusion transformer", path="model"))

    @property
    def denoiser(self) -> Denoiser:
        """The network that is run in each step."""
        assert self.model.denoiser is not None  # noqa: S101 - checked when the job was made
        return self.model.denoiser

    @property
    def passes(self) -> int:
        """Forward passes of a step."""
        return 2 if self.guidance and not self.denoiser.guidance_distilled else 1

    @property
    def tokens(self) -> int:
        """Patches of the latent image or video."""
        d = self.denoiser
        cell = d.latent_stride * d.patch
        latent_frames = (self.frames - 1) // d.frame_stride + 1
        return latent_frames * math.ceil(self.height / cell) * math.ceil(self.width / cell)


def pass_flops(job: DiffusionJob) -> dict[str, float]:
    """FLOPs of one forward pass by cause: linear layers and attention."""
    d = job.denoiser
    n, t = float(job.tokens), float(d.text_tokens)
    s = n if d.cross_attention else n + t
    linear = 2.0 * (4.0 * d.hidden**2 + 2.0 * d.hidden * d.ffn_hidden) * s
    attention = 4.0 * s * s * d.hidden
    if d.cross_attention:
        linear += 4.0 * d.hidden**2 * (n + t)
        attention += 4.0 * n * t * d.hidden
    return {"linear": linear * d.layers, "attention": attention * d.layers}


@dataclass(frozen=True)
class DiffusionEstimate:
    """Arrays (n,): seconds of one request alone on a unit, by part; ``fits``; memory by part, bytes per chip."""

    seconds: Floats
    step_s: Floats
    breakdown: dict[str, Floats]
    memory: dict[str, Floats]
    memory_limit_bytes: Floats
    fits: NDArray[np.bool_]


def estimate_diffusion(job: DiffusionJob, platform: Platform, sequence: Ints, branches: Ints) -> DiffusionEstimate:
    """Units of ``sequence`` x ``branches`` chips: a sequence over so many, the two passes of guidance side by side.

    Raises ``UnknownFigureError`` when the chip has no published rate that the precision can run at.
    """
    d, law = job.denoiser, law_of(platform.family, platform.efficiency)
    p = sequence.astype(np.float64)
    n, t = float(job.tokens), float(d.text_tokens)
    s = n if d.cross_attention else n + t
    mine = s / p
    narrow = job.precision in {"fp8", "int8", "fp4"}
    peak = compute_rate(platform, job.precision)
    rate = peak * (law.gemm_8bit if narrow else law.gemm)
    half = compute_rate(platform, "bf16")
    size = BYTES_PER_ELEMENT[job.precision]
    h, f, bw = float(d.hidden), float(d.ffn_hidden), platform.memory_bandwidth

    def product(rows: Floats, out: float, inner: float) -> Floats:
        return gemm_seconds(rows, out, inner, rate, bw, law, size)

    linear = product(mine, 3 * h, h) + product(mine, h, h) + product(mine, f, h) + product(mine, h, f)
    flops = 4.0 * s * s * h / p
    attention = attention_seconds(flops, s, law.attention, half, law, h / d.heads)
    if d.cross_attention:
        text = np.full(len(p), t)
        linear = linear + 2.0 * product(mine, h, h) + product(text, 2 * h, h)
        attention = attention + attention_seconds(4.0 * mine * t * h, t, law.attention, half, law, h / d.heads)
    streams = stream_seconds(STREAMS * 2.0 * mine * h, STREAMS, bw, law)
    moved = np.asarray(2.0 * mine * h, np.float64)
    exchange = 4.0 * coll.all_to_all(sequence, moved, platform.tiers, start_up=EXCHANGE_S)
    turns = np.ceil(job.passes / branches) * d.layers
    per_step = {"linear": linear, "attention": attention, "streams": streams, "sequence_exchange": exchange}
    parts = {name: np.asarray(v * turns * job.steps, np.float64) for name, v in per_step.items()}
    pixels = float(job.height * job.width * job.frames)
    parts["decoder"] = np.full(len(p), pixels * d.decoder_flops_per_pixel / (half * law.gemm))
    read = 2.0 * d.text_encoder_parameters * t * job.passes
    parts["text_encoder"] = np.full(len(p), max(read / (half * law.gemm), 2.0 * d.text_encoder_parameters / bw))
    memory = {
        "weights": np.full(len(p), d.parameters * d.experts * size),
        "text_encoder": np.full(len(p), 2.0 * d.text_encoder_parameters),
        "activations": ACTIVATION_COPIES * 2.0 * mine * h + 2.0 * mine * f,
        "workspace": np.full(len(p), WORKSPACE_BYTES),
    }
    limit = np.full(len(p), platform.memory_bytes * USABLE)
    used = np.asarray(sum(memory.values()))
    legal = (d.heads % sequence == 0) & (branches <= job.passes)
    return DiffusionEstimate(
        seconds=np.asarray(sum(parts.values())),
        step_s=np.asarray(sum(per_step.values()) * turns),
        breakdown=parts,
        memory=memory,
        memory_limit_bytes=limit,
        fits=np.asarray((used <= limit) & legal),
    )
