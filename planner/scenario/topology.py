"""Names of the designs that a scale-out network may have (``planner.network.designs`` says what each is)."""

from __future__ import annotations

from typing import Literal

Topology = Literal[
    "fat_tree", "leaf_2to1", "leaf_3to1", "pods_3to1", "pods_7to1", "rails", "dragonfly", "optical", "torus"
]
FAT_TREE: Topology = "fat_tree"
"""Full bisection: what is planned where nothing else is allowed."""
