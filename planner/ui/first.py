"""The first screen of an answer, as cards that fit any width. Text from files is escaped, never markup."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from planner.report.board import Card
from planner.report.format import clean

_STYLE = """<style>
.st-key-sentence h2 {font-size: 1.04rem; font-weight: 640; line-height: 1.36; padding: .1rem 0 .15rem;}
.st-key-sentence p {font-size: .84rem; line-height: 1.42; margin: 0;}
.st-key-sentence [data-testid="stMarkdownContainer"] {margin-bottom: 0;}
.board {container-type: inline-size;}
.board > div {display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .5rem;}
.board section {border: 1px solid color-mix(in srgb, currentColor 20%, transparent); border-radius: .45rem;
  padding: .45rem .7rem .5rem; overflow-wrap: anywhere; font-size: .82rem; line-height: 1.32;}
.board h3 {margin: 0; padding: 0; font-size: .78rem; font-weight: 600; opacity: .78; letter-spacing: 0;}
.board p {margin: 0 0 .15rem; font-size: 1.02rem; font-weight: 650; line-height: 1.25;}
.board ul {margin: 0; padding: 0; list-style: none;}
.board li {margin: 0 0 .06rem; padding: 0; font-size: .8rem;}
.board .wide {grid-column: span 2;}
@container (max-width: 760px) {
  .board > div {grid-template-columns: repeat(2, minmax(0, 1fr));}
}
@container (max-width: 480px) {
  .board > div {grid-template-columns: minmax(0, 1fr);}
  .board .wide {grid-column: span 1;}
}
</style>"""
_WIDE = frozenset({"what", "others"})


def show_board(cards: Sequence[Card]) -> None:
    """The cards, in their order."""
    st.html(_STYLE + board_html(cards))


def board_html(cards: Sequence[Card]) -> str:
    """The cards as HTML."""
    return '<div class="board"><div>' + "".join(_card(card) for card in cards) + "</div></div>"


def _card(card: Card) -> str:
    wide = ' class="wide"' if card.key in _WIDE else ""
    lines = "".join(f"<li>{_e(line)}</li>" for line in card.lines)
    return (
        f'<section{wide} data-card="{_e(card.key)}"><h3>{_e(card.question)}</h3><p>{_e(card.answer)}</p>'
        f"<ul>{lines}</ul></section>"
    )


def _e(text: str) -> str:
    return escape(clean(text))
