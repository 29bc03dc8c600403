"""Watts, kilowatts, racks and climates by hand, from round figures, so that a factor of a thousand is seen.

Proves: each basis of a system's rated power, how it splits, what a cap leaves, racks, and the climate law at its ends.
Sensitivity: kW for W anywhere, per server for per unit, a limit that is passed exactly.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from planner.catalog import Catalog, Figure
from planner.catalog.records import Chip, Region, System
from planner.errors import InputError
from planner.facility.cooling import CoolingPair, climate_burden
from planner.facility.power import PHASE_ACTIVITY, rated_power_w, speed_at_cap, system_power
from planner.facility.reliability import domain_usable, tray_repair_s
from planner.facility.space import own_racks, rack_power_w, rack_refusal, racks_for, systems_per_rack


def figures(**values: float) -> dict[str, Figure]:
    """Figures by name."""
    return {name: Figure(v, "", "test", "assumption") for name, v in values.items()}


def system(kind: str = "server", **values: float) -> System:
    """A system of eight chips a server."""
    return System("box", "Box", figures=figures(**({"chips_total": 16.0, "chips_per_server": 8.0} | values)), kind=kind)


def chip(text: str = "", **values: float) -> Chip:
    """A chip of 1,000 W that idles at a tenth."""
    given = figures(**({"tdp_w": 1000.0, "idle_power_fraction": 0.1, "scaleout_gbit_s_per_chip": 800.0} | values))
    return Chip("part", "Part", attributes={"tdp_scope": text} if text else {}, figures=given)


def pair(fan: float = 0.2, rated: float = 0.2, pue: float = 1.25, peak: float = 1.5) -> CoolingPair:
    """A way of cooling of round shares."""
    values = {f.name: 0.0 for f in fields(CoolingPair)} | {"cooling_id": "x", "pue": pue, "pue_peak": peak}
    return CoolingPair(**(values | {"fan_fraction": fan, "fan_fraction_rated": rated}))  # type: ignore[arg-type]


def test_every_basis_of_rated_power_in_watts(shipped: Catalog) -> None:
    """Of two servers of eight chips: the whole as stated, racks, a measured server, a nameplate, an estimate."""
    share = shipped.costs["node_power_utilisation"].figure("value")
    assert share is not None
    high = share.high if share.high is not None else share.value
    assert high is not None
    extra = shipped.cost("power_non_gpu") / 700.0
    rate = [
        (system(power_kw_total=50.0), chip(), (50_000.0, 50_000.0, "rack")),
        (system("rack", power_kw_rack=30.0, racks=2.0), chip(), (60_000.0, 60_000.0, "rack")),
        (system(power_kw_server_measured=12.0, power_kw_server_max=15.0), chip(), (24_000.0, 30_000.0, "measured")),
        (system(power_kw_server_measured=12.0), chip(), (24_000.0, 24_000.0, "measured")),
        (system(power_kw_server_max=15.0), chip(), (30_000.0 * high, 30_000.0, "nameplate")),
        (system(), chip(), (16_000.0 * (1 + extra) * high, 16_000.0 * (1 + extra), "estimate")),
        (system(), chip("module"), (16 * (1000.0 + 100.0 + 25.0 * 2) / 0.8,) * 2 + ("estimate",)),
    ]
    for box, part, (peak, nameplate, basis) in rate:
        found = rated_power_w(shipped, box, part, pair())
        assert found == (pytest.approx(peak), pytest.approx(nameplate), basis)
    # the rack figure of one server says nothing of the server
    assert (
        rated_power_w(shipped, system(power_kw_rack=30.0, power_kw_server_max=15.0), chip(), pair())[2] == "nameplate"
    )


def test_power_of_a_system_part_by_part(shipped: Catalog) -> None:
    """25 kW a server, of which fans a fifth: 20 kW of chips, cards and host; on top the network and the site's PUE."""
    box = system(power_kw_server_measured=25.0)
    p = system_power(shipped, box, chip(), pair(fan=0.1), activity=0.8, network_w_per_chip=30.0)
    cards, network = 16 * 25.0 * 800.0 / 400.0, 16 * 30.0
    host = 50_000.0 * 0.8 - 16_000.0 - cards
    average = 16_000.0 * (0.1 + 0.9 * 0.8)
    for parts, chips, pue, it, site in (
        (p.breakdown, average, 1.25, p.it_average_w, p.facility_average_w),
        (p.peak_breakdown, 16_000.0, 1.5, p.it_peak_w, p.facility_peak_w),
    ):
        fans = (chips + host + cards) * 0.1 / 0.9
        whole = chips + host + cards + fans + network
        assert parts == pytest.approx(
            {"chips": chips, "host": host, "nics": cards, "fans": fans, "network": network,
             "cooling_and_losses": whole * (pue - 1)},
        )  # fmt: skip
        assert it == pytest.approx(whole)
        assert site == pytest.approx(whole * pue)
    assert p.chips == 16
    assert p.swing_w == pytest.approx(16_000.0 * (1.0 - (0.1 + 0.9 * 0.5)))


def test_a_cap_cuts_what_stands_above_it(shipped: Catalog) -> None:
    """At activity 0.8 three fifths of the time are at full power, the rest at 55% of TDP: at 0.5 both are cut."""
    box = system(power_kw_server_measured=25.0)
    full = (0.8 - 0.5) / (1 - 0.5)
    for cap, share in ((0.7, full * 0.7 + (1 - full) * 0.55), (0.5, 0.5), (1.0, 0.1 + 0.9 * 0.8)):
        p = system_power(shipped, box, chip(), pair(), activity=0.8, power_cap=cap)
        assert p.breakdown["chips"] == pytest.approx(16_000.0 * share)
        assert p.peak_breakdown["chips"] == pytest.approx(16_000.0 * cap)
    low = system_power(shipped, box, chip(), pair(), activity=0.3)
    assert low.swing_w == pytest.approx(16_000.0 * (1.0 - (0.1 + 0.9 * 0.3)))
    for wrong in ({"activity": 1.01}, {"activity": -0.01}, {"power_cap": 0.1}, {"power_cap": 1.01}):
        with pytest.raises(InputError):
            system_power(shipped, box, chip(), pair(), **({"activity": 0.5} | wrong))
    for end in (0.0, 1.0):
        system_power(shipped, box, chip(), pair(), activity=end)
    assert all(0.0 <= a <= 1.0 for a in PHASE_ACTIVITY.values())
    assert PHASE_ACTIVITY["prefill"] > PHASE_ACTIVITY["train"] > PHASE_ACTIVITY["serve"] > PHASE_ACTIVITY["decode"]


def test_the_least_host_is_kept(shipped: Catalog) -> None:
    """A measured power below what chips and a least host of 100 W a chip take gives way, up to the nameplate."""
    tight = system(power_kw_server_measured=9.0, power_kw_server_max=14.0)
    host = system_power(shipped, tight, chip(), pair(), activity=1.0).peak_breakdown["host"]
    assert host == pytest.approx(16 * 100.0)
    over = system(power_kw_server_measured=9.0, power_kw_server_max=9.5)
    assert system_power(shipped, over, chip(), pair(), activity=1.0).peak_breakdown["host"] == 0.0


def test_the_capping_law_at_its_points() -> None:
    """((c - 1/4) / (3/4))^(1/2.3), and nothing lost by work that waits for memory down to 0.55."""
    assert speed_at_cap(1.0) == 1.0
    assert speed_at_cap(0.25) == 0.0
    assert speed_at_cap(0.7) == pytest.approx(0.6 ** (1 / 2.3))
    assert speed_at_cap(0.55, memory_bound_share=1.0) == 1.0
    assert speed_at_cap(0.4, memory_bound_share=1.0) == pytest.approx(0.5 ** (1 / 2.3))
    half = speed_at_cap(0.7, memory_bound_share=0.5)
    assert half == pytest.approx(1 / (0.5 / 0.6 ** (1 / 2.3) + 0.5))


def test_racks_by_kilowatts_and_places() -> None:
    """A rack's limit is kW, a system's power W; a limit met exactly is met."""
    shelf, cabinet = system(servers_per_rack=4.0), system("rack", racks=2.0, power_kw_rack=70.0)
    assert rack_power_w(shelf, 9000.0) == 9000.0
    assert rack_power_w(cabinet, 100_000.0) == 70_000.0  # the fuller of the two
    assert rack_power_w(cabinet, 160_000.0) == 80_000.0
    assert rack_power_w(system("rack", racks=1.0, power_kw_rack=70.0), 50_000.0) == 50_000.0
    assert rack_refusal(shelf, 9000.0, 9.0) is None
    assert "9.1 kW" in str(rack_refusal(shelf, 9100.0, 9.0))
    assert [systems_per_rack(shelf, 9000.0, kw) for kw in (8.9, 9.0, 18.0, 35.9, 36.0, 90.0)] == [0, 1, 2, 3, 4, 4]
    assert systems_per_rack(cabinet, 100_000.0, 70.0) == 1
    assert list(racks_for(shelf, np.array([0, 1, 4, 5]), 9000.0, 36.0)) == [0, 1, 1, 2]
    assert list(racks_for(cabinet, np.array([0, 3]), 100_000.0, 70.0)) == [0, 6]
    assert own_racks(system("rack", chips_per_rack=12.0)) == 2
    assert (own_racks(shelf), own_racks(cabinet)) == (0, 2)
    assert systems_per_rack(system(), 0.0, 1e3) == 5  # eight chips, a rack unit each, of forty
    bare = replace(system(), figures=figures(chips_total=16.0))
    assert systems_per_rack(bare, 1.0, math.inf) == 5
    with pytest.raises(InputError):
        racks_for(shelf, 1, 9100.0, 9.0)


@pytest.mark.parametrize(
    ("given", "burden"),
    [
        ({"free_cooling_hours_per_year": 8760.0}, (0.0, 0.0)),
        ({"free_cooling_hours_per_year": 2190.0}, (0.75, 0.75)),
        ({"free_cooling_hours_per_year": 0.0, "design_wet_bulb_c": 15.0}, (1.0, 1.0)),
        ({"design_wet_bulb_c": 15.0}, (0.0, 0.0)),
        ({"design_wet_bulb_c": 21.0}, (0.4, 0.4)),
        ({"design_wet_bulb_c": 40.0}, (1.0, 1.0)),
        ({}, (0.5, 0.5)),
        ({"free_cooling_hours_per_year": 8760.0, "design_dry_bulb_c": 30.0}, (0.0, 0.4)),
        ({"free_cooling_hours_per_year": 2190.0, "design_dry_bulb_c": 30.0}, (0.75, 0.75)),
        ({"free_cooling_hours_per_year": 8760.0, "design_dry_bulb_c": 45.0}, (0.0, 1.0)),
        ({"free_cooling_hours_per_year": 8760.0, "design_dry_bulb_c": 5.0}, (0.0, 0.0)),
    ],
)
def test_the_burden_of_a_climate(given: dict[str, float], burden: tuple[float, float]) -> None:
    """Hours before wet bulb before a half; the design day never easier than the year."""
    assert climate_burden(Region("zz", "zz", figures=figures(**given))) == pytest.approx(burden)


def test_trays_of_a_domain_by_the_binomial(shipped: Catalog) -> None:
    """Exact for every number to spare; repair in seconds; one share that is none among many is refused."""
    for spare in range(5):
        exact = sum(math.comb(18, i) * 0.02**i * 0.98 ** (18 - i) for i in range(spare + 1))
        assert float(domain_usable(18, spare, 0.98)) == pytest.approx(exact, rel=1e-12)
    assert tray_repair_s(shipped) == pytest.approx(shipped.cost("rel_tray_repair") * 3600.0)
    for wrong in (np.array([0.9, 1.1]), np.array([0.9, 0.0])):
        with pytest.raises(InputError):
            domain_usable(18, 1, wrong)


def test_a_limit_on_swings_is_filled_while_chips_wait(shipped: Catalog) -> None:
    """16 chips of 1,000 W that wait at 550 W step by 7.2 kW; what a limit takes of it is burnt a fifth of the time."""
    box = system(power_kw_server_measured=25.0)
    free = system_power(shipped, box, chip(), pair(), activity=0.9)
    assert free.swing_w == pytest.approx(16 * 450.0)
    share = 0.5 * 16 * 450.0 / float(free.it_peak_w)
    held = system_power(shipped, box, chip(), pair(), activity=0.9, swing_max=share)
    assert held.swing_w == pytest.approx(0.5 * 16 * 450.0)
    assert held.it_peak_w == free.it_peak_w
    burnt = float(held.breakdown["chips"]) - float(free.breakdown["chips"])
    assert burnt == pytest.approx(0.2 * 0.5 * 16 * 450.0)  # full power 80% of the time: 0.9 = 0.8 + 0.2 x 0.5
    still = system_power(shipped, box, chip(), pair(), activity=0.9, swing_max=0.0)
    assert still.breakdown["chips"] == pytest.approx(16 * 1000.0)
    # a cap smooths too: it steps by less before anything is burnt
    capped = system_power(shipped, box, chip(), pair(), activity=0.9, power_cap=0.7)
    assert capped.swing_w == pytest.approx(16 * 150.0)
    again = system_power(shipped, box, chip(), pair(), activity=0.9, power_cap=0.7, swing_max=0.5)
    assert again.it_average_w == capped.it_average_w
