"""Numbers and names as people read them: three significant digits, SI units, millions of dollars.

Every face (console, HTML report, app) formats through here, so that one figure never appears in two forms.
All functions take plain numbers or None; None is shown as a dash.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping

from planner.answer.plan import Parallelism, Plan
from planner.answer.words import KNOWN_FIGURES

DASH = "–"
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_SI = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_MONEY_LONG = ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"))
_MONEY_SHORT = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))

_WORDS = {
    "ai": "AI",
    "capex": "capital",
    "cdu": "CDU",
    "cpu": "CPU",
    "cp": "CP",
    "dp": "DP",
    "ep": "EP",
    "ettr": "ETTR",
    "flops": "FLOPs",
    "gemm": "GEMM",
    "gemms": "GEMMs",
    "gpu": "GPU",
    "hbm": "HBM",
    "it": "IT",
    "kv": "KV",
    "mfu": "MFU",
    "mla": "MLA",
    "moe": "MoE",
    "nic": "NIC",
    "nics": "NICs",
    "opex": "running cost",
    "p2p": "point-to-point",
    "pp": "PP",
    "pue": "PUE",
    "ssm": "state space",
    "tco": "TCO",
    "tp": "TP",
    "tpot": "TPOT",
    "ttft": "TTFT",
    "ups": "UPS",
}
_UNIT_ENDINGS = ("_usd", "_mw", "_gb", "_s", "_w", "_kw", "_bytes", "_ms")

STATUS_WORDS: Mapping[str, str] = {
    "proven_optimal": "proven optimal",
    "within_gap": "optimal within the gap",
    "feasible": "a plan, limit reached before the proof",
    "infeasible": "no plan can exist",
    "unbounded": "unbounded: the model has a fault",
    "no_plan_found": "no plan found within the limits",
    "failed": "the solver failed",
}
ROLE_WORDS: Mapping[str, str] = {
    "train": "training",
    "serve": "serving",
    "prefill": "prefill",
    "decode": "decode",
    "recommend": "recommendation",
    "post_train": "post-training",
    "generate": "generation",
}


def clean(text: object) -> str:
    """Text safe for a terminal and a page: control and bidirectional-override characters become spaces."""
    return "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else c for c in str(text))


def status_words(plan: Plan) -> str:
    """What the status of a plan means; a proof over known figures is not called one over all hardware."""
    words = STATUS_WORDS[plan.status]
    return f"{words} {KNOWN_FIGURES}" if plan.status == "infeasible" and plan.lacks_figures else words


def number(value: float | None, digits: int = 3) -> str:
    """``digits`` significant digits with thousands separators: 1,230,000; 41.2; 0.00512."""
    if value is None or not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    mantissa, _, power_of_ten = f"{value:.{digits - 1}e}".partition("e")
    exponent = int(power_of_ten)
    if exponent >= 15 or exponent < -5:
        return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{exponent}"
    rounded = float(f"{mantissa}e{exponent}")
    decimals = max(0, digits - 1 - exponent)
    text = f"{rounded:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(value: float | None) -> str:
    """A whole number in full: 12,345."""
    return DASH if value is None or not math.isfinite(value) else f"{round(value):,}"


def si(value: float | None, unit: str = "") -> str:
    """With an SI prefix: 1.23 M tokens/s."""
    if value is None or not math.isfinite(value):
        return DASH
    factor, prefix = next(((f, p) for f, p in _SI if abs(_rounded(value)) >= f), (1.0, ""))
    joint = " " if len(unit) > 3 and prefix else ""  # 2.99 M tokens/s, but 3 GW
    return f"{number(value / factor)} {prefix}{joint}{unit}".rstrip()


def _rounded(value: float) -> float:
    """Three significant digits, so that 999.9 becomes 1 k and not 1,000."""
    return float(f"{value:.3g}")


def usd(value: float | None, *, short: bool = False) -> str:
    """$412 million; short: $412M. Below a million in full."""
    if value is None or not math.isfinite(value):
        return DASH
    sign, size = ("-" if value < 0 else ""), abs(_rounded(value))
    for factor, word in _MONEY_SHORT if short else _MONEY_LONG:
        if size >= factor:
            return f"{sign}${number(abs(value) / factor)}{word}"
    return f"{sign}${number(abs(value))}"


def percent(fraction: float | None, digits: int = 3) -> str:
    """A fraction as a percentage: 41.2%."""
    return DASH if fraction is None or not math.isfinite(fraction) else f"{number(100 * fraction, digits)}%"


def share(fraction: float) -> str:
    """A part of a whole: 61%, 8.5%, <0.1%."""
    if 0 < fraction < 0.001:
        return "<0.1%"
    value = 100 * fraction
    return f"{value:.0f}%" if abs(value) >= 9.95 else f"{number(round(value, 1), 2)}%"


def gap(fraction: float | None) -> str:
    """An optimality gap: '0%' only where it is zero to the last digit shown."""
    if fraction is None or not math.isfinite(fraction):
        return DASH
    if abs(fraction) < 5e-9:
        return "0%"
    return f"{100 * fraction:.2g}%"


def seconds(value: float | None) -> str:
    """A duration in the unit that suits it: 3.21 s, 45 µs, 4.2 min, 3.1 h."""
    if value is None or not math.isfinite(value):
        return DASH
    if abs(_rounded(value)) < _TIMES[-1][0]:  # the tail of a smooth maximum: nobody waits for it
        return "0 s"
    if abs(value) >= 172_800:
        return f"{number(value / 86_400)} days"
    if abs(value) >= 7_200:
        return f"{number(value / 3_600)} h"
    if abs(value) >= 120:
        return f"{number(value / 60)} min"
    factor, unit = next(((f, u) for f, u in _TIMES if abs(_rounded(value)) >= f), (1.0, "s"))
    return f"{number(value / factor)} {unit}"


def days(value: float | None) -> str:
    """57.3 days; 1 day; 4.2 h where it is less than two days."""
    if value is None or not math.isfinite(value):
        return DASH
    return seconds(value * 86_400) if abs(value) < 2 else f"{number(value)} days"


def power(mw: float | None) -> str:
    """3.94 MW, 812 kW, 40 W."""
    if mw is None or not math.isfinite(mw):
        return DASH
    size = abs(_rounded(mw))
    if size >= 1 or size == 0:
        return f"{number(mw)} MW"
    return f"{number(mw * 1e3)} kW" if size >= 1e-3 else f"{number(mw * 1e6)} W"


def gigabytes(value: float | None) -> str:
    """61.2 GB, 340 MB."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{number(value)} GB" if abs(_rounded(value)) >= 1 or value == 0 else f"{number(value * 1e3)} MB"


def rate(value: float | None, unit: str = "tokens/s") -> str:
    """1.23 M tokens/s."""
    if value is None:
        return DASH
    return si(value, unit) if abs(value) >= 1e3 else f"{number(value)} {unit}".rstrip()


def plural(n: int, word: str) -> str:
    """1 option, 2 options."""
    return f"{count(n)} {word}" if n == 1 else f"{count(n)} {word}s"


_BY_UNIT: Mapping[str, Callable[[float | None], str]] = {
    "usd": usd,
    "mw": power,
    "s": seconds,
    "days": days,
    "fraction": percent,
    "gb": gigabytes,
}
_UNITS: Mapping[str, str] = {
    "w": "W",
    "kw": "kW",
    "tflops": "TFLOPS",
    "pflops": "PFLOPS",
    "tops": "TOPS",
    "gb_s": "GB/s",
    "tb_s": "TB/s",
    "gbit_s": "Gbit/s",
    "tbit_s": "Tbit/s",
    "gib": "GiB",
    "tb": "TB",
    "us": "µs",
}
"""Units of catalog figures as they are written on paper; others stand as they are."""
_PLURALS = frozenset({"chips", "systems", "racks", "units", "days", "years", "requests", "samples", "tokens"})
_COUNTED = frozenset({"chips", "systems", "racks", "units"})


def quantity(value: float | None, unit: str = "") -> str:
    """A value with its unit, in the form that suits the unit."""
    key = unit.strip().lower()
    if key in _BY_UNIT:
        return _BY_UNIT[key](value)
    if value is None:
        return DASH
    if key in _COUNTED:
        return f"{count(value)} {unit}"
    if key.startswith("usd/"):
        return f"{usd(value)} per {unit[4:].strip('()')}"
    if key == "usd per unit":
        return f"{usd(value)} per unit"
    if key.startswith("usd_per_"):
        return f"{usd(value)} per {unit[8:].replace('_per_', ' per ').replace('_', ' ')}"
    return f"{number(value)} {_UNITS.get(key, unit)}".rstrip()


def worth(value: float | None, unit: str) -> str:
    """What one more unit of a limit is worth: '$1.2 million per MW', '-0.4 days per rack'."""
    if value is None:
        return DASH
    for joint in (" per ", "/"):
        head, found, tail = unit.partition(joint)
        if found and head:
            one = tail.strip("()")
            return f"{quantity(value, head)} per {_singular(one)}"
    return quantity(value, unit)


def _singular(unit: str) -> str:
    head, slash, tail = unit.partition("/")
    return f"{head.removesuffix('s') if head in _PLURALS else head}{slash}{tail}"


def label(key: str) -> str:
    """A name of a breakdown as a heading: ``tp_exposed_s`` is 'TP exposed', ``energy_usd`` is 'Energy'."""
    text = phrase(key)
    first = text.split(" ", maxsplit=1)[0]
    return text[:1].upper() + text[1:] if first == first.lower() else text


def phrase(key: str) -> str:
    """The same within a sentence: 'energy', but still 'TP exposed'."""
    text = clean(key)
    for ending in _UNIT_ENDINGS:
        if text.endswith(ending) and len(text) > len(ending):
            text = text.removesuffix(ending)
            break
    return " ".join(_WORDS.get(word.lower(), word) for word in text.replace("_", " ").split()) or text


OWN_LAYOUT = frozenset({"train", "post_train", "generate"})
"""Roles whose data parallelism is not of attention alone."""


def layout(p: Parallelism, *, serving: bool = False) -> str:
    """How a model is laid over chips, without what is one: 'TP 8 · PP 16 · DP 16 · ZeRO 1'."""
    parts = [
        f"{name} {size}"
        for name, size in (
            ("TP", p.tp),
            ("PP", p.pp),
            ("VPP", p.vpp),
            ("attention DP" if serving else "DP", p.dp),
            ("CP", p.cp),
            ("EP", p.ep),
        )
        if size > 1
    ]
    parts = parts or ["one chip"]
    if p.sp:
        parts.append("SP")
    if p.zero_stage:
        parts.append(f"ZeRO {p.zero_stage}")
    if p.micro_batch is not None:
        parts.append(f"micro-batch {p.micro_batch}")
    if p.global_batch is not None:
        parts.append(f"global batch {count(p.global_batch)}")
    if p.recompute not in {None, "none"}:
        parts.append(f"{p.recompute} recompute")
    if p.batch is not None:
        parts.append(f"batch {count(p.batch)}")
    if p.rollout is not None:
        r = p.rollout
        widths = "".join(f" {n} {v}" for n, v in (("TP", r.tp), ("DP", r.dp), ("EP", r.ep)) if v > 1) or " one chip"
        parts.append(f"rollout {r.placement}: {count(r.replicas)} x{widths}")
    if p.drafts:
        parts.append(f"{p.drafts} draft{'s' if p.drafts > 1 else ''} a step")
    if p.chunk_tokens:
        parts.append(f"chunk {count(p.chunk_tokens)}")
    return " · ".join(parts)
