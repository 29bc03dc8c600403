"""Folders and tables no one could mean are refused in few words: counts, lengths, depths and chains without end."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.catalog import Catalog, load_catalog
from planner.catalog.fields import FIELDS, LONGEST_TEXT
from planner.catalog.load import MOST_PROBLEMS, MOST_RECORDS
from planner.errors import InputError
from planner.validation.cases import MOST_CASES, read_cases

HEAD = "id,field,low,value,high,unit,as_of,source,kind,note\n"


def problems(folder: Path, name: str, text: str) -> tuple[str, ...]:
    """What is said of a folder with one file."""
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        assert load_catalog(folder).models
    return tuple(map(str, caught.value.problems))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("hgx_h100_oem,chips_total,,1e9,,chips,,x,estimate,", "1 to 100000 chips, whole"),
        ("hgx_h100_oem,chips_total,,7.5,,chips,,x,estimate,", "value is no whole number"),
        ("hgx_h100_oem,scaleup_domain_chips,,1e6,,chips,,x,estimate,", "out of bounds"),
        (f"hgx_h100_oem,notes,,{'x' * 3000},,text,,,,", f"at most {LONGEST_TEXT} characters"),
        (f"hgx_h100_oem,price_usd,,1e5,,usd,,{'x' * 3000},estimate,", f"at most {LONGEST_TEXT} characters"),
    ],
)  # fmt: skip
def test_every_figure_and_text_has_bounds(tmp_path: Path, row: str, says: str) -> None:
    """Counts are whole and of things that can stand somewhere."""
    assert any(says in text for text in problems(tmp_path, "systems.csv", f"{HEAD}{row}\n"))


def test_a_rate_of_zero_is_none_and_a_cost_is_within_its_unit(tmp_path: Path, shipped: Catalog) -> None:
    """What divides is above zero; shares of cost are shares."""
    said = problems(tmp_path, "chips.csv", f"{HEAD}h100_sxm,bf16_fp16_tflops_dense,,0,,tflops,,x,estimate,\n")
    assert "0.01 to 200000" in said[0]
    share = next(c.id for c in shipped.costs.values() if c.figures["value"].unit.startswith("fraction"))
    unit = shipped.costs[share].figures["value"].unit
    said = problems(tmp_path, "costs.csv", f"{HEAD}{share},value,,15,,{unit},,x,estimate,\n")
    assert any("0 to 1" in text for text in said)
    with pytest.raises(InputError, match="0 to 1"):
        shipped.with_assumptions({"costs": {share: {"value": 15.0}}})
    assert all(spec.is_text or abs(spec.upper) < 1e13 for spec in FIELDS)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("chips.csv", HEAD + "h100_sxm,bogus_field,,1,,,,x,estimate,\n" * 20_000, "more problems"),
        ("chips.csv", HEAD + "h100_sxm,tdp_w,x,700,,w,zzz,x,foo,\n" * 20_000, "more problems"),
        ("systems.csv", HEAD + "".join(f"s{i},name,,s,,text,,,,\n" for i in range(9_000)), f"more than {MOST_RECORDS}"),
        ("systems.csv", HEAD + "s,name,,s,,text,,,,\n" * 60_000, "more than 50000 rows"),
        ("chips.csv", "id,field,value," + ",".join(f"c{i}" for i in range(50_000)) + "\n", "unknown column"),
        ("chips.csv", HEAD + '"' * 300_001, "not valid CSV"),
        ("regions.csv", HEAD + "us_va,parent,,us_va,,text,,,,\n", "among its own parents"),
        ("regions.csv", HEAD + "".join(f"r{i},name,,r,,text,,,,\nr{i},parent,,r{min(i + 1, 99)},,text,,,,\n"
                                       for i in range(100)), "parents"),
        ("models/a.yaml", "a: " + "[" * 100_000, "nesting"),
        ("models/a.yaml", "x: [" + "1," * 400_000 + "]", "values"),
    ],
)  # fmt: skip
def test_files_without_end_are_refused_in_few_words(tmp_path: Path, name: str, text: str, says: str) -> None:
    """Nothing is searched for nearest names a hundred thousand times."""
    said = problems(tmp_path, name, text)
    assert any(says in line for line in said)
    assert len(said) <= MOST_PROBLEMS + 1


def test_tables_of_cases_end_somewhere(tmp_path: Path) -> None:
    """In rows and in problems."""
    file = tmp_path / "cases.csv"
    file.write_text("case_id,seq_len,mfu\n" + "a,1,x\n" * 50_000, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_cases(file)
    assert len(caught.value.problems) < 200
    file.write_text("case_id,seq_len\n" + "".join(f"{i},1\n" for i in range(MOST_CASES + 5)), encoding="utf-8")
    with pytest.raises(InputError, match=f"more than {MOST_CASES}"):
        read_cases(file)
