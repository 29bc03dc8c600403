"""A decision in two stages, as data."""

from __future__ import annotations

from planner.outlook.result import Document, Part, Piece


class Later(Part):
    """What is bought later in some of the futures."""

    words: str
    """What is bought, or ``nothing more``."""
    least_systems: int
    most_systems: int
    """How many systems it is, by what comes."""
    share: float
    expected_cost_usd: float
    """Of all that is bought, first purchases too, in these futures."""


class KeptPromise(Part):
    """How often a promise is kept when what comes later follows what was learned."""

    workload: str
    kept: float
    kept_fresh: float
    """In futures that the decision has not seen."""


class Recourse(Document):
    """What to buy first when the rest may wait. Costs are present values, means over the futures.

    The values are differences to ``expected_cost_usd``; None where the other plan keeps the promises too seldom.
    """

    futures: int
    seed: int
    confidence: float
    first: tuple[Piece, ...]
    """What is bought in the first period, whatever comes."""
    expected_cost_usd: float
    bound_usd: float
    gap: float
    status: str
    cost_at_risk_usd: float
    """Mean cost of the worst futures, a share of 1 - confidence."""
    later: tuple[Later, ...]
    promises: tuple[KeptPromise, ...]
    fresh_futures: int
    expected_cost_fresh_usd: float
    """Of the same first purchases in futures of another seed, each answered as well as can be."""
    value_of_waiting_usd: float | None
    """What it saves over buying everything in the first period."""
    value_of_stochastic_solution_usd: float | None
    """What it saves over first purchases made for central figures, the rest following what is learned."""
    value_of_perfect_information_usd: float
    """What one could save who knew the future before buying anything."""
    notes: tuple[str, ...]


def rows_of(found: Recourse) -> list[dict[str, object]]:
    """One row for what is bought first, and one for each answer to what comes."""
    first = ", ".join(p.in_words for p in found.first) or "nothing"
    head = {"stage": "first", "bought": first, "share": 1.0, "expected_cost_usd": found.expected_cost_usd}
    return [head, *({"stage": "later", "bought": x.words, "share": x.share,
                     "expected_cost_usd": x.expected_cost_usd} for x in found.later)]  # fmt: skip
