"""Whole racks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import Figure, System, load_catalog
from planner.errors import InputError, UnknownFigureError
from planner.facility.space import rack_power_w, rack_refusal, racks_for, systems_per_rack


def server(most: float | None = None, units: float | None = None) -> System:
    figures = {}
    if most is not None:
        figures["servers_per_rack"] = Figure(None, "servers", "test", "assumption", low=1.0, high=most)
    if units is not None:
        figures["rack_units_per_server"] = Figure(units, "rack_units", "test", "assumption")
    return System("box", "Box", figures=figures, kind="server")


@pytest.mark.parametrize(
    ("watts", "limit", "most", "expected"),
    [(8400.0, 20.0, 4, 2), (8400.0, 100.0, 4, 4), (8400.0, 8.0, 4, 0), (4000.0, 20.0, None, 5), (8400.0, 8.4, 4, 1)],
)
def test_servers_fill_a_rack_by_power_and_places(watts: float, limit: float, most: float | None, expected: int) -> None:
    assert systems_per_rack(server(most), watts, limit) == expected


def test_rack_units_limit_where_the_maker_says_nothing() -> None:
    assert systems_per_rack(server(units=8), 1000.0, 500.0) == 5
    # nobody says how tall it is: a rack unit a chip, 40 units a rack
    assert systems_per_rack(server(), 1000.0, np.inf) == 5


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5000), st.floats(500, 20000), st.floats(1, 200), st.integers(1, 16))
def test_racks_hold_all_and_none_is_spare(count: int, watts: float, limit: float, most: int) -> None:
    system = server(most)
    fits = systems_per_rack(system, watts, limit)
    if fits == 0:
        with pytest.raises(InputError, match="one server draws"):
            racks_for(system, count, watts, limit)
        return
    racks = int(racks_for(system, count, watts, limit))
    assert (racks - 1) * fits < count <= racks * fits or count == racks == 0
    assert fits * watts <= limit * 1e3 * (1 + 1e-6)
    assert int(racks_for(system, count, watts, limit * 2)) <= racks


def test_supernodes_bring_their_racks() -> None:
    catalog = load_catalog()
    matrix = catalog.system("cloudmatrix384")
    assert racks_for(matrix, np.array([1, 3]), 559e3, 60.0).tolist() == [16, 48]
    assert rack_power_w(matrix, 559e3) == pytest.approx(35e3)
    reason = rack_refusal(matrix, 559e3, 30.0)
    assert reason is not None
    assert "35.0 kW" in reason
    nvl72 = catalog.system("gb200_nvl72")
    assert systems_per_rack(nvl72, 132e3, 140.0) == 1
    assert systems_per_rack(nvl72, 132e3, 120.0) == 0
    pod = System("pod", "Pod", kind="pod", figures={"chips_total": Figure(256.0, "chips", "test", "assumption")})
    with pytest.raises(UnknownFigureError, match="racks"):
        racks_for(pod, 1, 1e6, 1e4)
