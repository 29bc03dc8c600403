"""Tables that fit: no word is ever broken, whatever the width of the terminal.

``Fitted`` is a rich renderable. Where its columns fit, it is a table. Where they do not, columns that may go are left
out, the last ones first, and a line says which; where that is not enough, every row becomes a block of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

_GAP = 2
"""Cells between two columns, of the padding that tables here have."""


@dataclass(frozen=True)
class Column:
    """A column: its title, whether numbers stand in it, whether it may be left out, whether its lines may wrap."""

    title: str
    right: bool = False
    optional: bool = False
    wraps: bool = True


@dataclass
class Fitted:
    """Rows under columns, in the form that the width allows. ``more``: what tells the columns that are left out."""

    columns: Sequence[Column]
    rows: list[Sequence[Text | str]] = field(default_factory=list)
    more: str = ""

    def add_row(self, *cells: Text | str) -> None:
        """Add a row, one cell a column."""
        self.rows.append(cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        least = [self._least(i) for i in range(len(self.columns))]
        shown = list(range(len(self.columns)))
        optional = [i for i in shown if self.columns[i].optional]
        while optional and _width(least, shown) > options.max_width:
            shown.remove(optional.pop())
        if _width(least, shown) > options.max_width:
            yield from self._blocks()
            return
        yield self._table(shown, self._widths(shown, least, options.max_width))
        left_out = [self.columns[i].title for i in range(len(self.columns)) if i not in shown]
        if left_out:
            yield Text(f"Not shown at this width: {', '.join(left_out)}. {self.more}".rstrip(), style="dim")

    def _least(self, i: int) -> int:
        """Cells that column ``i`` needs so that no word of it breaks."""
        column = self.columns[i]
        texts = [column.title, *(str(row[i]) for row in self.rows)]
        words = (part for text in texts[:1] for part in text.split())
        cells = (part for text in texts[1:] for part in (text.split() if column.wraps else text.splitlines()))
        return max((cell_len(part) for part in (*words, *cells)), default=0)

    def _most(self, i: int) -> int:
        """Cells that column ``i`` fills where nothing wraps."""
        texts = [self.columns[i].title, *(str(row[i]) for row in self.rows)]
        return max((cell_len(line) for text in texts for line in text.splitlines()), default=0)

    def _widths(self, shown: Sequence[int], least: Sequence[int], room: int) -> dict[int, int]:
        """Width of every column shown: what it needs, and of what is left over as much as it can use, narrow first."""
        widths = {i: least[i] for i in shown}
        left = room - _width(least, shown)
        wanting = sorted(shown, key=lambda i: self._most(i) - least[i])
        for n, i in enumerate(wanting):
            more = min(max(0, self._most(i) - least[i]), left // (len(wanting) - n))
            widths[i], left = widths[i] + more, left - more
        return widths

    def _table(self, shown: Sequence[int], widths: Mapping[int, int]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
        for i in shown:
            column = self.columns[i]
            table.add_column(
                Text(column.title), justify="right" if column.right else "left", overflow="fold",
                width=widths[i], no_wrap=not column.wraps,
            )  # fmt: skip
        for row in self.rows:
            table.add_row(*(row[i] for i in shown))
        return table

    def _blocks(self) -> RenderResult:
        """Every row as lines of title and value, titles aligned."""
        for n, row in enumerate(self.rows):
            if n:
                yield Text("")
            grid = Table.grid(padding=(0, 2))
            grid.add_column(style="dim", overflow="fold")
            grid.add_column(overflow="fold")
            for column, cell in zip(self.columns, row, strict=True):
                if str(cell).strip():
                    grid.add_row(Text(column.title), cell if isinstance(cell, Text) else Text(cell))
            yield grid


def _width(least: Sequence[int], shown: Sequence[int]) -> int:
    return sum(least[i] for i in shown) + (_GAP + 1) * max(0, len(shown) - 1)
