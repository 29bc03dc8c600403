"""The seal of a plan: one digest over all that it says, so that a file changed since it was written is known.

Most figures of a plan are computed again by ``planner.verify``. Some only solving or measuring again could show: other
plans and their cost, what a limit is worth, how much was searched and how long it took, words. The seal holds these. It
is no signature: whoever changes a plan may seal it again, and the figures that are recomputed still give them away.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def seal_of(data: Mapping[str, Any]) -> str:
    """SHA-256 over a plan's plain data but its ``seal``, whatever the order of its fields."""
    plain = {name: _plain(value) for name, value in data.items() if name != "seal"}
    text = json.dumps(plain, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Numbers as fractions: a whole number is the same in a file that says 5 and in one that says 5.0."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
