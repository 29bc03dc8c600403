"""Power of a system: published nodes and clusters, exact sums, the capping law."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import Figure, Region, load_catalog
from planner.errors import InputError, UnknownFigureError
from planner.facility.cooling import CoolingPair, cooling_pair
from planner.facility.power import PHASE_ACTIVITY, SystemPower, speed_at_cap, system_power

CATALOG = load_catalog()


def pair_of(system: str, chip: str, cooling: str, region: Region | None = None) -> CoolingPair:
    return cooling_pair(CATALOG, CATALOG.system(system), CATALOG.chip(chip), cooling, region or CATALOG.region("us"))


def power_of(system: str, chip: str, cooling: str, *, activity: float = 0.9, network: float = 0.0) -> SystemPower:
    pair = pair_of(system, chip, cooling)
    record, part = CATALOG.system(system), CATALOG.chip(chip)
    return system_power(CATALOG, record, part, pair, activity=activity, network_w_per_chip=network)


def test_h100_node_peak_and_training_average() -> None:
    """D1: 8 x H100, nameplate 10.2 kW: highest observed 8.4 kW, training at 0.76 of nameplate (arXiv:2412.08602)."""
    power = power_of("dgx_h100", "h100_sxm", "air_crah", activity=PHASE_ACTIVITY["train"])
    assert power.basis == "measured"
    assert power.it_peak_w == pytest.approx(8400.0, rel=1e-9)
    assert power.it_average_w == pytest.approx(0.76 * 10200.0, rel=0.10)


def test_nameplate_without_measurement_takes_the_measured_share() -> None:
    power = power_of("hgx_h800", "h800_sxm", "air_crah")
    assert power.basis == "nameplate"
    assert power.it_peak_w == pytest.approx(0.82 * 10200.0, rel=1e-9)


@pytest.mark.parametrize(("chip_w", "node_kw"), [(0.0, 1.85), (350.0, 4.86), (700.0, 8.0)])
def test_h100_node_over_load(chip_w: float, node_kw: float) -> None:
    """Published all-in IT power of an 8 x H100 server: 1.85 / 4.86 / 8.0 kW at 0 / 350 / 700 W per GPU."""
    chip = CATALOG.chip("h100_sxm")
    cold = chip.with_figures({"idle_power_fraction": Figure(0.0, "fraction", "test", "assumption")})
    system, pair = CATALOG.system("dgx_h100"), pair_of("dgx_h100", "h100_sxm", "air_crah")
    power = system_power(CATALOG, system, cold, pair, activity=chip_w / 700.0)
    assert power.it_average_w == pytest.approx(node_kw * 1e3, rel=0.12)


@pytest.mark.parametrize(
    ("system", "chip", "item"),
    [("dgx_h100", "h100_sxm", "obs_power_h100"), ("dgx_a100_320", "a100_40_sxm", "obs_power_a100")],
)
def test_reported_clusters(system: str, chip: str, item: str) -> None:
    """Reported power per accelerator of whole clusters (Epoch AI): within quartiles or 15% of the median."""
    power = power_of(system, chip, "air_inrow", network=60.0)
    per_chip = float(power.facility_average_w) / power.chips
    record = CATALOG.costs[item]
    figure = record.figure("value")
    assert figure is not None
    assert figure.low is not None
    assert figure.high is not None
    inside = figure.low <= per_chip <= figure.high
    assert inside or per_chip == pytest.approx(record.need("value"), rel=0.15)


def test_supernode_and_rack_draw_what_their_makers_state() -> None:
    assert power_of("cloudmatrix384", "ascend_910c", "d2c_1p").it_peak_w == pytest.approx(559e3, rel=1e-9)
    assert power_of("gb200_nvl72", "gb200", "d2c_1p").it_peak_w == pytest.approx(132e3, rel=1e-9)


def test_liquid_moves_the_fans_out() -> None:
    air = power_of("hgx_h100_oem", "h100_sxm", "air_crah")
    liquid = power_of("hgx_h100_oem", "h100_sxm", "d2c_1p")
    for part in ("chips", "host", "nics"):
        assert air.breakdown[part] == liquid.breakdown[part]
    fans_air, fans_liquid = float(air.breakdown["fans"]), float(liquid.breakdown["fans"])
    assert fans_air / float(air.it_average_w) == pytest.approx(0.17)
    assert fans_liquid / float(liquid.it_average_w) == pytest.approx(0.04)
    assert liquid.facility_average_w < air.facility_average_w


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0, 1),
    st.floats(0.3, 1),
    st.floats(0, 500),
    st.sampled_from([("dgx_h100", "h100_sxm", "air_crah"), ("gb200_nvl72", "gb200", "d2c_1p")]),
)
def test_breakdown_sums_exactly_and_average_is_below_peak(
    activity: float, cap: float, network: float, what: tuple[str, str, str]
) -> None:
    pair = pair_of(*what)
    system, chip = CATALOG.system(what[0]), CATALOG.chip(what[1])
    p = system_power(CATALOG, system, chip, pair, activity=activity, network_w_per_chip=network, power_cap=cap)
    assert list(p.breakdown) == ["chips", "host", "nics", "fans", "network", "cooling_and_losses"]
    assert sum(float(v) for v in p.breakdown.values()) == p.facility_average_w
    assert sum(float(v) for v in p.peak_breakdown.values()) == p.facility_peak_w
    assert p.it_average_w <= p.it_peak_w
    assert p.facility_average_w <= p.facility_peak_w
    assert all(float(v) >= 0.0 for v in p.breakdown.values())


def test_arrays_agree_with_scalars() -> None:
    pair = pair_of("dgx_h100", "h100_sxm", "air_crah")
    system, chip = CATALOG.system("dgx_h100"), CATALOG.chip("h100_sxm")
    caps, acts = np.array([0.6, 0.8, 1.0])[:, None], np.array([0.0, 0.5])
    many = system_power(CATALOG, system, chip, pair, activity=acts, power_cap=caps)
    assert np.shape(many.facility_average_w) == (3, 2)
    one = system_power(CATALOG, system, chip, pair, activity=0.5, power_cap=0.8)
    assert np.asarray(many.facility_average_w)[1, 1] == one.facility_average_w
    assert np.asarray(many.breakdown["fans"])[1, 1] == one.breakdown["fans"]


def test_what_is_unknown_is_named_and_assumed() -> None:
    """The S5000's TDP is not published: left out until a scenario supplies it."""
    pair = pair_of("sgx5000", "mtt_s5000_liquid", "d2c_1p")
    system, chip = CATALOG.system("sgx5000"), CATALOG.chip("mtt_s5000_liquid")
    with pytest.raises(UnknownFigureError, match="tdp_w") as caught:
        system_power(CATALOG, system, chip, pair, activity=0.9)
    assert (caught.value.kind, caught.value.record_id) == ("chips", "mtt_s5000_liquid")
    given_tdp = chip.with_figures({"tdp_w": Figure(700.0, "w", "scenario", "assumption")})
    power = system_power(CATALOG, system, given_tdp, pair, activity=0.9)
    assert power.basis == "estimate"
    assert 8 * 700.0 < float(power.it_peak_w) < 10200.0


@pytest.mark.parametrize(("name", "value"), [("power_cap", 0.05), ("power_cap", 1.2), ("activity", 1.5)])
def test_bad_inputs_are_input_errors(name: str, value: float) -> None:
    pair = pair_of("dgx_h100", "h100_sxm", "air_crah")
    arguments = {"activity": 0.9, name: value}
    with pytest.raises(InputError):
        system_power(CATALOG, CATALOG.system("dgx_h100"), CATALOG.chip("h100_sxm"), pair, **arguments)


@pytest.mark.parametrize(
    ("cap", "best", "worst"),
    [(0.9, 0.95, 0.93), (0.857, 0.93, 0.89), (0.8, 0.90, 0.85), (0.714, 0.84, 0.77), (0.5, 0.69, 0.54)],
)
def test_capping_law_values(cap: float, best: float, worst: float) -> None:
    """Values of the law at (s, a) = (0.2, 2.6) and (0.3, 2.0)."""
    assert speed_at_cap(cap, 0.2, 2.6) == pytest.approx(best, abs=0.006)
    assert speed_at_cap(cap, 0.3, 2.0) == pytest.approx(worst, abs=0.006)


def test_decode_keeps_its_speed_under_a_deep_cap() -> None:
    assert speed_at_cap(0.6, memory_bound_share=1.0) == 1.0
    assert speed_at_cap(0.5, memory_bound_share=1.0) < 1.0
    assert speed_at_cap(0.2, memory_bound_share=1.0) == 0.0


def test_capping_gains_stay_below_the_published_bounds() -> None:
    """D3: at most +13% throughput in a power-limited facility; optimum +6% (s 0.2, a 2.6), none at s 0.3, a 2.0."""
    caps = np.linspace(0.4, 1.0, 601)
    fixed = 0.3

    def gain(s: float, a: float) -> float:
        return float(np.max(np.asarray(speed_at_cap(caps, s, a)) / (fixed + (1.0 - fixed) * caps)))

    assert gain(0.2, 2.6) == pytest.approx(1.06, abs=0.01)
    assert gain(0.3, 2.0) <= 1.005
    assert max(gain(s, a) for s in (0.2, 0.25, 0.3) for a in (2.0, 2.3, 2.6)) <= 1.13


@settings(max_examples=80, deadline=None)
@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.15, 0.35), st.floats(1.8, 3.0), st.floats(0, 1))
def test_speed_rises_with_the_cap(c1: float, c2: float, s: float, a: float, m: float) -> None:
    low, high = speed_at_cap(min(c1, c2), s, a, m), speed_at_cap(max(c1, c2), s, a, m)
    assert 0.0 <= low <= high + 1e-12
    assert high <= 1.0
    assert speed_at_cap(1.0, s, a, m) == 1.0


def test_site_power_by_hand() -> None:
    """8 chips of 1 kW, idle 0.1, nameplate 15 kW x 0.82, fans rated 0.2 and drawing 0.1, PUE 1.25, on the day 1.5."""
    chip = CATALOG.chip("h100_sxm").with_figures(
        {
            "tdp_w": Figure(1000.0, "w", "test", "assumption"),
            "idle_power_fraction": Figure(0.1, "fraction", "test", "assumption"),
        }
    )
    system = CATALOG.system("hgx_h800").with_figures(
        {"power_kw_server_max": Figure(15.0, "kw", "test", "assumption")},
    )
    pair = CoolingPair("x", 1.25, 1.2, 1.5, 1.5, 0.1, 0.2, 50.0, 0.0, 0.0, 1.0, 0.5)
    power = system_power(CATALOG, system, chip, pair, activity=0.5, network_w_per_chip=50.0)
    rest = 0.82 * 15_000.0 * 0.8  # chips, host and NICs at full load
    assert float(power.it_peak_w) == pytest.approx(rest / 0.9 + 400.0)
    average = (rest - 8000.0 + 8 * (100.0 + 900.0 * 0.5)) / 0.9 + 400.0
    assert float(power.it_average_w) == pytest.approx(average)
    assert float(power.facility_peak_w) == pytest.approx(1.5 * float(power.it_peak_w))
    assert float(power.facility_average_w) == pytest.approx(1.25 * average)
    assert float(power.breakdown["nics"]) == pytest.approx(8 * 25.0)
