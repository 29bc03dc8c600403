"""Programs and solutions as bytes between a parent and its solving child. Arrays and JSON only, never pickle."""

from __future__ import annotations

import dataclasses
import io
import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from planner.solve.form import FloatArray, Program
from planner.solve.status import Limits, Solution, Status

_HEAD = struct.Struct("<cQ")

JOB, STOP, OFFER = b"j", b"x", b"o"
"""To a child: a job; nothing more is wanted of it; a plan that another has found."""
STARTED, PROGRESS, LEAVING, RESULT, ERROR = b"s", b"p", b"l", b"r", b"e"
"""From a child: the job is there; something learnt; it ends after this job; the answer; what went wrong, in words."""

_PROGRAM_ARRAYS = (
    "lower",
    "upper",
    "objective",
    "integer",
    "structure",
    "row_lower",
    "row_upper",
    "rows",
    "cols",
    "vals",
)
_SOLUTION_ARRAYS = ("values", "row_dual", "reduced_cost")


def pack(head: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """JSON-ready data and named arrays as one block of bytes."""
    text = np.frombuffer(json.dumps(head).encode("utf-8"), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, head=text, **{f"array_{name}": array for name, array in arrays.items()})
    return buffer.getvalue()


def unpack(block: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """What `pack` packed."""
    with np.load(io.BytesIO(block), allow_pickle=False) as found:
        head = json.loads(found["head"].tobytes().decode("utf-8"))
        arrays = {name.removeprefix("array_"): found[name] for name in found.files if name != "head"}
    return head, arrays


def send(stream: BinaryIO, kind: bytes, block: bytes = b"") -> None:
    """One message: its kind, its length, its bytes."""
    stream.write(_HEAD.pack(kind, len(block)) + block)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """The next message as (kind, bytes); None at the end of the stream or when it breaks off."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    kind, length = _HEAD.unpack(head)
    block = stream.read(length)
    return (kind, block) if len(block) == length else None


Parts = tuple[Mapping[str, Any], Mapping[str, np.ndarray[Any, Any]]]
"""JSON-ready data and arrays by name."""


def program_parts(program: Program) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Head and arrays of a program."""
    head = {
        "columns": program.column_names,
        "row_names": program.row_names,
        "row_kind": program.row_kind,
        "offset": program.objective_offset,
    }
    return head, {name: getattr(program, name) for name in _PROGRAM_ARRAYS}


def program_from(head: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]) -> Program:
    """The program of `program_parts`."""
    return Program(
        column_names=tuple(head["columns"]),
        row_names=tuple(head["row_names"]),
        row_kind=tuple(head["row_kind"]),
        objective_offset=head["offset"],
        **{name: arrays[name] for name in _PROGRAM_ARRAYS},
    )


def solution_block(solution: Solution) -> bytes:
    """A solution as bytes."""
    head = {
        field.name: getattr(solution, field.name)
        for field in dataclasses.fields(solution)
        if field.name not in _SOLUTION_ARRAYS
    }
    arrays = {name: getattr(solution, name) for name in _SOLUTION_ARRAYS if getattr(solution, name) is not None}
    return pack(head, arrays)


def solution_from(block: bytes) -> Solution:
    """The solution of `solution_block`."""
    head, arrays = unpack(block)
    head["status"] = Status(head["status"])
    return Solution(**{**head, **arrays})


def limits_head(limits: Limits) -> dict[str, Any]:
    """Limits as JSON-ready data."""
    return dataclasses.asdict(limits)


def progress_block(
    phase: str, objective: float, bound: float, values: FloatArray | None, nodes: int | None = None
) -> bytes:
    """A heartbeat, with the plan it found if there is one."""
    head = {"phase": phase, "objective": objective, "bound": bound, "nodes": nodes}
    if values is None:
        return pack(head, {})
    return pack(head, {"values": values})
