"""How often the model puts two configurations in the right order: what calibration files carry and estimates show.

A share says: of measured pairs of runs that the model, fitted without their source, predicted so far apart, how many
were measured in the predicted order. Half is a coin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from planner.errors import Problem

APART: tuple[float, ...] = (0.02, 0.05, 0.10, 0.20, 0.50)
"""Where classes of predicted distance begin: 0.05 is from 5% apart. The last has no end."""
QUANTITIES = ("tokens_per_s_per_chip", "tpot_ms", "ttft_ms")


@dataclass(frozen=True)
class OrderShare:
    """Pairs of runs of one model that were predicted ``apart`` .. ``until`` from each other in ``quantity``."""

    quantity: str
    same_chip: bool
    """Whether the runs are on one kind of chip, or on two."""
    apart: float
    until: float | None
    right: float
    """Share in the measured order; a group of n pairs (one source, model, precision) weighs as sqrt(n)."""
    pairs: int
    groups: int

    def to_json(self) -> dict[str, object]:
        """Plain data, as in the calibration file."""
        return {
            "quantity": self.quantity,
            "same_chip": self.same_chip,
            "apart": self.apart,
            "until": self.until,
            "right": round(self.right, 3),
            "pairs": self.pairs,
            "groups": self.groups,
        }


def read_order(value: object, path: str, file: str, problems: list[Problem]) -> tuple[OrderShare, ...]:
    """The shares under ``order`` of a calibration file; what is wrong with them goes to ``problems``."""
    found: list[OrderShare] = []
    for i, entry in enumerate(value if isinstance(value, list) else []):
        where = f"{path}[{i}]"
        try:
            share = OrderShare(
                quantity=str(entry["quantity"]),
                same_chip=bool(entry["same_chip"]),
                apart=float(entry["apart"]),
                until=None if entry["until"] is None else float(entry["until"]),
                right=float(entry["right"]),
                pairs=int(entry["pairs"]),
                groups=int(entry["groups"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            problems.append(Problem(f"is no share of pairs in order: {error}", file=file, path=where))
            continue
        if share.quantity not in QUANTITIES or not 0.0 <= share.right <= 1.0:
            problems.append(
                Problem("is no share of pairs in order", file=file, path=where, found=f"{share.quantity} {share.right}",
                        allowed=f"{', '.join(QUANTITIES)}; 0..1")
            )  # fmt: skip
            continue
        found.append(share)
    return tuple(found)


def by_distance(shares: Iterable[OrderShare]) -> Mapping[tuple[float, float | None], Mapping[str, OrderShare]]:
    """Shares by class of distance, then by column: the quantity, with " across" where chips differ."""
    table: dict[tuple[float, float | None], dict[str, OrderShare]] = {}
    for share in shares:
        column = share.quantity + ("" if share.same_chip else " across")
        table.setdefault((share.apart, share.until), {})[column] = share
    return dict(sorted(table.items(), key=lambda item: item[0][0]))
