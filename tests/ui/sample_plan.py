"""Plans as the planner gives them, for tests of the faces: whole, with sums that add up, and adjustable."""

from __future__ import annotations

from planner.answer.plan import (
    Alternative,
    Assumption,
    Binding,
    Conflict,
    Cost,
    Deployment,
    DeploymentPower,
    Interval,
    LeftOut,
    Nearest,
    Objective,
    Parallelism,
    Plan,
    Predicted,
    Proof,
    Totals,
)


def _train(chips: int, days: float, name: str = "pretrain") -> Deployment:
    time = {
        "compute": 4.10,
        "tp_exposed": 0.42,
        "ep_exposed": 0.88,
        "dp_exposed": 0.31,
        "pp_bubble": 0.66,
        "recompute": 0.25,
        "optimizer": 0.08,
        "stragglers": 0.12,
    }
    memory = {"weights": 6.9, "gradients": 3.4, "optimizer": 8.2, "activations": 31.5, "buffers": 4.0}
    power = {
        "chips": 1.31,
        "cpu_and_memory": 0.32,
        "fans": 0.11,
        "network": 0.10,
        "cooling": 0.14,
        "distribution": 0.09,
    }
    cost = {
        "systems": 61e6,
        "network": 9.4e6,
        "cooling": 2.1e6,
        "building": 14e6,
        "energy": 5.6e6,
        "maintenance": 6.3e6,
        "staff": 3.9e6,
    }
    tokens = 14.8e12 / (days * 86400)
    return Deployment(
        workload=name,
        role="train",
        site="guizhou",
        period="2026-10",
        system="hgx_h800",
        chip="h800_sxm",
        cooling="d2c_1p",
        interconnect="NVLink 4 (H800) + 400G InfiniBand",
        systems=chips // 8 + 4,
        replicas=1,
        chips=chips,
        spares=4,
        racks=chips // 32 + 1,
        acquire="buy",
        parallelism=Parallelism(
            tp=1,
            pp=16,
            vpp=2,
            dp=chips // 16,
            ep=64,
            micro_batch=1,
            global_batch=15360,
            zero_stage=1,
            recompute="selective",
        ),
        precision="fp8",
        predicted=Predicted(
            step_time_s=sum(time.values()),
            tokens_per_s=tokens,
            tokens_per_s_per_chip=tokens / chips,
            model_tflops_per_chip=402.0,
            mfu=0.203,
            peak_tflops_per_chip=1979,
            ettr=0.962,
            days=days,
            finish_days=days,
            memory_gb_per_chip=sum(memory.values()),
            memory_limit_gb_per_chip=76.0,
            breakdown=time,
            memory_gb=memory,
            interval=Interval(
                quantity="days", low=days * 0.88, high=days * 1.14, basis="36 measured MoE runs on Hopper"
            ),
        ),
        power=DeploymentPower(
            it_mw=2.21,
            facility_mw=2.52,
            it_average_mw=1.84,
            facility_average_mw=sum(power.values()),
            pue=1.14,
            breakdown_mw=power,
        ),
        cost=Cost(capex_usd=86.5e6, opex_usd_per_year=4.9e6, total_usd=sum(cost.values()), lines_usd=cost),
        carbon_t=48_200,
        water_m3=61_000,
        network={"switches": 96, "links": 4608, "optics": 7200, "price_usd": 9.4e6, "power_w": 1.02e5},
        option="pretrain/hgx_h800/d2c_1p/1",
    )


def _serve() -> Deployment:
    time = {"prefill": 0.61, "queueing": 0.24, "decode": 36.2, "kv_transfer": 0.03}
    memory = {"weights": 42.0, "kv_cache": 61.0, "activations": 6.5, "runtime": 4.0}
    power = {
        "chips": 0.52,
        "cpu_and_memory": 0.11,
        "fans": 0.05,
        "network": 0.03,
        "cooling": 0.07,
        "distribution": 0.04,
    }
    cost = {
        "systems": 22e6,
        "network": 2.2e6,
        "cooling": 0.8e6,
        "building": 5.2e6,
        "energy": 2.2e6,
        "maintenance": 2.1e6,
    }
    return Deployment(
        workload="api",
        role="serve",
        site="guizhou",
        period="2026-10",
        system="cloudmatrix384",
        chip="ascend_910c",
        cooling="d2c_1p",
        interconnect="UB plane, 384 chips",
        systems=2,
        replicas=24,
        chips=768,
        spares=0,
        racks=32,
        acquire="buy",
        parallelism=Parallelism(tp=4, dp=8, ep=32, batch=768, chunk_tokens=4096),
        precision="int8",
        predicted=Predicted(
            tokens_per_s=409_600,
            tokens_per_s_per_chip=533.3,
            input_tokens_per_s=1_638_400,
            requests_per_s=412.0,
            ttft_ms=880,
            tpot_ms=35.4,
            memory_gb_per_chip=sum(memory.values()),
            memory_limit_gb_per_chip=122.0,
            breakdown=time,
            memory_gb=memory,
            interval=Interval(quantity="tokens_per_s", low=341_000, high=482_000, basis="22 measured cases on 910C"),
        ),
        power=DeploymentPower(
            it_mw=0.91,
            facility_mw=1.04,
            it_average_mw=0.71,
            facility_average_mw=sum(power.values()),
            pue=1.14,
            breakdown_mw=power,
        ),
        cost=Cost(capex_usd=30.2e6, opex_usd_per_year=2.3e6, total_usd=sum(cost.values()), lines_usd=cost),
        carbon_t=17_400,
        water_m3=22_500,
        option="api/cloudmatrix384/d2c_1p/24",
    )


def sample_plan(
    scenario: str = "DeepSeek-V3 pre-training and API", chips: int = 2048, variant: str | None = None
) -> Plan:
    """A plan of two deployments; fewer chips take longer."""
    deployments = (_train(chips, 57.3 * 2048 / chips), _serve())
    tco = sum(d.cost.total_usd for d in deployments)
    return Plan(
        planner_version="0.1.0",
        scenario=scenario,
        variant=variant,
        start="2026-10",
        periods=("2026-10",),
        horizon_years=4,
        status="within_gap",
        answer=(
            f"Train on {chips:,} H800 in {57.3 * 2048 / chips:.1f} days and serve 412 requests/s from "
            f"two CloudMatrix384 at guizhou: ${tco / 1e6:.0f} million over 4 years, 3.56 MW at the meter."
        ),
        objective=Objective(
            name="cost",
            unit="usd",
            value=tco,
            bound=tco * 0.9996,
            gap=0.0004,
            priorities=("cost",),
            values={"cost": tco},
        ),
        deployments=deployments,
        totals=Totals(
            chips=sum(d.chips for d in deployments),
            systems=sum(d.systems for d in deployments),
            racks=sum(d.racks for d in deployments),
            it_mw=sum(d.power.it_mw for d in deployments),
            facility_mw=sum(d.power.facility_mw for d in deployments),
            capex_usd=sum(d.cost.capex_usd for d in deployments),
            opex_usd_per_year=sum(d.cost.opex_usd_per_year for d in deployments),
            tco_usd=tco,
            usd_per_m_tokens={"pretrain": 6.9, "api": 0.67},
            carbon_t=sum(d.carbon_t for d in deployments),
            water_m3=sum(d.water_m3 for d in deployments),
        ),
        binding=(
            Binding(
                limit="pretrain must finish within 60 days",
                used=57.3,
                of=60,
                unit="days",
                worth_per_unit=-212_000,
                worth_unit="usd/day",
                note="confirmed by re-solving",
            ),
            Binding(limit="power at guizhou", used=3.56, of=4, unit="MW", worth_per_unit=-1.31e6, worth_unit="usd/MW"),
        ),
        alternatives=(
            Alternative(
                name="without hgx_h800",
                objective=tco * 1.07,
                difference=0.07,
                summary="2,304 MTT S5000 (liquid) instead: 7% dearer, 0.4 MW more.",
            ),
            Alternative(
                name="air only", objective=tco * 1.03, difference=0.03, summary="in-row air cooling, PUE 1.32."
            ),
        ),
        assumptions=(
            Assumption(
                path="chips.mtt_s5000_liquid.tdp_w",
                value=700.0,
                unit="W",
                source="scenario, assume",
                rests_on_it=("alternative without hgx_h800",),
            ),
        ),
        left_out=(
            LeftOut(
                option="sgx5000 with air_crah at guizhou", reason="cooling air_crah is not among those of the site"
            ),
            LeftOut(
                option="hgx_b300 with air_crah at guizhou", reason="cooling air_crah is not among those of the site"
            ),
            LeftOut(option="br20x_server", reason="systems br20x_server: price_usd_typical is not published"),
            LeftOut(option="pretrain on hgx_h20", reason="no candidate finishes within 60 days under 4,096 chips"),
            LeftOut(option="pretrain on mi300x_8", reason="no candidate finishes within 60 days under 2,048 chips"),
        ),
        notes=("Tariff of cn_west comes from its parent cn.",),
        proof=Proof(
            candidates=412_331,
            enumerated=1_205_760,
            options=96,
            pruned=411_870,
            solver="HiGHS 1.15.1 through PuLP 3.3.2",
            bound=tco * 0.9996,
            checked_by="CP-SAT 9.15",
            seconds=8.7,
            seconds_by_room={"performance": 4.4, "solve": 2.6, "verify": 0.7, "catalog": 0.3},
            columns=410,
            rows=77,
            threads=2,
            time_limit_s=120,
            gap_limit=0.001,
        ),
        problem_digest="5d1c" * 16,
        catalog_digest="a07e" * 16,
        versions={"highspy": "1.15.1", "ortools": "9.15", "pulp": "3.3.2"},
        verified=True,
    )


def infeasible_plan(now: float = 0.5, needed: float = 2.4, limit: str = "sites.guizhou.power_mw") -> Plan:
    """No plan: too little power, and the smallest change that helps."""
    return Plan(
        planner_version="0.1.0",
        scenario="DeepSeek-V3 on too little power",
        start="2026-10",
        horizon_years=4,
        status="infeasible",
        answer=f"No plan: pretrain within 60 days needs at least {needed:g} MW at guizhou, and there is {now:g} MW.",
        objective=Objective(name="cost", unit="usd"),
        proof=Proof(
            candidates=91_000, enumerated=300_000, options=40, pruned=90_000, solver="HiGHS 1.15.1", seconds=2.1
        ),
        conflicts=(
            Conflict(
                limits=("power at guizhou", "pretrain must finish within 60 days"),
                message=f"Finishing pretrain in 60 days takes at least {needed:g} MW, but guizhou has {now:g} MW.",
            ),
        ),
        nearest=(
            Nearest(
                limit=limit,
                now=now,
                needed=needed,
                unit="MW",
                confirmed=True,
                message=f"Raise the power at guizhou from {now:g} to {needed:g} MW.",
            ),
        ),
        left_out=(LeftOut(option="br20x_server", reason="price_usd_typical is not published"),),
        verified=True,
    )
