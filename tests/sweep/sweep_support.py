"""A small scenario and sweep files over it."""

from __future__ import annotations

from pathlib import Path

SCENARIO = """\
name: small
start: 2026-10
sites:
  - {name: hall, region: us_va, power_mw: 1, cooling: [air_crah]}
hardware: {systems: [hgx_h100_oem]}
workloads:
  - name: chat
    kind: serving
    model: llama-3.1-8b
    input_tokens: 1000
    output_tokens: 200
    requests_per_s: 5
    disaggregated: never
    parallelism: {tp: 1, pp: 1}
overrides:
  cheap: {sites.hall.tariff_usd_per_kwh: 0.03}
"""


def sweep_file(folder: Path, text: str, scenario: str = SCENARIO) -> Path:
    """A sweep file beside its scenario."""
    (folder / "small.yaml").write_text(scenario, encoding="utf-8")
    file = folder / "sweep.yaml"
    file.write_text(text, encoding="utf-8")
    return file
