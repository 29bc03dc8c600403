"""Cooling pairs: which there are, what the climate does to them, when they are refused."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import Catalog, Chip, Figure, Region, System, load_catalog
from planner.errors import InputError
from planner.facility.cooling import (
    AIR,
    COLD_PLATE,
    climate_burden,
    cooling_choices,
    cooling_pair,
    cooling_refusal,
)

CATALOG = load_catalog()


@pytest.fixture
def catalog() -> Catalog:
    return CATALOG


def climate(hours: float | None = None, dry: float | None = None, wet: float | None = None) -> Region:
    values = {"free_cooling_hours_per_year": hours, "design_dry_bulb_c": dry, "design_wet_bulb_c": wet}
    figures = {name: Figure(value, "", "test", "assumption") for name, value in values.items()}
    return Region("here", "Here", figures=figures)


def test_choices_are_what_system_chip_and_site_share() -> None:
    system = System("s", "S", cooling=(*AIR, *COLD_PLATE), kind="server")
    liquid = Chip("c", "C", cooling=COLD_PLATE)
    assert cooling_choices(system, liquid, ["air", "liquid"]) == COLD_PLATE
    assert cooling_choices(system, liquid, ["air_inrow", "d2c_1p"]) == ("d2c_1p",)
    assert cooling_choices(system, liquid, ["air"]) == ()
    either = Chip("c", "C", cooling=(*COLD_PLATE, *AIR))
    assert cooling_choices(system, either, ["d2c_1p", "air_inrow"]) == ("air_inrow", "d2c_1p")


def test_published_rows_meet_in_the_catalog(catalog: Catalog) -> None:
    """D2: HGX B200 in air against GB200 in liquid is 0.90 of the peak at 0.83 of the power (physics of the rows)."""
    air, liquid = catalog.chip("b200_sxm"), catalog.chip("gb200")
    peak = air.need("bf16_fp16_tflops_dense") / liquid.need("bf16_fp16_tflops_dense")
    assert peak == pytest.approx(0.90, abs=1e-9)
    assert air.need("tdp_w") / liquid.need("tdp_w") == pytest.approx(0.83, abs=0.005)


def test_law_passes_through_the_published_figures(catalog: Catalog) -> None:
    system, chip = catalog.system("hgx_h100_oem"), catalog.chip("h100_sxm")
    at = {hours: cooling_pair(catalog, system, chip, "air_crah", climate(hours)) for hours in (8760, 4380, 0)}
    assert at[8760].pue == at[8760].pue_low == pytest.approx(1.30)
    assert at[4380].pue == pytest.approx(1.45)
    assert at[0].pue == at[0].pue_high == pytest.approx(1.80)
    assert at[0].wue_l_per_kwh == pytest.approx(1.9)
    assert at[8760].wue_l_per_kwh == 0.0


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0, 8760), st.floats(0, 8760), st.floats(-10, 55), st.floats(-10, 55), st.sampled_from((*AIR, "d2c_1p"))
)
def test_a_hotter_climate_never_lowers_pue(h1: float, h2: float, d1: float, d2: float, option: str) -> None:
    catalog = CATALOG
    system, chip = catalog.system("hgx_h100_oem"), catalog.chip("h100_sxm")
    cool = cooling_pair(catalog, system, chip, option, climate(max(h1, h2), min(d1, d2)))
    hot = cooling_pair(catalog, system, chip, option, climate(min(h1, h2), max(d1, d2)))
    assert cool.pue <= hot.pue
    assert cool.pue_peak <= hot.pue_peak
    for pair in (cool, hot):
        assert pair.pue_low <= pair.pue <= pair.pue_peak <= pair.pue_high


def test_climate_falls_back_to_wet_bulb_then_to_the_middle() -> None:
    assert climate_burden(climate(wet=15.0)) == (0.0, 0.0)
    assert climate_burden(climate(wet=30.0)) == (1.0, 1.0)
    assert climate_burden(climate()) == (0.5, 0.5)
    assert climate_burden(climate(8760, dry=45.0)) == (0.0, 1.0)


def test_throughput_factor_only_where_one_row_serves_air_and_liquid(catalog: Catalog) -> None:
    here = climate()
    h100 = cooling_pair(catalog, catalog.system("hgx_h100_oem"), catalog.chip("h100_sxm"), "d2c_1p", here)
    assert h100.throughput_factor == pytest.approx(1.05)
    s5000 = cooling_pair(catalog, catalog.system("sgx5000"), catalog.chip("mtt_s5000_liquid"), "d2c_1p", here)
    assert s5000.throughput_factor == 1.0
    gb200 = cooling_pair(catalog, catalog.system("gb200_nvl72"), catalog.chip("gb200"), "d2c_1p", here)
    assert gb200.throughput_factor == 1.0


def test_refusals_say_why(catalog: Catalog) -> None:
    system, chip = catalog.system("hgx_h100_oem"), catalog.chip("h100_sxm")
    hot = chip.with_figures({"tdp_w": replace(chip.figures["tdp_w"], value=1500.0)})
    reason = cooling_refusal(catalog, system, hot, "air_crah")
    assert reason is not None
    assert "1500 W" in reason
    assert cooling_refusal(catalog, system, chip, "air_crah") is None
    nvl72 = catalog.system("gb200_nvl72")
    with pytest.raises(InputError, match="not made for air_crah"):
        cooling_pair(catalog, nvl72, catalog.chip("gb200"), "air_crah", climate())


def test_a_rack_brings_its_own_limit_and_a_server_takes_the_typical_one(catalog: Catalog) -> None:
    server = cooling_pair(catalog, catalog.system("hgx_h100_oem"), catalog.chip("h100_sxm"), "air_inrow", climate())
    option = catalog.cooling_option("air_inrow")
    assert server.rack_kw_max == option.need("rack_kw_typical_max")
    rack = cooling_pair(catalog, catalog.system("gb200_nvl72"), catalog.chip("gb200"), "d2c_1p", climate())
    assert rack.rack_kw_max >= catalog.system("gb200_nvl72").need("power_kw_rack")


@pytest.mark.parametrize("cooling", ["air_inrow", "air_crah"])
def test_a_box_that_is_sold_in_air_stands_in_it(catalog: Catalog, cooling: str) -> None:
    assert cooling_refusal(catalog, catalog.system("dgx_b300"), catalog.chip("b300_sxm"), cooling) is None
