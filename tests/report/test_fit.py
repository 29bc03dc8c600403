"""Tables on terminals of every width: nothing is wider than the terminal and no word is broken."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from planner.report.fit import Column, Fitted


def printed(table: object, width: int) -> str:
    """The table as text of this width."""
    console = Console(width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


WORDS = st.lists(st.from_regex(r"[a-z0-9_$,.]{1,18}", fullmatch=True), min_size=1, max_size=5).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.tuples(*[WORDS] * n), min_size=1, max_size=5)), st.data())
def test_no_width_breaks_a_word(rows: list[tuple[str, ...]], data: st.DataObject) -> None:
    """Whatever the cells: every word of every column that is shown stands whole on some line."""
    columns = [Column(f"Title {i}", right=i % 2 == 1, optional=i > 2) for i in range(len(rows[0]))]
    table = Fitted(columns)
    for row in rows:
        table.add_row(*row)
    width = data.draw(st.sampled_from([40, 60, 80, 100, 160]))
    text = printed(table, width)
    assert max(map(len, text.splitlines())) <= width
    hidden = re.search(r"Not shown at this width: (.*?)\.", " ".join(text.split()))
    gone = hidden.group(1).split(", ") if hidden else []
    found = set(text.split())
    for i, column in enumerate(columns):
        if column.title not in gone:
            assert {word for row in rows for word in row[i].split()} <= found


@pytest.mark.parametrize("width", [80, 100, 160])
def test_wider_terminals_show_no_less(width: int) -> None:
    """Optional columns go from the right, and a line says which."""
    table = Fitted([Column("Id", wraps=False), *(Column(f"Figure{i}", right=True, optional=True) for i in range(20))])
    table.add_row("hgx_h100_oem", *("199,000.00" for _ in range(20)))
    text = printed(table, width)
    shown = [i for i in range(20) if f"Figure{i}" in text.splitlines()[0].split()]
    assert shown == list(range(len(shown)))
    assert len(shown) == (width - 12) // 13
    assert "Not shown at this width: Figure" in text


def test_where_nothing_may_go_rows_become_blocks() -> None:
    """A narrow terminal gets every cell, one under another."""
    table = Fitted([Column("Plan"), Column("Expected cost", right=True), Column("Hardware")])
    table.add_row("the-plan-of-record", "$1,200,000", "cloudmatrix384_pod_of_many")
    text = printed(table, 45)
    assert [line.split() for line in text.splitlines()] == [
        ["Plan", "the-plan-of-record"],
        ["Expected", "cost", "$1,200,000"],
        ["Hardware", "cloudmatrix384_pod_of_many"],
    ]
