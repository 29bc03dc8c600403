"""Communication that nothing hides, by deployment, by kind of traffic and by the tier it spans.

A kind of traffic belongs to the innermost tier that holds its groups as the performance model places them (tensor,
context, expert, data, pipeline, innermost first): a group that leaves the scale-up domain goes as fast as the network
outside lets it, so its time is that tier's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from planner.answer.plan import Deployment, Parallelism
from planner.answer.walls import CommunicationWall, Exposed
from planner.catalog import Catalog
from planner.errors import UnknownFigureError
from planner.network.designs import CORE
from planner.network.tiers import Tier
from planner.network.topology import tiers_of

HOST = "host"
"""Traffic with memory behind the host link."""
_TRAINING = ("tensor_parallel", "context_parallel", "expert_parallel", "data_parallel", "pipeline_send", "offload")
_SERVING = ("all_reduce", "all_to_all", "pipeline")
_RECOMMENDING = ("host_rows", "remote_rows", "index_exchange", "vector_exchange", "gradient_reduce")
CAUSES = frozenset((*_TRAINING, *_SERVING, *_RECOMMENDING))
"""Names of ``predicted.breakdown`` that are communication."""


def span_of(cause: str, layout: Parallelism, replica_chips: int) -> int:
    """Chips over which the groups of a kind of traffic reach; 0 for what goes to the host."""
    stage = layout.tp * layout.cp * layout.dp
    spans: Mapping[str, int] = {
        "tensor_parallel": layout.tp,
        "context_parallel": layout.tp * layout.cp,
        "expert_parallel": layout.ep,
        "data_parallel": stage,
        "pipeline_send": stage + 1,  # a peer in the next stage
        "all_reduce": layout.tp,
        "all_to_all": max(layout.tp * layout.dp, layout.ep),
        "pipeline": layout.tp * layout.dp + 1,
        "offload": 0,
        "host_rows": 0,
    }
    return spans.get(cause, replica_chips)


def tier_of(tiers: Sequence[Tier], span: int) -> str:
    """The kind of the innermost tier that holds ``span`` chips: ``scale-up``, ``host bus``, ``scale-out`` or
    ``network core`` (beyond the part of a network that has full bisection)."""
    if span == 0:
        return HOST
    at = next((t for t in tiers if span <= t.size), tiers[-1])
    words = {"scale_up": "scale-up", "scale_out": "scale-out"}
    return at.name if at.name == CORE else words.get(at.kind, at.name)


def exposed_of(d: Deployment, catalog: Catalog) -> Exposed | None:
    """What communication a deployment does not hide; None where its time is not told by cause.

    ``catalog`` holds the scenario's assumptions.
    """
    parts = d.predicted.breakdown
    whole = math.fsum(parts.values())
    if whole <= 0:
        return None
    try:
        tiers = tiers_of(catalog, catalog.system(d.system), catalog.chip(d.chip), topology=d.topology)
    except UnknownFigureError:
        return None
    replica = max(1, d.chips // max(1, d.replicas))
    by_cause = {name: seconds / whole for name, seconds in parts.items() if name in CAUSES and seconds > 0}
    by_tier: dict[str, float] = {}
    for name, share in by_cause.items():
        tier = tier_of(tiers, span_of(name, d.parallelism, replica))
        by_tier[tier] = by_tier.get(tier, 0.0) + share
    share = math.fsum(by_cause.values())
    days = d.predicted.days
    now = float(d.chips) if days is None else days
    return Exposed(
        workload=d.workload, role=d.role, site=d.site, system=d.system, chip=d.chip, chips=d.chips, share=share,
        by_tier=by_tier, by_cause=by_cause, quantity="chips" if days is None else "days", now=now,
        without=now * (1.0 - share),
    )  # fmt: skip


def communication_wall(deployments: Sequence[Deployment], catalog: Catalog) -> CommunicationWall:
    """Exposed communication of everything, weighted by chips."""
    works = tuple(w for d in deployments if (w := exposed_of(d, catalog)) is not None)
    chips = math.fsum(w.chips for w in works)
    by_tier: dict[str, float] = {}
    for w in works:
        for tier, share in w.by_tier.items():
            by_tier[tier] = by_tier.get(tier, 0.0) + share * w.chips / chips
    return CommunicationWall(share=math.fsum(by_tier.values()), by_tier=by_tier, works=works)
