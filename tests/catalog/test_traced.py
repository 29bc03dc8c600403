"""Sixty figures drawn at random, each traced to its source by a second reader: what was read there stands here.

``traced.csv`` holds one row a figure: what its source says, in the catalog's unit; how it was read (``fact table``: the
row collected from the cited source; ``derived``: worked out again from it; ``no document``: an assumption or estimate
that says so; ``not opened``: the source was not at hand); and the verdict.
"""

import csv
from collections import Counter
from pathlib import Path

import pytest

from planner.catalog import load_catalog

TRACED = list(csv.DictReader((Path(__file__).parent / "traced.csv").read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def catalog():
    return load_catalog()


def test_what_was_read_at_the_source_stands_in_the_catalog(catalog):
    for row in TRACED:
        record = getattr(catalog, row["table"])[row["id"]]
        figure = record.figures[row["field"]]
        value = figure.value
        said = None if row["at_source"] == "none" else float(row["at_source"])
        assert value == said or (said is not None and value == pytest.approx(said)), row


def test_a_figure_without_a_document_is_no_datasheet(catalog):
    for row in TRACED:
        if row["read"] == "no document":
            record = getattr(catalog, row["table"])[row["id"]]
            figure = record.figures[row["field"]]
            assert figure.kind in ("assumption", "estimate"), row


def test_sixty_were_traced_and_every_one_has_a_verdict():
    assert len({(r["table"], r["id"], r["field"]) for r in TRACED}) == 60
    verdicts = Counter(r["verdict"] for r in TRACED)
    assert set(verdicts) == {"agrees", "mended", "labelled", "not confirmed"}
    assert all(r["remark"] for r in TRACED if r["verdict"] == "mended")
