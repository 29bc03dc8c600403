"""How often drafts are accepted where nobody says: multi-token prediction by model, EAGLE heads otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from planner.catalog.architecture import ModelArch


@dataclass(frozen=True)
class Acceptance:
    """Probability that a draft is accepted if those before it were, and who says so."""

    value: float
    source: str


MTP: Mapping[str, Acceptance] = {
    "deepseek": Acceptance(
        0.70, "CloudMatrix384's published runs count on 70% (arXiv:2506.12708); DeepSeek-V3's report has 0.85-0.90"
        " for the first draft alone (arXiv:2412.19437)",
    ),
}  # fmt: skip
"""By family of models, of its own prediction modules."""
OTHERS = Acceptance(0.60, "assumed: a chain of drafts on mixed text; no published figure of this model is carried")


def acceptance_of(model: ModelArch, method: str) -> Acceptance:
    """What a draft of ``method`` (mtp, eagle) is accepted at on a model where the user states nothing."""
    return MTP.get(model.family, OTHERS) if method == "mtp" else OTHERS
