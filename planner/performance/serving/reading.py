"""How well reading alone is known: prompts without an answer, which is what an encoder does.

No published measurement of an encoder is carried. The nearest are prompts measured alone (output of one token): of
TensorRT-LLM 0.5 and 0.9 with one prompt of 2,048 tokens on A100, H100, H200 and L40S, read 1.2 to 2.1 times as fast as
the model says, and of ANL's study with 16 prompts of 1,024 on A100 and H100, read 1.1 to 1.5 times as slowly. The
interval of an encoder's times holds both (``tests/performance/test_reading.py``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LOW80, HIGH80 = 0.45, 1.55
"""Multipliers on the time of a text, of rates their reciprocals."""


def reading_ends(low80: Floats, high80: Floats) -> tuple[Floats, Floats]:
    """The 80% interval (n,) of a text's time: at least as wide as what prompts measured alone leave over."""
    return np.minimum(low80, LOW80), np.maximum(high80, HIGH80)
