"""Bills of materials against the published topology rows, and relations that must hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import load_catalog
from planner.errors import InputError
from planner.network.bill_of_materials import fat_tree, optics_2024, scale_up_fabric

CATALOG = load_catalog()
TREES = ("topo_ft2", "topo_ft3")
RAILS = ("topo_mpft", *(f"topo_rail_{n}" for n in (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)))


@pytest.mark.parametrize("row", [*TREES, *RAILS])
def test_published_rows(row: str) -> None:
    """Switches and links exactly, cost within 10% at the prices of the sheets' year; eight planes where rails are."""
    record = CATALOG.interconnects[row]
    n = int(record.need("endpoints"))
    optics = optics_2024(CATALOG)
    bill = fat_tree(n, 400.0, catalog=CATALOG, planes=8 if row in RAILS else 1, optics=optics)
    assert bill.switches == record.need("switches")
    links = record.get("inter_switch_links")
    assert links is None or bill.links == links
    assert float(bill.price_usd) / n == pytest.approx(record.need("cost_usd_per_endpoint"), rel=0.10)
    total = record.get("cost_usd_total")
    assert total is None or float(bill.price_usd) == pytest.approx(total, rel=0.10)


@pytest.mark.parametrize(("speed", "k"), [(400.0, 64), (200.0, 128), (800.0, 64)])
def test_closed_forms_of_a_full_tree(speed: float, k: int) -> None:
    """k^2/2 endpoints take 3k/2 switches and as many links, k^3/4 take 5k^2/4; a 64 x 400G switch splits to 128."""
    two, three = fat_tree(k * k // 2, speed, catalog=CATALOG), fat_tree(k**3 // 4, speed, catalog=CATALOG)
    assert (int(two.tiers), int(two.switches), int(two.links)) == (2, 3 * k // 2, k * k // 2)
    assert (int(three.tiers), int(three.switches), int(three.links)) == (3, 5 * k * k // 4, 2 * k**3 // 4)


def test_cloudmatrix_optics() -> None:
    """6,912 modules: 14 a chip for scale-up, 4 for scale-out; 10-14% of system power at 8-12 W each."""
    system = CATALOG.system("cloudmatrix384")
    fabric = scale_up_fabric(system, CATALOG)
    assert (fabric.scale_up_optics, fabric.scale_out_optics, fabric.optics) == (5376, 1536, 6912)
    assert fabric.in_system
    share = [fabric.optics * watts / (system.need("power_kw_total") * 1e3) for watts in (8.0, 12.0)]
    assert 0.095 <= share[0] <= share[1] <= 0.15


def test_copper_domains_have_no_optics() -> None:
    for name in ("gb200_nvl72", "hgx_h100_oem", "mtt_c256", "trn2_ultraserver"):
        assert scale_up_fabric(CATALOG.system(name), CATALOG).optics == 0


def test_arrays_agree_with_scalars() -> None:
    sizes = np.array([1, 64, 65, 2048, 2049, 20_000, 65_536, 100_000])
    many = fat_tree(sizes, 400.0, catalog=CATALOG)
    for i, n in enumerate(sizes):
        one = fat_tree(int(n), 400.0, catalog=CATALOG)
        assert (one.tiers, one.planes, one.switches, one.links) == (
            many.tiers[i],
            many.planes[i],
            many.switches[i],
            many.links[i],
        )
        assert one.price_usd == many.price_usd[i]
    assert many.tiers.tolist() == [1, 1, 2, 2, 3, 3, 3, 3]
    assert many.planes.tolist() == [1, 1, 1, 1, 1, 1, 1, 2]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200_000), st.sampled_from([50.0, 200.0, 400.0, 800.0, 1600.0]), st.floats(1.0, 8.0))
def test_every_tree_carries_its_endpoints(n: int, speed: float, ratio: float) -> None:
    bill = fat_tree(n, speed, catalog=CATALOG, oversubscription=ratio)
    radix = {50.0: 256, 200.0: 128, 400.0: 64}.get(speed, 64)
    ports = 2 * int(bill.links) + int(bill.endpoint_links)
    assert ports <= int(bill.switches) * radix
    above_leaf = int(bill.endpoint_links) * (int(bill.tiers) - 1 - (1.0 - 1.0 / ratio) * (int(bill.tiers) > 1))
    assert int(bill.links) >= above_leaf * (1 - 1e-9)
    assert sum(float(v) for v in bill.breakdown.values()) == float(bill.price_usd)
    assert sum(float(v) for v in bill.power_breakdown.values()) == float(bill.power_w)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 65_000), st.integers(1, 500))
def test_more_endpoints_never_cost_less(n: int, more: int) -> None:
    small, large = fat_tree(n, 400.0, catalog=CATALOG), fat_tree(n + more, 400.0, catalog=CATALOG)
    assert small.price_usd <= large.price_usd
    assert small.power_w <= large.power_w


def test_oversubscription_saves_upper_tier_switches() -> None:
    full, seven = (fat_tree(16_384, 400.0, catalog=CATALOG, oversubscription=r) for r in (1.0, 7.0))
    assert seven.switches < full.switches
    assert seven.price_usd < full.price_usd
    leaf_links = 16_384
    assert int(seven.links) - leaf_links == pytest.approx((int(full.links) - leaf_links) / 7.0, rel=0.02)


def test_bad_inputs() -> None:
    for arguments in ({"endpoints": 0}, {"oversubscription": 0.5}, {"planes": 0}, {"endpoints": 10**7}):
        full = {"endpoints": 64, "gbit_s_per_endpoint": 400.0, **arguments}
        with pytest.raises(InputError):
            fat_tree(full.pop("endpoints"), full.pop("gbit_s_per_endpoint"), catalog=CATALOG, **full)  # type: ignore[arg-type]
