"""How text gets into files that are run or opened: one function a language, and nothing is written past them.

language            function          what it keeps out
shell words         shell_word(s)     everything: shlex quotes; only a ``Variable`` of ours is left for the shell
comments            comment           line breaks and invisible characters, so that a comment ends where it should
names of objects    object_name       all but a-z, 0-9 and hyphens (files, Slurm jobs, Kubernetes objects)
YAML                yaml_text         PyYAML's safe dumper, no text is put together by hand
Kubernetes argv     kubelet_word      ``$(NAME)``, which the kubelet would fill in
CSV and XLSX        safe_cell         formulas
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterable
from typing import Any

import yaml

_LONGEST_OBJECT_NAME = 50
"""Of 63 that DNS labels allow: controllers add suffixes of their own."""
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_FORMULA = "=+-@＝＋－＠"
_CELL_START = re.compile(rf"(^|[;,\t\n|])(\s*)(?=[{re.escape(_FORMULA)}])")


class Variable(str):
    """A word of our own that the shell fills in (``$NODE_RANK``). Never made of text from a plan."""

    __slots__ = ()


def printable(text: object) -> str:
    """One line: line breaks, control and bidirectional characters become spaces."""
    return "".join(" " if unicodedata.category(c) in _INVISIBLE else c for c in str(text))


def shell_word(word: str) -> str:
    """A word for a POSIX shell; a ``Variable`` is left for the shell to fill in."""
    return f'"{word}"' if isinstance(word, Variable) else shlex.quote(printable(word))


def shell_words(words: Iterable[str]) -> str:
    """Words for a POSIX shell, as it would read them back."""
    return " ".join(map(shell_word, words))


def comment(lines: Iterable[str]) -> str:
    """Lines as comments of a shell script or of YAML; each stays one line."""
    return "".join(f"# {printable(line)}".rstrip() + "\n" for line in lines)


def object_name(*parts: object) -> str:
    """A name for a file, a Slurm job and a Kubernetes object (an RFC 1123 label), of parts joined by hyphens.

    The last part is kept whole, so that a number there still tells names apart.
    """
    *first, last = (re.sub(r"[^a-z0-9]+", "-", str(p).lower()).strip("-") for p in parts)
    head = "-".join(p for p in first if p) or "job"
    if not head[0].isalpha():  # services may not begin with a digit
        head = f"job-{head}"
    return f"{head[: _LONGEST_OBJECT_NAME - len(last) - 1].rstrip('-')}-{last}"


def yaml_text(data: Any) -> str:
    """Plain data as a YAML document."""
    return yaml.safe_dump(data, sort_keys=False, width=4096)


def kubelet_word(word: str) -> str:
    """A word of a container's command: the kubelet's ``$(NAME)`` is escaped, unless the word is a ``Variable``."""
    return str(word) if isinstance(word, Variable) else printable(word).replace("$(", "$$(")


def safe_cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula, nor does where it cuts lines at semicolons; numbers stay."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return _CELL_START.sub(r"\1\2'", "\n".join(map(printable, str(value).split("\n"))))
