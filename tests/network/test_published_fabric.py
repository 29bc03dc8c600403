"""What was published of supernode fabrics: cases A5 and A6."""

from planner.catalog import load_catalog
from planner.network.bill_of_materials import scale_up_fabric

CATALOG = load_catalog()


def test_remote_memory_over_fabric_and_network() -> None:
    """A5: an A3 NPU writes remote host memory at 64 GB/s, reads it at 103, over RoCE at 20 (HIXL design document)."""
    rate = {
        name: CATALOG.interconnects[f"remote_dram_{name}_a3"].need("gb_s_unidir_per_chip")
        for name in ("write", "read", "roce")
    }
    assert rate == {"write": 64.0, "read": 103.0, "roce": 20.0}


def test_optics_of_cloudmatrix() -> None:
    """A6: 18 modules an NPU (14 scale-up, 4 scale-out); 8-12 W each are 10-14% of 559-600 kW (arXiv:2506.12708)."""
    system = CATALOG.system("cloudmatrix384")
    fabric = scale_up_fabric(system, CATALOG)
    chips = int(system.need("chips_total"))
    assert fabric.optics == 18 * chips == 6912
    assert fabric.scale_up_optics == 14 * chips
    middle = fabric.optics * 10.0 / (system.need("power_kw_total") * 1e3)
    assert 0.10 <= middle <= 0.14
