"""The catalog: every record by id, with lookups that know aliases, fallbacks and assumptions."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from planner.catalog import kept
from planner.catalog.architecture import ModelArch
from planner.catalog.fields import (
    CHIPS,
    COOLING,
    COOLING_KINDS,
    COSTS,
    INTERCONNECT_KINDS,
    INTERCONNECTS,
    RECORD_KINDS,
    REGIONS,
    SYSTEM_KINDS,
    SYSTEMS,
    FieldSpec,
    cooling_ids,
    specs,
)
from planner.catalog.load import (
    MOST_PROBLEMS,
    NONE,
    UNKNOWN,
    Entry,
    Tables,
    bounds_text,
    catalog_folder,
    check_extra_folder,
    figure_fault,
    read_folder,
    text_fault,
)
from planner.catalog.records import Chip, Cooling, CostItem, Figure, Interconnect, Record, Region, System
from planner.errors import InputError, Problem, at_most, nearest_name, unknown_name
from planner.plugins import catalog_folders

if TYPE_CHECKING:
    import pandas as pd

USABLE_MEMORY = 0.99
"""Share of a chip's labelled memory that a program can allocate (an 80 GB H100 shows 79.2 to 79.6 GiB)."""

_MOST_ASSUMED = 16
_STATUS_ORDER = {"volume": 0, "limited": 1, "announced": 2, "roadmap": 3, "discontinued": 4}
_KIND_ORDER = {kind: rank for rank, kind in enumerate(SYSTEM_KINDS)}
_KIND_WORDS = {SYSTEMS: SYSTEM_KINDS, INTERCONNECTS: INTERCONNECT_KINDS, COOLING: COOLING_KINDS}
_MOST_PARENTS = 16
"""Regions above a region: place, province, country, continent, world, and room."""
_MUST_HAVE = {CHIPS: ("name", "vendor"), SYSTEMS: ("name", "kind", "chips_total")}

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, repr=False)
class Catalog:
    """All facts, immutable. Mappings are by id; ``regions`` have the figures of their parents filled in.

    ``digest`` is the sha256 of what was read and of the assumptions made since.
    """

    chips: Mapping[str, Chip]
    systems: Mapping[str, System]
    interconnects: Mapping[str, Interconnect]
    cooling: Mapping[str, Cooling]
    regions: Mapping[str, Region]
    costs: Mapping[str, CostItem]
    digest: str
    own_regions: Mapping[str, Region] = field(repr=False, default_factory=dict)
    model_folders: tuple[Path, ...] = field(repr=False, default=())
    measured: Any = field(repr=False, compare=False, default=None)
    """Runs of a user's own that predictions know (``validation.own.OwnMeasured``); the catalog itself reads nothing of
    them."""

    @cached_property
    def models(self) -> Mapping[str, ModelArch]:
        """Models by id, read on first use. Raises ``InputError`` when a model file is wrong."""
        from planner.catalog.models import load_models

        found: dict[str, ModelArch] = {}
        for folder in self.model_folders:
            found.update(load_models(folder))
        return found

    def chip(self, name: str) -> Chip:
        """The chip of this id, alias or name; raises ``InputError`` with the nearest name."""
        return self._find(CHIPS, "chip", name, self.chips)

    def system(self, name: str) -> System:
        """The system of this id, alias or name; raises ``InputError`` with the nearest name."""
        return self._find(SYSTEMS, "system", name, self.systems)

    def interconnect(self, name: str) -> Interconnect:
        """The interconnect of this id or name; raises ``InputError`` with the nearest name."""
        return self._find(INTERCONNECTS, "interconnect", name, self.interconnects)

    def region(self, name: str) -> Region:
        """The region of this id or name, with what its parents know; raises ``InputError`` with the nearest name."""
        return self._find(REGIONS, "region", name, self.regions)

    def cooling_option(self, name: str) -> Cooling:
        """The cooling option of this id; plant and evidence are not options. Raises ``InputError``."""
        options = {key: value for key, value in self.cooling.items() if value.kind == "option"}
        return self._find(COOLING, "cooling option", name, options)

    def cost(self, name: str) -> float:
        """The scalar of a cost item, in the item's own unit; raises ``InputError`` or ``UnknownFigureError``."""
        return self.cost_item(name).need("value")

    def cost_item(self, name: str) -> CostItem:
        """The cost item of this id, with range, unit and source; raises ``InputError`` with the nearest name."""
        return self._find(COSTS, "cost item", name, self.costs)

    def model(self, name: str) -> ModelArch:
        """The model of this id, alias or name, also with an organisation before it or a suffix such as -Instruct or
        -FP8 after it; raises ``InputError`` with the nearest name."""
        from planner.catalog.models import find_model

        if name not in self._model_found:
            self._model_found[name] = find_model(self.models, name).id
        return self.models[self._model_found[name]]

    def systems_of(self, chip_id: str) -> tuple[System, ...]:
        """Systems sold with a chip: in volume before announced, priced before unpriced, a server before a pod."""
        chip = self.chip(chip_id)
        sold = [system for system in self.systems.values() if chip.id in system.chip_ids]
        named = chip.text("default_system")
        return tuple(
            sorted(
                sold,
                key=lambda s: (
                    s.id != named,
                    s.text("role") in {"accounting", "instance"},
                    _STATUS_ORDER.get(s.status, 9),
                    s.get("price_usd") is None,
                    _KIND_ORDER.get(s.kind, 9),
                ),
            )
        )

    def default_system(self, chip_id: str) -> System:
        """The system a chip is taken in when none is named; raises ``InputError`` when it is sold in none."""
        found = self.systems_of(chip_id)
        if not found:
            remedy = "Name a system, or add one to a catalog folder."
            raise InputError(Problem(f"no system is sold with chip {chip_id!r}", remedy=remedy))
        return found[0]

    def records(self, kind: str) -> Mapping[str, Record]:
        """The records of one kind (``chips``, ``systems``, ...) by id."""
        return cast("Mapping[str, Record]", getattr(self, kind))

    def with_assumptions(
        self, assumptions: Mapping[str, Mapping[str, Mapping[str, Any]]], *, path: str = "assume"
    ) -> Catalog:
        """A catalog with some figures replaced: ``{"chips": {"mtt_s5000_liquid": {"tdp_w": 700}}}``.

        The figures have kind ``assumption`` and the unit of their field; text attributes may be replaced as well.
        Raises ``InputError`` with every unknown kind, id and field, and every value that is out of bounds, each with
        its path (``assume.chips.mtt_s5000``) and the nearest name.
        """
        stated = json.dumps(assumptions, sort_keys=True, default=str)
        kept_here = self._assumed
        if stated in kept_here:
            return kept_here[stated]
        problems: list[Problem] = []
        changed: dict[str, dict[str, Record]] = {kind: {} for kind in RECORD_KINDS}
        for kind, records in assumptions.items():
            if kind not in RECORD_KINDS:
                near = nearest_name(kind, RECORD_KINDS)
                allowed = ", ".join(RECORD_KINDS)
                problems.append(Problem("unknown kind of record", path=f"{path}.{kind}", allowed=allowed, nearest=near))
                continue
            if not isinstance(records, Mapping):
                message = "must be ids, each with fields and values"
                problems.append(Problem(message, path=f"{path}.{kind}", found=repr(records)[:80]))
                continue
            own = self.own_regions if kind == REGIONS else self.records(kind)
            for name, values in records.items():
                where = f"{path}.{kind}.{name}"
                key = self._key(kind, name)
                if key is None:
                    problems.extend(unknown_name(kind, name, list(own), path=where).problems)
                    continue
                if not isinstance(values, Mapping):
                    problems.append(Problem("must be fields and values", path=where, found=repr(values)))
                    continue
                record = changed[kind].get(key, own[key])
                changed[kind][key] = _assume(kind, record, values, where, problems)
        if problems:
            raise InputError(problems)
        digest = hashlib.sha256(f"{self.digest}\0{stated}".encode()).hexdigest() if assumptions else self.digest
        merged = {kind: {**self.records(kind), **changed[kind]} for kind in RECORD_KINDS}
        own_regions = cast("dict[str, Region]", {**self.own_regions, **changed[REGIONS]})
        merged[REGIONS] = dict(_with_parents(own_regions, problems))
        _check_references(merged, lambda kind, key, _field: Problem("", path=f"{path}.{kind}.{key}"), problems)
        if problems:
            raise InputError(problems)
        result = replace(_catalog(merged, digest, own_regions, self.model_folders), measured=self.measured)
        if "models" in self.__dict__:
            result.__dict__["models"] = self.__dict__["models"]
        if _only_money(assumptions):
            result.__dict__["layouts_of"] = self.layouts_of
        if len(kept_here) >= _MOST_ASSUMED:
            del kept_here[next(iter(kept_here))]
        kept_here[stated] = result
        return result

    def knowing(self, measured: object, digest: str) -> Catalog:
        """The same catalog, whose predictions know some runs; ``digest`` is theirs."""
        both = hashlib.sha256(f"{self.digest}\0measured {digest}".encode()).hexdigest()
        return replace(self, measured=measured, digest=both)

    @cached_property
    def layouts_of(self) -> Catalog:
        """A catalog with the same figures but for prices: what is fast enough and fits in memory is the same in both.

        Searches are kept under it, so that cases that differ in assumed prices share them.
        """
        return self

    @cached_property
    def _assumed(self) -> dict[str, Catalog]:
        """Catalogs with assumptions that were made of this one: the same assumptions give the same object."""
        return {}

    @cached_property
    def platforms(self) -> dict[tuple[str, str, str, str], Any]:
        """What was compiled of this catalog's figures (``planner.performance.compile``), which never change: a plan
        asks for each platform a hundred times."""
        return {}

    def frame(self, kind: str, *, sources: bool = True) -> pd.DataFrame:
        """The records of a kind (``chips``, ``systems``, ..., ``models``) as a pandas frame indexed by id.

        One column a figure, unknown ones missing, its unit in ``attrs["units"]``; with ``sources`` its source beside
        it as ``tdp_w.source``. Raises ``InputError`` for an unknown kind.
        """
        from planner.catalog.rows import frame

        return frame(self, kind, sources=sources)

    def __repr__(self) -> str:
        return f"<Catalog {self.counts_text()}, digest {self.digest[:12]}>"

    def counts_text(self) -> str:
        """How many records of each kind, in words; models are not read for it."""
        return ", ".join(f"{len(self.records(kind))} {kind}" for kind in RECORD_KINDS)

    def _repr_html_(self) -> str:
        """What notebooks show: how much there is."""
        rows = "".join(f"<tr><td>{kind}</td><td>{len(self.records(kind))}</td></tr>" for kind in RECORD_KINDS)
        return f"<table><caption>Catalog {self.digest[:12]}</caption>{rows}</table>"

    def _find(self, kind: str, word: str, name: str, records: Mapping[str, R]) -> R:
        key = self._key(kind, name)
        if key is None or key not in records:
            error = unknown_name(word, name, list(records))
            problem, known = error.problems[0], {k: i for k, i in self._names[kind].items() if i in records}
            near = known.get(nearest_name(_plain(_bare(kind, name)), list(known)), "")
            raise InputError(replace(problem, nearest=problem.nearest or near))
        return records[key]

    def id_of(self, kind: str, name: str) -> str | None:
        """Id of the record of a kind (``systems``, ``chips``, ...) with this id, alias or name; None where none is."""
        return self._key(kind, name)

    def _key(self, kind: str, name: str) -> str | None:
        if name in self.records(kind):
            return name
        names = self._names[kind]
        return names.get(_plain(str(name))) or names.get(_plain(_bare(kind, str(name))))

    @cached_property
    def _names(self) -> dict[str, dict[str, str]]:
        return {kind: _name_index(self.records(kind).values()) for kind in RECORD_KINDS}

    @cached_property
    def _model_found(self) -> dict[str, str]:
        return {}


def load_catalog(extra: Path | str | None = None) -> Catalog:
    """The catalog that comes with the planner, with installed ones and a user's folder merged over it by id and field.

    ``extra``: a folder laid out like the planner's own or flat (``chips.csv``, ``systems.csv``, ...). Raises
    ``InputError`` listing every problem of every file with its line. The same files give the same object again, and
    are read from what the last process kept of them (``planner.catalog.kept``).
    """
    base = catalog_folder()
    if extra is not None:
        check_extra_folder(Path(extra))
    folders = [base, *catalog_folders(), *(() if extra is None else (Path(extra),))]
    digest = kept.digest_of(folders)
    known = kept.kept(digest)
    if known is not None:
        return known
    stored = kept.read_parts(digest)
    found = None if stored is None else _rebuilt(*stored, folders)
    if found is None:
        found = _read(folders)
        parts = {kind: {k: (r.attributes, r.figures) for k, r in _own(found, kind).items()} for kind in RECORD_KINDS}
        kept.write_parts(digest, parts, found.digest)
    return kept.keep(digest, found)


def _own(catalog: Catalog, kind: str) -> Mapping[str, Record]:
    return catalog.own_regions if kind == REGIONS else catalog.records(kind)


def _rebuilt(parts: kept.Parts, digest: str, folders: Sequence[Path]) -> Catalog | None:
    """A catalog from records that were checked when they were kept; None where kinds are missing."""
    if set(parts) != set(RECORD_KINDS):
        return None
    records = {kind: {key: _make(kind, key, *both) for key, both in parts[kind].items()} for kind in RECORD_KINDS}
    own_regions = cast("dict[str, Region]", records[REGIONS])
    models = tuple(folder / "models" for folder in folders if (folder / "models").is_dir())
    return _catalog({**records, REGIONS: dict(_with_parents(own_regions, []))}, digest, own_regions, models)


def _read(folders: Sequence[Path]) -> Catalog:
    base, *over = folders
    tables = Tables()
    read_folder(base, tables, root=base.parent)
    for folder in over:
        _merge(tables, folder)
    tables.raise_problems()
    return _build(tables)


def _merge(tables: Tables, folder: Path) -> None:
    """Lay the rows of a user's folder over ``tables``; a new id must bring at least a name."""
    over = Tables(hasher=tables.hasher)
    read_folder(folder, over)
    for kind, records in over.entries.items():
        for key, entries in records.items():
            below = tables.entries[kind].get(key)
            if below is None:
                if "name" not in entries and len(over.problems) > MOST_PROBLEMS:
                    continue
                if "name" not in entries:
                    first = next(iter(entries.values()))
                    over.problems.append(
                        Problem(
                            f"unknown id {key!r} of {kind}",
                            file=first.file,
                            line=first.line,
                            nearest=nearest_name(key, list(tables.entries[kind])),
                            remedy="To add a record of your own, give it a row with the field 'name'.",
                        )
                    )
                    continue
                below = tables.entries[kind].setdefault(key, {})
            if "mem_gb" in entries and "usable_mem_gib" not in entries:
                below.pop("usable_mem_gib", None)
            below.update(entries)
    tables.model_folders.extend(over.model_folders)
    tables.problems.extend(over.problems)


def _build(tables: Tables) -> Catalog:
    problems: list[Problem] = []

    def place(kind: str, key: str, name: str) -> Problem:
        entries = tables.entries[kind][key]
        entry = entries.get(name) or next(iter(entries.values()))
        return Problem("", file=entry.file, line=entry.line, path=f"{key}.{name}")

    merged: dict[str, dict[str, Record]] = {}
    for kind in RECORD_KINDS:
        merged[kind] = {}
        for key, entries in tables.entries[kind].items():
            for name in _MUST_HAVE.get(kind, ("name",)):
                if name not in entries:
                    message = f"{key}: a record of {kind} needs a row with the field {name!r}"
                    problems.append(replace(place(kind, key, name), message=message))
            merged[kind][key] = _record(kind, key, entries)
        for alias, *claimants in _alias_conflicts(merged[kind].values()):
            # blame the user's file, whose path is absolute, not the planner's
            blamed = max(claimants, key=lambda key: Path(place(kind, key, "aliases").file).is_absolute())
            message = f"alias {alias!r} would mean both {claimants[0]} and {claimants[1]}"
            problems.append(replace(place(kind, blamed, "aliases"), message=message, remedy="Choose another alias."))
    _check_references(merged, place, problems)
    own_regions = cast("dict[str, Region]", merged[REGIONS])
    merged[REGIONS] = dict(_with_parents(own_regions, problems))
    if problems:
        raise InputError(at_most(problems, MOST_PROBLEMS))
    return _catalog(merged, tables.hasher.hexdigest(), own_regions, tuple(tables.model_folders))


def _catalog(
    records: Mapping[str, Mapping[str, Record]],
    digest: str,
    own_regions: Mapping[str, Region],
    folders: tuple[Path, ...],
) -> Catalog:
    return Catalog(
        chips=cast("Mapping[str, Chip]", records[CHIPS]),
        systems=cast("Mapping[str, System]", records[SYSTEMS]),
        interconnects=cast("Mapping[str, Interconnect]", records[INTERCONNECTS]),
        cooling=cast("Mapping[str, Cooling]", records[COOLING]),
        regions=cast("Mapping[str, Region]", records[REGIONS]),
        costs=cast("Mapping[str, CostItem]", records[COSTS]),
        digest=digest,
        own_regions=own_regions,
        model_folders=folders,
    )


def _record(kind: str, key: str, entries: Mapping[str, Entry]) -> Record:
    attributes = {name: entry.text for name, entry in entries.items() if entry.figure is None}
    figures = {name: entry.figure for name, entry in entries.items() if entry.figure is not None}
    return _make(kind, key, attributes, figures)


def _make(kind: str, key: str, attributes: Mapping[str, str], figures: Mapping[str, Figure]) -> Record:
    text = attributes.get
    name = text("name", key)
    vendor, status, what = text("vendor", ""), text("status", ""), text("kind", "")
    cooling, available = cooling_ids(text("cooling", "")), text("available_from")
    if kind == CHIPS:
        edge = text("edge", "") == "true"
        figures = _with_usable_memory(figures)
        return Chip(key, name, attributes, figures, vendor, status, cooling, available, text("export_class", ""), edge)
    if kind == SYSTEMS:
        return System(
            key, name, attributes, figures, vendor, what, status, _words(attributes, "chip_ids"), cooling, available
        )
    if kind == INTERCONNECTS:
        return Interconnect(key, name, attributes, figures, what, vendor)
    if kind == COOLING:
        return Cooling(key, name, attributes, figures, what)
    if kind == REGIONS:
        return Region(key, name, attributes, figures, text("parent"))
    return CostItem(key, name, attributes, figures, text("category", ""), text("region", ""))


def _with_usable_memory(figures: Mapping[str, Figure]) -> Mapping[str, Figure]:
    labelled = figures.get("mem_gb")
    if labelled is None or labelled.value is None or "usable_mem_gib" in figures:
        return figures
    note = f"{USABLE_MEMORY:g} x mem_gb"
    usable = replace(
        labelled, value=USABLE_MEMORY * labelled.value, unit="gib", low=None, high=None, kind="assumption", note=note
    )
    return {**figures, "usable_mem_gib": usable}


def _assume(kind: str, record: Record, values: Mapping[str, Any], where: str, problems: list[Problem]) -> Record:
    known = specs(kind)
    attributes, figures = dict(record.attributes), dict(record.figures)
    for name, value in values.items():
        spec = known.get(name)
        if spec is None:
            near = nearest_name(str(name), list(known))
            problems.append(Problem(f"unknown field of {kind}", path=f"{where}.{name}", nearest=near))
            continue
        before = record.figures.get(spec.field)
        unit = before.unit if before else ""
        fault = _assumption_fault(spec, value, unit)
        if fault:
            found = repr(value)[:80]
            allowed = "" if spec.is_text else bounds_text(spec, unit)
            problems.append(Problem(fault, path=f"{where}.{name}", found=found, allowed=allowed))
        elif spec.is_text:
            attributes[spec.field] = str(value)
        else:
            figures[spec.field] = _assumed_figure(spec, value, before)
            if spec.field == "mem_gb" and "usable_mem_gib" not in values:
                figures.pop("usable_mem_gib", None)
    return _make(kind, record.id, attributes, figures)


def _only_money(assumptions: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> bool:
    """Whether every assumed figure is a price or a rent; cost items are not, failure rates are among them."""
    return all(
        kind != COSTS and "usd" in str(name)
        for kind, records in assumptions.items()
        for values in records.values()
        for name in values
    )


def _assumption_fault(spec: FieldSpec, value: object, unit: str) -> str:
    if spec.is_text:
        return text_fault(spec, value) if isinstance(value, str) else "must be a text"
    if value is None or (isinstance(value, str) and value in {UNKNOWN, NONE}):
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "must be a finite number"
    return figure_fault(spec, value, unit)


def _assumed_figure(spec: FieldSpec, value: float | str | None, before: Figure | None) -> Figure:
    number = None if value is None or isinstance(value, str) else float(value)
    unit = spec.unit or (before.unit if before else "")
    note = ""
    if before is not None:
        note = f"replaces {'unknown' if before.value is None else format(before.value, 'g')} ({before.kind})"
    return Figure(number, unit, "assumption of the scenario", "assumption", note=note, absent=value == NONE)


def _with_parents(own: Mapping[str, Region], problems: list[Problem]) -> Iterator[tuple[str, Region]]:
    """Regions with the figures of their parents where they have none; the note says whose figure it is."""
    for key, region in own.items():
        figures = dict(region.figures)
        chain, parent = [key], region.parent
        while parent is not None and parent in own and len(problems) <= MOST_PROBLEMS:
            if parent in chain:
                problems.append(Problem(f"region {key!r} is among its own parents", path=" -> ".join([*chain, parent])))
                break
            if len(chain) > _MOST_PARENTS:
                problems.append(Problem(f"region {key!r} has more than {_MOST_PARENTS} parents", path=key))
                break
            chain.append(parent)
            for name, figure in own[parent].figures.items():
                mine = figures.get(name)
                if (mine is None or mine.value is None) and figure.value is not None:
                    note = f"figure of region {parent}" + (f": {figure.note}" if figure.note else "")
                    figures[name] = replace(figure, note=note)
            parent = own[parent].parent
        yield key, replace(region, figures=figures)


def _check_references(
    records: Mapping[str, Mapping[str, Record]], place: Callable[[str, str, str], Problem], problems: list[Problem]
) -> None:
    options = {
        key for key, record in records[COOLING].items() if isinstance(record, Cooling) and record.kind == "option"
    }
    targets = {
        "chip_ids": ("chip", records[CHIPS].keys()),
        "cooling": ("cooling option", options),
        "parent": ("region", records[REGIONS].keys()),
        "default_system": ("system", records[SYSTEMS].keys()),
    }
    for kind, found in records.items():
        words = _KIND_WORDS.get(kind)
        for key, record in found.items():
            if len(problems) > MOST_PROBLEMS:  # nearest names take their time
                return
            for name, (what, allowed) in targets.items():
                names = record.attributes.get(name)
                if names is None:
                    continue
                wanted = cooling_ids(names) if name == "cooling" else _words(record.attributes, name)
                for one in wanted:
                    if one not in allowed:
                        near = nearest_name(one, sorted(allowed))
                        problems.append(
                            replace(place(kind, key, name), message=f"unknown {what} {one!r}", nearest=near)
                        )
            if words and record.attributes.get("kind", words[0]) not in words:
                what, shown = record.attributes["kind"], ", ".join(words)
                near = nearest_name(what, words)
                message = f"unknown kind {what!r} of {kind}"
                problems.append(replace(place(kind, key, "kind"), message=message, allowed=shown, nearest=near))


def _words(attributes: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in attributes.get(name, "").split(";") if word.strip())


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


_BESIDE = frozenset(
    {
        "nvidia", "amd", "intel", "google", "huawei", "aws", "amazon", "moore", "threads", "mthreads", "instinct",
        "habana", "cloud", "tensor", "core", "gpu", "accelerator", "hbm2", "hbm2e", "hbm3", "hbm3e", "oam",
    }
)  # fmt: skip
"""Words around a part's name that do not tell it from another: makers, memory types."""
_AROUND_CHIPS = _BESIDE | {"nvl72", "nvl8"}
"""Of a chip's name also the rack it stands in."""


def _bare(kind: str, name: str) -> str:
    """A part's name without such words, with ``SXM4`` as ``SXM``."""
    beside = _AROUND_CHIPS if kind == CHIPS else _BESIDE
    words = [w for w in re.split(r"[^A-Za-z0-9.]+", name) if w.casefold() not in beside]
    return " ".join(re.sub(r"(?i)^sxm\d$", "sxm", w) for w in words)


def _name_index(records: Iterable[Record]) -> dict[str, str]:
    """Id by plain name (letters and digits in lower case): ids first, then aliases, then names."""
    known = list(records)
    index = {_plain(record.id): record.id for record in known}
    for record in known:
        for alias in _words(record.attributes, "aliases"):
            index.setdefault(_plain(alias), record.id)
    for record in known:
        index.setdefault(_plain(record.name), record.id)
    return index


def _alias_conflicts(records: Iterable[Record]) -> Iterator[tuple[str, str, str]]:
    """Aliases that two records claim, or that are the id of another: the alias and both ids."""
    known = list(records)
    index = {_plain(record.id): record.id for record in known}
    for record in known:
        for alias in _words(record.attributes, "aliases"):
            owner = index.setdefault(_plain(alias), record.id)
            if owner != record.id:
                yield alias, owner, record.id
