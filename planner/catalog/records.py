"""The records of the catalog: figures with their provenance, and what they describe.

A figure is never a bare number: it carries its unit, date, source, kind and range. ``None`` means *unknown*:
not published, not guessed. Code asks ``record.get(field)`` (None when unknown) or ``record.need(field)``
(raises ``UnknownFigureError``, which an option turns into a line under ``left_out``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

from planner.errors import InputError, Problem, UnknownFigureError

FigureKind = Literal["datasheet", "measured", "list_price", "estimate", "assumption"]


class AbsentFigureError(UnknownFigureError):
    """A figure is known not to exist: the part has no such thing, so there is nothing to publish."""

    def __init__(self, kind: str, record_id: str, field: str) -> None:
        self.kind, self.record_id, self.field = kind, record_id, field
        message = f"{kind} {record_id}: {field} is none, it has no native support"
        InputError.__init__(self, Problem(message, remedy="Choose another precision or another part."))


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the catalog with its provenance. ``value`` is None when unknown.

    ``absent``: known not to exist (a chip without native FP4); ``value`` is None as well.
    """

    value: float | None
    unit: str
    source: str
    kind: FigureKind
    as_of: str = ""
    low: float | None = None
    high: float | None = None
    note: str = ""
    absent: bool = False


@dataclass(frozen=True)
class Record:
    """Anything in the catalog: an id, a name, text attributes and figures by field name."""

    KIND: ClassVar[str] = "records"

    id: str
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)

    def figure(self, name: str) -> Figure | None:
        """The figure with its provenance, or None when the record does not have the field."""
        return self.figures.get(name)

    def get(self, name: str) -> float | None:
        """The central value of a figure, or None when it is unknown."""
        found = self.figures.get(name)
        return None if found is None else found.value

    def need(self, name: str) -> float:
        """The central value of a figure.

        Raises ``UnknownFigureError`` when it is unknown, its subclass ``AbsentFigureError`` when it cannot exist.
        """
        found = self.figures.get(name)
        if found is None or found.value is None:
            absent = found is not None and found.absent
            raise (AbsentFigureError if absent else UnknownFigureError)(self.KIND, self.id, name)
        return found.value

    def text(self, name: str) -> str:
        """A text attribute, empty when absent."""
        return self.attributes.get(name, "")

    def with_figures(self, figures: Mapping[str, Figure]) -> Self:
        """A copy with some figures replaced or added."""
        return replace(self, figures={**self.figures, **figures})


@dataclass(frozen=True)
class Chip(Record):
    """An accelerator variant. Air and liquid variants are separate records where their figures differ.

    Rates are dense TFLOPS per chip; bandwidths are one direction per chip.
    """

    KIND: ClassVar[str] = "chips"

    vendor: str = ""
    status: str = ""  # volume | limited | announced | roadmap | discontinued
    cooling: tuple[str, ...] = ()  # ids of cooling options the variant can live in
    available_from: str | None = None  # "2025-03": first month of delivery, None when unknown
    export_class: str = ""
    edge: bool = False  # never goes into a cluster


@dataclass(frozen=True)
class System(Record):
    """A server, rack, supernode, pod or named cluster: what is bought whole, or by slices where it has them."""

    KIND: ClassVar[str] = "systems"

    vendor: str = ""
    kind: str = ""  # server | rack | supernode | pod | cluster
    status: str = ""
    chip_ids: tuple[str, ...] = ()
    cooling: tuple[str, ...] = ()  # ids of cooling options
    available_from: str | None = None

    @property
    def unit_chips(self) -> int:
        """Chips of what is acquired at once: a slice where there are slices, else the system.

        Raises ``UnknownFigureError``.
        """
        return int(self.get("slice_chips") or self.need("chips_total"))

    @property
    def unit_share(self) -> float:
        """Share of the system's price, power and racks that one unit is."""
        return self.unit_chips / self.need("chips_total")

    @property
    def server_chips(self) -> int:
        """Chips under one host. A server is its own; of anything larger it must be known: ``UnknownFigureError``."""
        if self.kind == "server":
            return int(self.get("chips_per_server") or self.need("chips_total"))
        return int(self.need("chips_per_server"))

    @property
    def part_chips(self) -> int:
        """Chips of the smallest part of a unit that work occupies by itself, which divides the unit.

        The whole unit where nothing smaller is known or where trays do not divide it.
        """
        unit = self.unit_chips
        known = self.get("part_chips") or (None if self.kind == "server" else self.get("chips_per_server"))
        part = unit if known is None else min(int(known), unit)
        return part if unit % part == 0 else unit


@dataclass(frozen=True)
class Interconnect(Record):
    """A link, a measured collective, a switch, an optic, or a topology's bill of materials."""

    KIND: ClassVar[str] = "interconnects"

    kind: str = ""  # link | measured | switch | optics | topology | mover
    vendor: str = ""


@dataclass(frozen=True)
class Cooling(Record):
    """A way to cool: an option a site can host, plant behind it, or evidence for the figures."""

    KIND: ClassVar[str] = "cooling"

    kind: str = ""  # option | plant | evidence


@dataclass(frozen=True)
class Region(Record):
    """A place with a tariff, a grid, a build cost and a climate. Figures fall back to ``parent``."""

    KIND: ClassVar[str] = "regions"

    parent: str | None = None


@dataclass(frozen=True)
class CostItem(Record):
    """One scalar of facility_costs: its figure is called ``value``."""

    KIND: ClassVar[str] = "costs"

    category: str = ""
    region: str = ""
