"""Carbon of energy and of hardware."""

import pytest

from planner.catalog import load_catalog
from planner.cost.carbon import BOARD_KG_H100, embodied_kg, embodied_kg_per_chip, operational_kg
from planner.cost.finance import HOURS_PER_YEAR

CATALOG = load_catalog()


def test_h100_and_b200_boards() -> None:
    """NVIDIA: B200 emits 0.50/0.66 per FLOP at 2.3 times the FLOPs of the H100: 1.74 times for the board."""
    h100, b200 = (embodied_kg_per_chip(CATALOG, CATALOG.chip(c)) for c in ("h100_sxm", "b200_sxm"))
    assert h100 == pytest.approx(CATALOG.cost("co2_embodied_h100"))
    server = h100 - BOARD_KG_H100
    assert (b200 - server) / (h100 - server) == pytest.approx(2.3 * 0.50 / 0.66, rel=0.02)


def test_operation_dwarfs_making_except_on_clean_grids() -> None:
    """About 4.7 t per GPU and year at 0.55 kg/kWh; embodied 1-4% of five years, 10-30% at 0.05 kg/kWh."""
    yearly = float(operational_kg(0.97 * HOURS_PER_YEAR, 0.55))
    assert yearly == pytest.approx(4700, rel=0.02)
    made = embodied_kg_per_chip(CATALOG, CATALOG.chip("h100_sxm"))
    assert 0.01 <= made / (5 * yearly + made) <= 0.04
    clean = float(operational_kg(0.97 * HOURS_PER_YEAR, 0.05))
    assert 0.10 <= made / (5 * clean + made) <= 0.30


def test_embodied_is_spread_over_life_and_never_more_than_all() -> None:
    assert float(embodied_kg(250.0, 8, 1.0, 4.0)) == pytest.approx(500.0)
    assert float(embodied_kg(250.0, 8, 9.0, 4.0)) == pytest.approx(2000.0)
