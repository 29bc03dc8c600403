"""Which software carries a chip: names of the ports of Megatron-LM, vLLM and SGLang, and of the Kubernetes resource.

Ports take the options of what they port unless a note says otherwise. Names as their makers document them
(README files of MooreThreads/MT-MegatronLM and vllm-musa, Ascend/MindSpeed-LLM and vllm-ascend; device plugins).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from planner.catalog.records import Chip


@dataclass(frozen=True)
class Stack:
    """Software of a family of chips. ``notes``: by the first word of a tool's name."""

    resource: str
    gres: str = "gpu"
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def notes_for(self, tool: str) -> Iterator[str]:
        """What to know when using a tool on these chips."""
        yield from self.notes.get(tool.split(" ", maxsplit=1)[0], ())


_UNKNOWN = "No port of {tool} to {vendor} is documented here: ask the maker for its name and for options that differ."
_STACKS: Mapping[str, Stack] = {
    "nvidia": Stack("nvidia.com/gpu"),
    "amd": Stack(
        "amd.com/gpu",
        notes={"Megatron-LM": ("On AMD: the ROCm fork of Megatron-LM (ROCm/Megatron-LM) takes these options.",)},
    ),
    "mtt": Stack(
        "mthreads.com/gpu",
        notes={
            "Megatron-LM": (
                "On Moore Threads: MT-MegatronLM, a patch over Megatron-LM core_r0.9.0, with MT-TransformerEngine;",
                "options newer than 0.9 (pipeline layouts, Megatron FSDP) need a newer Megatron-LM under the patch.",
            ),
            "vLLM": ("On Moore Threads: the vllm-musa plugin; the command and its flags are vLLM's own.",),
            "SGLang": ("On Moore Threads: pass --device musa where the build offers it.",),
        },
    ),
    "huawei_ascend": Stack(
        "huawei.com/Ascend910",
        gres="npu",
        notes={
            "Megatron-LM": (
                "On Ascend: MindSpeed-LLM, a patch over Megatron-LM (mindspeed.megatron_adaptor), takes them;",
                "options of Transformer Engine (FP8) need a MindSpeed release that has them.",
            ),
            "vLLM": ("On Ascend: the vllm-ascend plugin; the command and its flags are vLLM's own.",),
            "SGLang": ("On Ascend: pass --device npu.",),
        },
    ),
    "intel_gaudi": Stack("habana.ai/gaudi", notes={"vLLM": ("On Gaudi: the vllm-gaudi plugin.",)}),
    "aws_trainium": Stack("aws.amazon.com/neuron", notes={"vLLM": ("On Trainium: the vllm-neuron plugin.",)}),
    "google_tpu": Stack("google.com/tpu", notes={"vLLM": ("On TPU: tpu-inference for vLLM.",)}),
}
RESOURCE_UNKNOWN = "vendor.example/accelerator"
"""Stands where no device plugin is known; a comment says so."""


def stack_of(chip: Chip) -> Stack:
    """The stack of a chip, by its family."""
    family = chip.text("family")
    key = family if family in _STACKS else family.split("_")[0]
    if key in _STACKS:
        return _STACKS[key]
    told = {tool: (_UNKNOWN.format(tool=tool, vendor=chip.vendor),) for tool in ("Megatron-LM", "vLLM", "SGLang")}
    return Stack(RESOURCE_UNKNOWN, notes=told)
