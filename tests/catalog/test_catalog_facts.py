"""What the carried catalog says: how much of it, the figures that decide plans, and that unknown stays unknown."""

import math
import time
from collections import Counter

import pytest

from planner.catalog import load_catalog
from planner.catalog.check import check_catalog
from planner.catalog.fields import FAMILIES, FIELDS, RECORD_KINDS, STATUSES, cooling_ids, specs
from planner.catalog.records import AbsentFigureError
from planner.errors import InputError, UnknownFigureError


@pytest.fixture(scope="module")
def catalog():
    return load_catalog()


PUBLISHED_AS = {
    "A100": "a100_80_sxm",
    "A100-40GB": "a100_40_sxm",
    "A100-80GB": "a100_80_sxm",
    "A100-PCIe-80GB": "a100_80_pcie",
    "A100-SXM-80GB": "a100_80_sxm",
    "Arc-Pro-B60-Dual": "arc_pro_b60_dual",
    "Ascend-A2 (910B)": "ascend_910b2",
    "Ascend-A3 (910C die)": "ascend_910c_die",
    "Ascend-NPU-unspecified": "ascend_unspecified",
    "Ascend-internal-new-hw": "ascend_internal",
    "Ascend910B": "ascend_910b2",
    "Ascend910C": "ascend_910c",
    "B200": "b200_sxm",
    "B300": "b300_sxm",
    "Cerebras-CS-3": "cerebras_cs3",
    "GB10 (DGX Spark)": "gb10",
    "GB200": "gb200",
    "GB300": "gb300",
    "GH200": "gh200",
    "GH200-144GB": "gh200",
    "GH200-96GB": "gh200_96",
    "Gaudi2": "gaudi2",
    "Groq-LPU": "groq_lpu",
    "H100": "h100_sxm",
    "H100-80GB": "h100_sxm",
    "H100-96GB-HBM2e-500W": "h100_96_hbm2e",
    "H100-NVL-94GB": "h100_nvl",
    "H100-PCIe-80GB": "h100_pcie",
    "H100-SXM": "h100_sxm",
    "H20": "h20_96",
    "H20-3e-143GB": "h20_141",
    "H20-96GB": "h20_96",
    "H200-141GB": "h200_sxm",
    "H200-NVL": "h200_nvl",
    "H200-NVL-141GB": "h200_nvl",
    "H200-SXM": "h200_sxm",
    "H800": "h800_sxm",
    "H800-80GB": "h800_sxm",
    "Inferentia2": "inferentia2",
    "Intel-Max-1550": "intel_max_1550",
    "L40S": "l40s",
    "MI250": "mi250",
    "MI300X": "mi300x",
    "MI325X": "mi325x",
    "MI350X": "mi350x",
    "MI355X": "mi355x",
    "MTT-S5000": "mtt_s5000_liquid",
    "RTX-PRO-6000-Blackwell-SE": "rtx_pro_6000_server",
    "SN40L": "sn40l",
    "TPUv4": "tpu_v4",
    "TPUv5e": "tpu_v5e",
    "TPUv5p": "tpu_v5p",
    "TPUv6e": "tpu_v6e",
    "Trainium1": "trainium1",
    "V100-16GB": "v100_16_sxm2",
    "Xeon-6980P": "xeon_6980p",
}


@pytest.mark.parametrize(("name", "chip_id"), PUBLISHED_AS.items())
def test_names_in_published_results_resolve(catalog, name, chip_id):
    assert catalog.chip(name).id == chip_id
    assert catalog.default_system(name).chip_ids.count(chip_id) == 1


def test_counts(catalog):
    # 86 chips and 63 systems of the survey of autumn 2026, and those that only published results or servers needed
    assert {kind: len(catalog.records(kind)) for kind in RECORD_KINDS} == {
        "chips": 86 + 16,
        "systems": 63 + 54 + 5,  # single cards by the hour
        "interconnects": 108 + 3 + 4,  # and the four that may move the bytes of collectives
        "cooling": 22,
        "regions": 67,
        "costs": 173 + 15,
    }
    assert Counter(ic.kind for ic in catalog.interconnects.values()) == {
        "link": 46,
        "measured": 25 + 4,
        "switch": 9,
        "optics": 12,
        "topology": 15,
        "mover": 4,
    }
    assert Counter(c.kind for c in catalog.cooling.values()) == {"option": 8, "plant": 3, "evidence": 11}
    survey = Counter(c.category for c in catalog.costs.values())
    assert (survey["electricity"], survey["carbon"], survey["reliability"], survey["finance"]) == (32, 60, 18, 15)
    assert (survey["calibration"], survey["achieved"], survey["rent"]) == (6, 7, 2)
    assert Counter(c.vendor for c in catalog.chips.values())["Moore Threads"] == 4
    assert Counter(c.vendor for c in catalog.chips.values())["Biren"] == 9


@pytest.mark.parametrize(
    ("chip", "field", "value"),
    [
        ("h100_sxm", "bf16_fp16_tflops_dense", 989.4),
        ("h100_sxm", "mem_bw_tb_s", 3.35),
        ("h100_sxm", "usable_mem_gib", 79.2),
        ("h100_sxm", "scaleup_gb_s_unidir_per_chip", 450),
        ("h100_sxm", "tdp_w", 700),
        ("h800_sxm", "scaleup_gb_s_unidir_per_chip", 200),
        ("h20_96", "bf16_fp16_tflops_dense", 148),
        ("b200_sxm", "bf16_fp16_tflops_dense", 2250),
        ("gb200", "bf16_fp16_tflops_dense", 2500),
        ("mtt_s5000_liquid", "fp8_tflops_dense", 1000),
        ("mtt_s5000_air", "fp8_tflops_dense", 920),
        ("mtt_s5000_air", "mem_gb", 80),
        ("mtt_s4000", "bf16_fp16_tflops_dense", 98.3),
        ("ascend_910c", "bf16_fp16_tflops_dense", 800),
        ("ascend_910c_die", "mem_gb", 64),
        ("ascend_950dt", "mem_gb", 144),
        ("ascend_950dt_96", "mem_gb", 96),
        ("gaudi3", "bf16_fp16_tflops_dense", 1678),
        ("tpu_v5p", "bf16_fp16_tflops_dense", 459),
        ("v100_16_sxm2", "bf16_fp16_tflops_dense", 125),
        ("v100_16_sxm2", "mem_bw_tb_s", 0.9),
        ("v100_32_sxm2", "scaleup_gb_s_unidir_per_chip", 150),
    ],
)
def test_key_figures(catalog, chip, field, value):
    assert catalog.chip(chip).need(field) == pytest.approx(value)


def test_air_and_liquid_s5000_keep_their_ratio_and_their_cooling(catalog):
    air, liquid = catalog.chip("mtt_s5000_air"), catalog.chip("mtt_s5000_liquid")
    assert air.need("fp8_tflops_dense") / liquid.need("fp8_tflops_dense") == pytest.approx(0.92)
    assert air.cooling == ("air_crah", "air_inrow", "rdhx")
    assert liquid.cooling == ("d2c_1p", "d2c_1p_hybrid", "d2c_2p")
    assert catalog.system("sgx5000").chip_ids == ("mtt_s5000_liquid", "mtt_s5000_air")
    assert set(catalog.system("sgx5000").cooling) == {*air.cooling, *liquid.cooling}


@pytest.mark.parametrize(
    ("kind", "record", "field"),
    [
        ("chips", "mtt_s5000_liquid", "tdp_w"),
        ("chips", "mtt_s5000_air", "idle_power_fraction"),
        ("systems", "sgx5000", "power_kw_server_max"),
        ("systems", "sgx5000", "scaleout_gbit_s_per_chip"),
        ("chips", "br166l", "bf16_fp16_tflops_dense"),
        ("chips", "br166l", "usable_mem_gib"),
        ("chips", "br20x", "mem_bw_tb_s"),
        ("systems", "atlas_950_1024", "price_usd"),
        ("systems", "hgx_h800", "price_usd"),
        ("systems", "dgx_h100", "servers_per_rack"),
    ],
)
def test_unknown_stays_unknown_and_says_how_to_supply_it(catalog, kind, record, field):
    found = catalog.records(kind)[record]
    assert found.figure(field) is not None
    assert found.get(field) is None
    with pytest.raises(UnknownFigureError, match=rf"{record}: {field} is not published.*assume"):
        found.need(field)


def test_a_range_keeps_its_ends_and_no_invented_centre(catalog):
    servers = catalog.system("hgx_h100_oem").figure("servers_per_rack")
    assert (servers.low, servers.value, servers.high) == (2, None, 8)
    assert "2-8" in servers.note


def test_no_native_support_is_not_unknown(catalog):
    a100 = catalog.chip("a100_80_sxm")
    assert a100.figure("fp8_tflops_dense").absent
    assert a100.get("fp8_tflops_dense") is None
    with pytest.raises(AbsentFigureError, match="no native support"):
        a100.need("fp8_tflops_dense")
    assert not catalog.chip("vr200").figure("bf16_fp16_tflops_dense").absent


def test_provenance_rules(catalog):
    s5000 = catalog.chip("mtt_s5000_liquid")
    assert s5000.figure("bf16_fp16_tflops_dense").kind == "assumption"  # half of FP8
    assert s5000.figure("scaleup_gb_s_unidir_per_chip").kind == "assumption"  # halved
    assert catalog.chip("h100_sxm").figure("mem_bw_tb_s").kind == "datasheet"
    assert catalog.chip("h100_sxm").figure("measured_gemm_bf16_tflops_median").kind == "measured"
    assert catalog.system("dgx_h100").figure("power_kw_server_measured").kind == "measured"
    assert catalog.chip("rubin_ultra").figure("mem_gb").kind == "estimate"
    price = catalog.system("dgx_h100").figure("price_usd")
    assert (price.low, price.value, price.high, price.kind) == (269000, 310000, 373000, "list_price")
    assert catalog.chip("gb200").figure("price_usd").kind == "assumption"  # derived from the rack's price
    assert catalog.interconnect("meas_h100_8_all_reduce").figure("busbw_gb_s").kind == "measured"


def test_every_figure_has_source_kind_and_finite_ordered_numbers_in_its_unit(catalog):
    for kind in RECORD_KINDS:
        for record in catalog.records(kind).values():
            for name, figure in record.figures.items():
                assert figure.source, (record.id, name)
                spec = specs(kind)[name]
                assert figure.unit == (spec.unit or figure.unit), (record.id, name)
                numbers = [n for n in (figure.low, figure.value, figure.high) if n is not None]
                assert numbers == sorted(numbers)
                assert all(math.isfinite(n) and spec.lower <= n <= spec.upper for n in numbers)
                if figure.value is not None and kind != "regions":
                    assert figure.as_of, (record.id, name)


def test_usable_memory_is_0_99_of_the_label_or_measured(catalog):
    for chip in catalog.chips.values():
        label, usable = chip.get("mem_gb"), chip.figure("usable_mem_gib")
        if label is None:
            assert chip.get("usable_mem_gib") is None
        elif usable.kind == "measured":
            assert 0.9 * label <= usable.value <= label
        else:
            assert chip.need("usable_mem_gib") == pytest.approx(0.99 * label)


@pytest.mark.parametrize(
    ("system", "chips"),
    [
        ("dgx_h100", 8),
        ("gb200_nvl72", 72),
        ("gb300_nvl72", 72),
        ("gb200_nvl36x2", 72),
        ("cloudmatrix384", 384),
        ("atlas_950_1024", 1024),
        ("atlas_950_8192", 8192),
        ("kuae_1k_s4000", 1000),
        ("kuae_10k_s5000", 10000),
        ("sgx5000", 8),
        ("tpu_v5p_pod", 8960),
        ("trn2_ultraserver", 64),
        ("br30x_8", 8),
    ],
)
def test_purchase_units(catalog, system, chips):
    assert catalog.system(system).need("chips_total") == chips


@pytest.mark.parametrize(
    ("chip", "month"),
    [
        ("h100_sxm", "2022-10"),
        ("ascend_950dt", "2026-10"),  # 2026-Q4
        ("ascend_960dt", "2027-01"),  # 2027-Q1
        ("br20x", "2026-01"),  # only the year
        ("br30x", "2028-01"),
        ("br31x", "2028-01"),
        ("tpu_8t", "2026-10"),  # late 2026
        ("br100", None),  # never in volume
        ("br104", None),  # limited
    ],
)
def test_availability(catalog, chip, month):
    assert catalog.chip(chip).available_from == month


def test_availability_keeps_the_words_of_the_source(catalog):
    assert catalog.chip("br30x").text("available_text") == "2028 (planned)"
    assert catalog.system("hgx_rubin_nvl8").available_from == "2026-07"
    assert catalog.system("hgx_rubin_nvl8").text("available_text") == "2026-H2"


def test_only_br31x_is_an_edge_part(catalog):
    assert [chip.id for chip in catalog.chips.values() if chip.edge] == ["br31x"]


def test_every_chip_has_family_status_cooling_and_a_system(catalog):
    for chip in catalog.chips.values():
        assert chip.text("family") in FAMILIES
        assert chip.status in STATUSES
        assert chip.cooling, chip.id
        system = catalog.default_system(chip.id)
        assert set(system.cooling) & set(chip.cooling), (system.id, chip.id)


def test_default_systems(catalog):
    assert catalog.default_system("gb200").id == "gb200_nvl72"
    assert catalog.default_system("S5000").id == "sgx5000"
    assert catalog.default_system("ascend_910c").id == "cloudmatrix384"  # the one with a price
    assert catalog.default_system("h100_sxm").id == "dgx_h100"
    assert catalog.default_system("trainium2").id == "trn2_48xl"


def test_families(catalog):
    assert catalog.chip("V100-16GB").text("family") == "nvidia_volta"
    assert catalog.chip("H20").text("family") == "nvidia_hopper"
    assert catalog.chip("GB300").text("family") == "nvidia_blackwell"
    assert catalog.chip("MI250").text("family") == "amd_cdna2"
    assert catalog.chip("S5000").text("family") == "mtt"


def test_lookups_forgive_case_and_punctuation_and_name_the_nearest(catalog):
    assert catalog.chip("h100 SXM5 80gb").id == "h100_sxm"  # its name
    assert catalog.system("GB200 NVL72").id == "gb200_nvl72"
    with pytest.raises(InputError, match=r"unknown chip 'h100_sxn'; did you mean 'h100_sxm'"):
        catalog.chip("h100_sxn")
    with pytest.raises(InputError, match="did you mean 'cloudmatrix384'"):
        catalog.system("cloudmatrix38")
    with pytest.raises(InputError, match="unknown cooling option"):
        catalog.cooling_option("chiller_plant")  # plant, not an option of a chip
    with pytest.raises(InputError, match="did you mean 'wacc'"):
        catalog.cost("waccc")


def test_cooling_words():
    assert cooling_ids("air;liquid_cold_plate") == (
        "air_crah",
        "air_inrow",
        "rdhx",
        "d2c_1p",
        "d2c_1p_hybrid",
        "d2c_2p",
    )
    assert cooling_ids("immersion_2p") == ("immersion_2p",)
    assert cooling_ids("d2c_1p; air_crah;d2c_1p") == ("d2c_1p", "air_crah")


def test_cooling_figures_fold_their_range(catalog):
    pue = catalog.cooling_option("d2c_1p").figure("pue")
    assert (pue.low, pue.value, pue.high) == (1.06, 1.18, 1.28)
    supply = catalog.cooling_option("d2c_1p").figure("supply_temp_c")
    assert (supply.low, supply.value, supply.high, supply.kind) == (30, 37.5, 45, "estimate")


def test_costs_are_scalars_with_their_own_unit(catalog):
    assert catalog.cost("wacc") == 0.10
    assert catalog.cost_item("capex_ai_dense").figure("value").unit == "usd_per_mw_critical_it"
    assert catalog.cost("rel_mtbf_per_gpu") == 50700
    assert catalog.cost("obs_power_h100") == 1489
    assert catalog.cost("rent_discount_36m") > catalog.cost("rent_discount_12m") > 0


def test_regions_own_figures(catalog):
    assert catalog.region("cn_west").need("tariff_usd_per_kwh") == 0.051
    assert catalog.region("cn_guizhou").need("carbon_kg_per_kwh") == pytest.approx(0.568)
    assert catalog.region("us_va").need("carbon_kg_per_kwh") == pytest.approx(0.245)
    assert catalog.region("se").need("tariff_usd_per_kwh") == pytest.approx(0.102)
    assert catalog.region("us").need("build_capex_usd_per_mw") == 11.7e6
    assert catalog.region("cn").need("colo_usd_per_kw_month") == 80


def test_regions_fall_back_and_say_whose_figure_it_is(catalog):
    guizhou = catalog.region("cn_guizhou")
    assert guizhou.need("tariff_usd_per_kwh") == 0.051
    assert guizhou.figure("tariff_usd_per_kwh").note.startswith("figure of region cn_west")
    assert guizhou.figure("build_capex_usd_per_mw").note.startswith("figure of region cn:")
    assert guizhou.need("build_capex_usd_per_mw") == 5e6
    assert "figure of region" not in guizhou.figure("carbon_kg_per_kwh").note
    assert catalog.region("jp").figure("build_capex_usd_per_mw").note.startswith("figure of region world")


def test_every_region_is_complete(catalog):
    for region in catalog.regions.values():
        for field in (
            "tariff_usd_per_kwh",
            "carbon_kg_per_kwh",
            "build_capex_usd_per_mw",
            "colo_usd_per_kw_month",
            "water_usd_per_m3",
            "design_dry_bulb_c",
            "design_wet_bulb_c",
            "free_cooling_hours_per_year",
        ):
            assert region.get(field) is not None, (region.id, field)
        assert region.need("design_wet_bulb_c") < region.need("design_dry_bulb_c")


def test_field_table_is_sound():
    assert len({(spec.field, kind) for spec in FIELDS for kind in spec.kinds}) == sum(len(s.kinds) for s in FIELDS)
    for kind in RECORD_KINDS:
        names = [name for spec in FIELDS if kind in spec.kinds for name in (spec.field, *spec.aliases)]
        assert len(names) == len(set(names)), kind
    assert specs("chips")["bf16_tflops_dense"].field == "bf16_fp16_tflops_dense"
    assert specs("chips")["idle_power_fraction_of_tdp"].field == "idle_power_fraction"
    assert specs("systems")["price_usd_typical"].field == "price_usd"
    assert all(spec.description and spec.lower < spec.upper for spec in FIELDS)


def test_models_come_lazily_and_by_alias(catalog):
    assert catalog.model("deepseek-v3").id in catalog.models
    with pytest.raises(InputError, match="unknown model"):
        catalog.model("no-such-model-at-all")


def test_digest_is_stable_and_a_sha256(catalog):
    assert load_catalog().digest == catalog.digest
    assert len(catalog.digest) == 64


def test_check_names_what_is_thin(catalog):
    warnings = {problem.path: problem.message for problem in check_catalog(catalog)}
    assert warnings["systems.oisa.chip_ids"] == "which chip it is sold with is unknown"
    assert warnings["systems.hgx_h800.price_usd"] == "price is unknown: it can only be rented"
    assert warnings["systems.atlas_950_1024.price_usd"] == "neither a price nor a rent is known"
    assert "systems.dgx_h100.price_usd" not in warnings
    assert not any(path.startswith("regions.") for path in warnings)


def test_loading_is_quick():
    best = math.inf
    for _ in range(3):
        start = time.process_time()
        load_catalog()
        best = min(best, time.process_time() - start)
    assert best < 0.25
