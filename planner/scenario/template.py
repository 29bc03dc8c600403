"""The scenario that ``planner init`` writes: it plans as it stands, and shows what else can be said."""

from __future__ import annotations

STARTER = """\
# A scenario: what must be computed, where it may stand, what limits it, what is best.
#
#   planner plan THIS_FILE                    the plan, its price and its proof
#   planner plan THIS_FILE --variant growth   the same with some numbers changed (see the end)
#   planner catalog list systems              the names to use below; also: chips, models, regions, cooling
#
# Units are part of every name. 1e12 is a number. Leave out what does not limit you.

name: My first plan
version: 1
start: 2026-10                 # month the hardware is bought
horizon_years: 4               # the years that cost covers
objective: cost                # cost, time, power, carbon or throughput; a list is in order of importance
# finance: {discount_rate: 0.10}

sites:
  - name: hall_1
    region: us_tx              # tariff, carbon, climate and build cost come from the catalog
    power_mw: 2                # at the meter
    # racks: 60
    cooling: [air_crah, d2c_1p_hybrid]
    # tariff_usd_per_kwh: 0.06           # your own figures go over the region's
    # ownership: colo                    # rented space: a price per kW and month instead of a building
    # installed: [{system: hgx_h100_oem, count: 4, since: 2024-03}]   # what stands there already

hardware:
  systems: [hgx_h100_oem, dgx_h200, mi300x_8]
  # vendors: [NVIDIA, AMD]               # or filters instead of a list
  # exclude: [h100_sxm]
  # acquire: [buy, rent]                 # rented systems stand elsewhere

# limits: {capex_usd: 20e6, chips: 256, carbon_t_per_year: 5e3}

# What the catalog calls unknown must be supplied here; the plan lists it beside its result.
# assume:
#   systems: {hgx_h800: {price_usd: 270000}}

workloads:
  - name: assistant
    kind: serving
    model: llama-3.1-70b
    precision: [fp8, bf16]     # any of these; every one that a chip has competes
    input_tokens: 2000
    output_tokens: 400
    requests_per_s: 10
    ttft_ms: 1500
    tpot_ms: 50
  - name: tuning
    kind: training
    model: llama-3.1-8b
    tokens: 50e9
    sequence_length: 8192
    global_batch: 256          # sequences in a step
    finish_within_days: 30

overrides:                     # named changes; dots reach any field, elements go by their name
  growth: {workloads.assistant.requests_per_s: 20}
  cheap_power: {sites.hall_1.tariff_usd_per_kwh: 0.04}
variants:
  cheap_growth: [cheap_power, growth]

# solve: {gap: 0.001, time_limit_s: 120, reproducible: true}
"""


def starter() -> str:
    """The text of a commented scenario that plans as it stands."""
    return STARTER
