"""Reading files: each fault gives one clear message with file and line; folders of a user merge over the catalog."""

from pathlib import Path

import pytest

from planner.catalog import load_catalog
from planner.catalog.check import check_catalog
from planner.errors import InputError

HEADER = "id,field,low,value,high,unit,as_of,source,kind,note"
PRICE = "h100_sxm,price_usd,,21000,,usd,2026-10,quote of our dealer,list_price,"


def folder(tmp_path: Path, *rows: str, name: str = "chips.csv", header: str = HEADER) -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return tmp_path


def problems_of(path: Path):
    with pytest.raises(InputError) as caught:
        load_catalog(path)
    return caught.value.problems


BAD_ROWS = {
    "unknown field": ("h100_sxm,tpd_w,,700,,w,2026,x,datasheet,", "unknown field 'tpd_w' of chips", "'tdp_w'"),
    "not a number": ("h100_sxm,tdp_w,,seven,,w,2026,x,datasheet,", "value is not a finite number", "seven"),
    "nan": ("h100_sxm,tdp_w,,nan,,w,2026,x,datasheet,", "value is not a finite number", "nan"),
    "infinity": ("h100_sxm,tdp_w,,inf,,w,2026,x,datasheet,", "value is not a finite number", "inf"),
    "empty value": ("h100_sxm,tdp_w,,,,w,2026,x,datasheet,", "value is not a finite number", "nothing"),
    "bad low": ("h100_sxm,tdp_w,-inf,700,,w,2026,x,datasheet,", "low is not a finite number", "-inf"),
    "negative": ("h100_sxm,tdp_w,,-700,,w,2026,x,datasheet,", "value is out of bounds", "-700 w"),
    "too large": ("h100_sxm,idle_power_fraction,,13,,,2026,x,estimate,", "value is out of bounds", "0 to 1 fraction"),
    "low above value": ("h100_sxm,tdp_w,800,700,900,w,2026,x,datasheet,", "out of order", "800, 700, 900"),
    "value above high": ("h100_sxm,tdp_w,,700,600,w,2026,x,datasheet,", "out of order", "700, 600"),
    "low above high": ("h100_sxm,tdp_w,800,unknown,600,w,2026,x,datasheet,", "out of order", "800, unknown, 600"),
    "no source": ("h100_sxm,tdp_w,,700,,w,2026,,datasheet,", "source is missing", "Say where"),
    "no kind": ("h100_sxm,tdp_w,,700,,w,2026,x,,", "kind is missing", "datasheet, measured"),
    "unknown kind": ("h100_sxm,tdp_w,,700,,w,2026,x,datasheat,", "unknown kind", "'datasheet'"),
    "wrong unit": ("h100_sxm,tdp_w,,0.7,,kw,2026,x,datasheet,", "wrong unit", "kw"),
    "bad date": ("h100_sxm,tdp_w,,700,,w,2026-13,x,datasheet,", "bad date", "2026-13"),
    "bad id": ("../h100,tdp_w,,700,,w,2026,x,datasheet,", "bad id", "../h100"),
    "too many cells": ("h100_sxm,tdp_w,,700,,w,2026,x,datasheet,note, more", "row has 11 cells", "double quotes"),
    "unknown status": ("h100_sxm,status,,volumes,,text,,,,", "must be one of", "'volume'"),
    "bad month": ("h100_sxm,available_from,,soon,,text,,,,", "must be a month", "soon"),
    "unknown cooling": ("h100_sxm,cooling,,d2c_3p,,text,,,,", "unknown cooling option 'd2c_3p'", "did you mean 'd2c_"),
    "unknown id": ("h100_smx,tdp_w,,700,,w,2026,x,datasheet,", "unknown id 'h100_smx' of chips", "'h100_sxm'"),
    "alias taken": ("h100_sxm,aliases,,B200,,text,,,,", "alias 'B200' would mean both", "h100_sxm.aliases"),
}


@pytest.mark.parametrize(("row", "message", "detail"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_row_gives_one_message_with_file_and_line(tmp_path, row, message, detail):
    (problem,) = problems_of(folder(tmp_path, PRICE, row))
    assert message in problem.message
    assert detail in str(problem)
    assert (Path(problem.file).name, problem.line) == ("chips.csv", 3)


def test_all_problems_of_all_files_at_once(tmp_path):
    folder(tmp_path, BAD_ROWS["nan"][0], BAD_ROWS["no source"][0], BAD_ROWS["unknown kind"][0])
    folder(tmp_path, "nvl,price_usd,,1,,usd,2026,x,list_price,", name="systems.csv")
    found = problems_of(tmp_path)
    assert len(found) == 4
    assert {(Path(p.file).name, p.line) for p in found} == {
        ("chips.csv", 2),
        ("chips.csv", 3),
        ("chips.csv", 4),
        ("systems.csv", 2),
    }


def test_two_faults_of_one_row_are_both_told(tmp_path):
    found = problems_of(folder(tmp_path, "h100_sxm,tdp_w,x,700,y,w,2026,x,datasheet,"))
    assert [p.message for p in found] == ["low is not a finite number", "high is not a finite number"]


def test_duplicates_in_one_folder(tmp_path):
    folder(tmp_path, PRICE)
    folder(tmp_path, "", PRICE.replace("21000", "22000"), name="chips/more.csv")
    (problem,) = problems_of(tmp_path)
    assert "price_usd is given twice; first in" in problem.message
    assert (Path(problem.file).name, problem.line) == ("more.csv", 3)


def test_an_alias_of_a_field_is_the_same_field(tmp_path):
    (problem,) = problems_of(folder(tmp_path, PRICE, PRICE.replace("price_usd", "price_usd_typical")))
    assert "given twice" in problem.message


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id,field,low,valeu,high,unit,as_of,source,kind,note", "unknown column 'valeu'"),
        ("id,low,value", "column 'field' is missing"),
        ("id,field,value,value", "a column is given twice"),
        ("", "column 'id' is missing"),
    ],
)
def test_bad_headers(tmp_path, header, message):
    assert message in [p.message for p in problems_of(folder(tmp_path, header=header))]


def test_quotes_lines_and_comments(tmp_path):
    path = folder(
        tmp_path,
        "# our own quotes",
        "",
        PRICE.replace("quote of our dealer", '"dealer, net\nof tax"'),
        BAD_ROWS["nan"][0],
    )
    (problem,) = problems_of(path)
    assert problem.line == 6  # the quoted cell spans two lines


def test_an_open_quote_and_a_binary_file(tmp_path):
    folder(tmp_path, '"h100_sxm,tdp_w')
    (tmp_path / "systems.csv").write_bytes(b"\xff\xfe\x00id")
    assert {p.message for p in problems_of(tmp_path)} == {"not valid CSV", "cannot be read"}


def test_a_spreadsheet_with_a_byte_order_mark_reads(tmp_path):
    (tmp_path / "chips.csv").write_text("\ufeff" + HEADER + "\r\n" + PRICE + "\r\n", encoding="utf-8", newline="")
    assert load_catalog(tmp_path).chip("h100_sxm").need("price_usd") == 21000


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["mine,name,,Mine,,text,,,,", "mine,kind,,server,,text,,,,", "mine,chips_total,,8,,,2026,x,datasheet,",
          "mine,chip_ids,,h100_sxm;h100_smx,,text,,,,"], "unknown chip 'h100_smx'"),
        (["mine,name,,Mine,,text,,,,", "mine,kind,,sever,,text,,,,", "mine,chips_total,,8,,,2026,x,datasheet,"],
         "unknown kind 'sever' of systems"),
        (["mine,name,,Mine,,text,,,,", "mine,kind,,server,,text,,,,"], "needs a row with the field 'chips_total'"),
    ],
)  # fmt: skip
def test_systems_that_cannot_stand(tmp_path, rows, message):
    (problem,) = problems_of(folder(tmp_path, *rows, name="systems.csv"))
    assert message in problem.message
    assert Path(problem.file).name == "systems.csv"


def test_regions_need_parents_that_exist_and_no_circles(tmp_path):
    (problem,) = problems_of(
        folder(tmp_path, "mine,name,,Mine,,text,,,,", "mine,parent,,us_xx,,text,,,,", name="regions.csv")
    )
    assert "unknown region 'us_xx'" in problem.message
    circle = problems_of(folder(tmp_path, "world,parent,,us,,text,,,,", name="regions.csv"))
    assert any("its own parents" in p.message for p in circle)


def test_folders_that_are_none(tmp_path):
    (problem,) = problems_of(tmp_path / "nowhere")
    assert problem.message == "catalog folder does not exist"
    (problem,) = problems_of(tmp_path)
    assert problem.message == "catalog folder holds nothing to read"
    (problem,) = problems_of(folder(tmp_path, PRICE) / "chips.csv")
    assert problem.message == "catalog must be a folder, this is a file"


def test_a_misnamed_file_is_told_and_not_skipped(tmp_path):
    (problem,) = problems_of(folder(tmp_path, PRICE, name="chip.csv"))
    assert problem.message == "not a catalog file"
    assert problem.nearest == "chips.csv"


def test_one_price_of_an_existing_chip(tmp_path):
    before = load_catalog()
    after = load_catalog(folder(tmp_path, PRICE))
    price = after.chip("h100_sxm").figure("price_usd")
    assert (price.value, price.low, price.source) == (21000, None, "quote of our dealer")
    assert after.chip("h100_sxm").need("tdp_w") == 700
    others = [chip for chip in before.chips if chip != "h100_sxm"]
    assert [after.chips[chip] for chip in others] == [before.chips[chip] for chip in others]
    assert after.systems == before.systems
    assert after.digest != before.digest


def test_nested_and_flat_layouts_agree(tmp_path):
    flat = load_catalog(folder(tmp_path / "flat", PRICE))
    nested = load_catalog(folder(tmp_path / "nested", PRICE, name="chips/prices.csv"))
    assert flat.chips == nested.chips


def test_a_short_header_is_enough(tmp_path):
    path = folder(tmp_path, "h100_sxm,price_usd,21000,dealer,list_price", header="id,field,value,source,kind")
    assert load_catalog(path).chip("h100_sxm").need("price_usd") == 21000


def test_more_memory_brings_more_usable_memory(tmp_path):
    after = load_catalog(folder(tmp_path, "h100_sxm,mem_gb,,96,,,2026,x,datasheet,")).chip("h100_sxm")
    assert after.need("usable_mem_gib") == pytest.approx(0.99 * 96)
    assert after.figure("usable_mem_gib").kind == "assumption"


def test_a_known_figure_can_be_taken_back(tmp_path):
    after = load_catalog(folder(tmp_path, "h100_sxm,price_usd,,unknown,,,2026,x,list_price,"))
    assert after.chip("h100_sxm").get("price_usd") is None


def test_a_new_chip_system_and_region_with_sources_by_key(tmp_path):
    folder(
        tmp_path,
        "acme1,name,,Acme One,,text,,,,",
        "acme1,vendor,,Acme,,text,,,,",
        "acme1,family,,other,,text,,,,",
        "acme1,cooling,,liquid_cold_plate,,text,,,,",
        "acme1,bf16_tflops_dense,,1200,,tflops,2026-10,sheet;talk,datasheet,",
        "acme1,mem_gb,,128,,gb,2026-10,sheet,datasheet,",
    )
    folder(
        tmp_path,
        "acme_box,name,,Acme Box,,text,,,,",
        "acme_box,kind,,server,,text,,,,",
        "acme_box,chip_ids,,acme1,,text,,,,",
        "acme_box,cooling,,d2c_1p,,text,,,,",
        "acme_box,chips_total,,8,,chips,2026-10,sheet,datasheet,",
        name="systems.csv",
    )
    folder(
        tmp_path,
        "my_site,name,,My site,,text,,,,",
        "my_site,parent,,us_tx,,text,,,,",
        "my_site,tariff_usd_per_kwh,,0.041,,,2026-10,our contract,list_price,",
        name="regions.csv",
    )
    (tmp_path / "sources.csv").write_text("key,citation\nsheet,Acme One data sheet\ntalk,Acme at a conference\n")
    catalog = load_catalog(tmp_path)
    chip = catalog.chip("Acme One")
    assert chip.need("bf16_fp16_tflops_dense") == 1200
    assert chip.figure("bf16_fp16_tflops_dense").source == "Acme One data sheet | Acme at a conference"
    assert chip.need("usable_mem_gib") == pytest.approx(126.72)
    assert catalog.default_system("acme1").id == "acme_box"
    site = catalog.region("my_site")
    assert site.need("tariff_usd_per_kwh") == 0.041
    assert site.figure("carbon_kg_per_kwh").note.startswith("figure of region us_tx")
    paths = {p.path for p in check_catalog(catalog)}
    assert "systems.acme_box.price_usd" in paths


def test_overriding_a_parent_reaches_its_children(tmp_path):
    rows = "cn,build_capex_usd_per_mw,,6e6,,,2026,x,estimate,"
    after = load_catalog(folder(tmp_path, rows, name="regions.csv"))
    assert after.region("cn_guizhou").need("build_capex_usd_per_mw") == 6e6
