"""Everything that can go wrong, as data.

    PlannerError                 carries an exit code and a list of problems
    ├── InputError               2   a file, a field or an argument is wrong; lists every problem found
    │   └── UnknownFigureError   2   an option needs a catalog figure that nobody has published
    ├── SolveError               70  a solver failed, or the model is unbounded
    └── VerificationError        70  a plan did not survive ``verify``; it is never shown as a plan

Exit codes: 0 plan, 2 input, 3 infeasible (with diagnosis), 4 limit reached with a plan,
5 limit reached without, 70 internal, 130 interrupted.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

EXIT_OK = 0
EXIT_INPUT = 2
EXIT_INFEASIBLE = 3
EXIT_LIMIT_WITH_PLAN = 4
EXIT_LIMIT_WITHOUT_PLAN = 5
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what, where, what was found, what is allowed, the nearest valid name, one remedy."""

    message: str
    file: str = ""
    line: int | None = None
    path: str = ""
    found: str = ""
    allowed: str = ""
    nearest: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        where = self.file
        if self.line is not None:
            where = f"{where}:{self.line}" if where else f"line {self.line}"
        head = ": ".join(part for part in (where, self.path) if part)
        text = f"{head}: {self.message}" if head else self.message
        if self.found:
            text += f" (found {self.found})"
        if self.nearest:
            text += f"; did you mean {self.nearest!r}?"
        if self.allowed:
            text += f"{'' if text.endswith('?') else '.'} Allowed: {self.allowed}."
        if self.remedy:
            text += f" {self.remedy}" if text.endswith((".", "?")) else f". {self.remedy}"
        return text


def at_most(problems: Sequence[Problem], most: int) -> list[Problem]:
    """The first ``most`` problems, and a word on how many are left unsaid: a file wrong throughout has one cause."""
    more = len(problems) - most
    return list(problems) if more <= 0 else [*problems[:most], Problem(f"and {more} more problems")]


class PlannerError(Exception):
    """Base of all errors the planner raises on purpose."""

    exit_code: ClassVar[int] = EXIT_INTERNAL

    def __init__(self, problems: str | Problem | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            problems = [Problem(problems)]
        elif isinstance(problems, Problem):
            problems = [problems]
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class InputError(PlannerError):
    """Input that cannot be used; every problem of the file at once."""

    exit_code = EXIT_INPUT


NOT_PUBLISHED = "is not published"
"""What is said of a figure that the catalog does not know, in every reason that comes of it."""


class UnknownFigureError(InputError):
    """A figure is ``unknown`` in the catalog and no assumption supplies it."""

    def __init__(self, kind: str, record_id: str, field: str) -> None:
        self.kind, self.record_id, self.field = kind, record_id, field
        super().__init__(
            Problem(
                f"{kind} {record_id}: {field} {NOT_PUBLISHED}",
                remedy=f"Supply it in the scenario under assume: {{{kind}: {{{record_id}: {{{field}: ...}}}}}}.",
            )
        )


class SolveError(PlannerError):
    """The solver failed or the model is unbounded: a fault of the program, not of the input."""


class VerificationError(PlannerError):
    """A plan failed the independent check."""


def nearest_name(name: str, allowed: Sequence[str]) -> str:
    """The allowed name most like ``name``, whatever their case, or an empty string.

    Names here are built from words (``hgx_h100_oem``): one that goes on where the asked one ends is nearer
    than one that shares as many letters (``hgx_h100`` means ``hgx_h100_oem``, not ``hgx_h800``).
    """
    asked = str(name).casefold()
    ranked = [(_likeness(asked, str(known).casefold()), str(known)) for known in allowed]
    best = max(ranked, key=lambda r: r[0], default=(0.0, ""))
    return best[1] if best[0] >= 0.6 else ""


_WORD_END = re.compile(r"[^a-z0-9]")


def _likeness(asked: str, known: str) -> float:
    matcher = difflib.SequenceMatcher(None, known, asked)
    score = matcher.ratio()
    if asked and known.startswith(asked) and _WORD_END.match(known[len(asked) :] or "_"):
        score += 0.25
    if _WORD_END.split(asked)[0] == _WORD_END.split(known)[0]:
        score += 0.1
    return score


def unknown_name(kind: str, name: str, allowed: Sequence[str], *, path: str = "", file: str = "") -> InputError:
    """The error for a name that is not in a list of names."""
    shown = ", ".join(sorted(str(a) for a in allowed)[:12])
    more = f", ... ({len(allowed)} in all)" if len(allowed) > 12 else ""
    return InputError(
        Problem(
            f"unknown {kind} {name!r}",
            file=file,
            path=path,
            nearest=nearest_name(name, list(allowed)),
            allowed=(shown + more) or "none",
        )
    )
