"""Reuse of prefixes against published hit rates, pool sizes and gains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import InputError
from planner.performance.serving.prefix_cache import (
    HIT_CURVES,
    HitCurve,
    Pool,
    Reuse,
    deliverable_hits,
    hit_curve,
    prefill_gain,
    reuse,
    sharing_loss,
    ttft_factor,
    unique_bytes,
)

KAPPA = 70_272.0  # DeepSeek-V3's cache per token in bf16


def test_mooncake_table_of_block_counts() -> None:
    """LRU over Mooncake's trace: 1k to 100k blocks, published to two digits."""
    found = hit_curve("mooncake_blocks").hit([1e3, 10e3, 30e3, 50e3, 100e3, np.inf])
    assert found == pytest.approx([0.30, 0.40, 0.48, 0.50, 0.51, 0.51], abs=0.03)


def test_gains_of_cloudmatrix() -> None:
    assert prefill_gain([0.5, 0.9]) == pytest.approx([1.42, 2.28], rel=0.05)
    assert 1.0 - ttft_factor([0.5, 0.9]) == pytest.approx([0.34, 0.59], rel=0.05)


def test_pool_for_chat_traffic() -> None:
    """6 requests/s of chat: 0.41 GB/s of latent cache nobody has seen, 370 GB for 15 minutes; 1.7 TB of a 70B GQA."""
    most = hit_curve("chat").most
    assert unique_bytes(6.0, 2310.0, most, KAPPA, 1.0) == pytest.approx(0.41e9, rel=0.01)
    assert unique_bytes(6.0, 2310.0, most, KAPPA) == pytest.approx(370e9, rel=0.01)
    assert unique_bytes(6.0, 2310.0, most, 327_680.0) == pytest.approx(1.7e12, rel=0.02)


@given(st.sampled_from(sorted(HIT_CURVES)), st.floats(0.0, 0.98))
@settings(max_examples=60, deadline=None)
def test_size_for_inverts_hit(name: str, share: float) -> None:
    curve = HIT_CURVES[name]
    wanted = share * curve.most
    assert curve.hit(curve.size_for(wanted)) == pytest.approx(wanted, abs=1e-9)
    assert np.isinf(curve.size_for(curve.most))


def test_curves_are_concave_and_end_at_their_most() -> None:
    for curve in HIT_CURVES.values():
        at = curve.hit(np.linspace(0.0, 5.0 * curve.scale, 200))
        assert at[0] == 0.0
        assert np.all(np.diff(at) > 0)
        assert np.all(np.diff(at, 2) < 1e-12)
        assert curve.hit(np.inf) == curve.most


def test_separate_pools_keep_sessions_and_chance() -> None:
    assert sharing_loss([1, 4, 1e9], 0.29) == pytest.approx([1.0, 0.29 + 0.71 / 4, 0.29])
    # the published gain of a global cache over local ones is inside the bound
    assert 1.0 / sharing_loss(16, 0.29) > 2.36


def test_one_pool_is_read_as_its_closed_form() -> None:
    rate = 6_688.0
    for bandwidth in (20e6, 200e6, 469.98e6, 20e9):
        found = deliverable_hits([0.9], [bandwidth], KAPPA, rate)[0]
        assert found == pytest.approx(min(0.9, bandwidth / (KAPPA * rate + 0.6 * bandwidth)), rel=1e-9)
    assert deliverable_hits([0.9], [np.inf], KAPPA, rate)[0] == 0.9


@given(
    st.lists(st.tuples(st.floats(0.0, 0.3), st.floats(1e6, 1e9)), min_size=2, max_size=3),
    st.floats(100.0, 1e5),
)
@settings(max_examples=60, deadline=None)
def test_no_pool_is_read_faster_than_it_can(pools: list[tuple[float, float]], rate: float) -> None:
    got = deliverable_hits([h for h, _ in pools], [b for _, b in pools], KAPPA, rate)
    speed = float(prefill_gain(sum(got)))
    for part, (found, bandwidth) in zip(got, pools, strict=True):
        assert part <= found + 1e-12
        assert KAPPA * rate * part * speed <= bandwidth * (1 + 1e-6)
        # and none is left unread that could be
        assert part == pytest.approx(found, rel=1e-6) or KAPPA * rate * part * speed >= bandwidth * (1 - 1e-6)


def _served(pools: list[Pool], **changes: float) -> Reuse:
    values = {
        "chips": 256.0, "chips_per_server": 8.0, "chips_per_domain": 64.0, "requests_per_s": 200.0,
        "input_tokens": 4096.0, "kv_bytes_per_token": KAPPA, "prefill_tokens_per_s": 5000.0,
    } | changes  # fmt: skip
    return reuse(hit_curve("coder"), pools, **values)  # type: ignore[arg-type]


def test_wider_and_larger_pools_find_more() -> None:
    room = 60e9
    found = [
        reuse(
            hit_curve("coder"), [Pool("p", scope, room)], chips=256, chips_per_server=8, chips_per_domain=64,
            requests_per_s=200.0, input_tokens=4096, kv_bytes_per_token=KAPPA, prefill_tokens_per_s=5000.0,
        ).hit
        for scope in ("chip", "server", "domain", "cluster")
    ]  # fmt: skip
    assert list(found) == sorted(found)
    assert found[0] < found[-1]
    # all scopes are one where all chips are in it
    one = [Pool("p", "domain", room)], [Pool("p", "cluster", room)]
    assert _served(one[0], chips_per_domain=256.0).hit == _served(one[1]).hit
    assert _served([Pool("p", "cluster", 2 * room)]).hit > _served(one[1]).hit


def test_pools_in_turn() -> None:
    near, far = Pool("hbm", "chip", 10e9), Pool("dram", "domain", 200e9, 50e9)
    both, alone = _served([near, far]), _served([near])
    assert both.by_pool["hbm"] == alone.found
    assert sum(both.by_pool.values()) == pytest.approx(both.found)
    assert both.hit == pytest.approx(both.found)
    assert both.hit > alone.hit
    slow = _served([near, Pool("dram", "domain", 200e9, 1e6)])
    assert alone.hit < slow.hit < both.hit
    nothing = _served([])
    assert nothing.hit == 0.0
    assert nothing.prefill_gain == 1.0
    assert nothing.ttft_factor == 1.0


def test_bad_input_names_what_is_near() -> None:
    with pytest.raises(InputError, match="chat"):
        hit_curve("chatt")
    with pytest.raises(InputError, match="domain"):
        Pool("p", "domian", 1e9)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="read_bytes_per_s"):
        Pool("p", "domain", 1e9, 0.0)
    with pytest.raises(InputError, match="shape"):
        HitCurve("mine", 0.5, 0.1, 1.4)
