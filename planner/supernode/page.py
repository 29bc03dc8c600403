"""The figures of docs/supernodes.md, planned again: ``python -m planner.supernode.page docs/supernodes.md``.

Rewrites what stands between the two marks of the page and nothing else; some minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from planner.answer.plan import write_text
from planner.answer.words import money, number
from planner.supernode.ask import supernode
from planner.supernode.result import Step, SupernodeAnswer

BEGIN, END = "<!-- planner.supernode.page begins -->", "<!-- planner.supernode.page ends -->"
LEVELS: tuple[tuple[str, str | None, str], ...] = (
    ("kv-pool", None, "prompts that repeat across users (an API), DeepSeek-V3"),
    ("kv-pool", "chat", "the same, chat sessions"),
    ("recommender-supernode", None, "a recommender of a trillion parameters"),
    ("deepseek-v3-serving", None, "DeepSeek-V3 serving"),
    ("deepseek-v3-pretrain", "made_in_china_8mw", "DeepSeek-V3 pre-training, 8 MW"),
    ("supernode-or-servers", None, "serving and fine-tuning of DeepSeek-V3"),
)
"""Shipped scenarios looked into with a supernode: name, variant, in words."""
MOVERS: tuple[tuple[str, str | None, str], ...] = (
    ("kuae-10k", None, "10,000 S5000, dense 70B"),
    ("kuae-10k", "moe", "10,000 S5000, mixture of experts 236B"),
    ("deepseek-v3-pretrain", "made_in_china_8mw", "DeepSeek-V3 pre-training on S5000, 8 MW"),
    ("robobrain-1000-cards", None, "RoboBrain on about 1,000 cards"),
)
"""Scenarios of the S5000, with its engines against cores."""


def tables() -> Iterator[str]:
    """Lines of the two tables, in Markdown."""
    yield "The supernode is CloudMatrix384 (384 Ascend 910C). Each level is planned again; the change is against the"
    yield "level before (negative is better), in brackets what a chip may cost more for it.\n"
    heads = (
        "load", "objective", "L0, a stack of servers", "L1", "L2", "L3", "L4", "days of the run, L0 to L4",
        "L4 without the domain's links", "as sold, against the scenario's best",
    )  # fmt: skip
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for name, variant, words in LEVELS:
        yield _level_row(words, f"{name}{f' ({variant})' if variant else ''}", _answer(name, variant, "cloudmatrix384"))
    yield ""
    yield "Who moves the bytes, on the S5000: its engines (ACE, sigma 0) against the same chip with cores that move"
    yield "them (sigma 0.15). The last column is the most that an engine may be worth: with the 1.71 times of overlap"
    yield "that were measured beside kernels.\n"
    yield "| load | with cores | with engines | time | worth | pays up to, a chip | with most overlap |"
    yield "|---|---|---|---|---|---|---|"
    for name, variant, words in MOVERS:
        yield _mover_row(words, f"{name}{f' ({variant})' if variant else ''}", _answer(name, variant, "sgx5000"))


def _answer(name: str, variant: str | None, system: str) -> SupernodeAnswer:
    return supernode(name, variant=variant, system=system)


def _change(s: Step) -> str:
    if s.value is None:
        return f"no plan ({s.status})"
    if s.worth is None:
        return "–"
    pays = f" ({money(s.pays_usd_per_chip)})" if s.pays_usd_per_chip and abs(s.worth) >= 5e-4 else ""
    return f"{s.worth:+.1%}{pays}" if abs(s.worth) >= 5e-4 else "0"


def _value(s: Step, unit: str) -> str:
    if s.value is None:
        return f"no plan ({s.status})"
    return money(s.value) if unit == "USD" else f"{number(s.value)} {unit}"


def _level_row(words: str, scenario: str, a: SupernodeAnswer) -> str:
    first, *others = a.levels
    loses = next((s for s in a.taken_away if s.name.startswith("without fast links")), None)
    against = "it is the best" if a.as_sold.worth is not None and abs(a.as_sold.worth) < 5e-4 else _change(a.as_sold)
    if a.even_usd_per_chip is not None and a.price_usd_per_chip is not None and against != "it is the best":
        against += f"; even at {money(a.even_usd_per_chip)} a chip, now {money(a.price_usd_per_chip)}"
    cells = (f"{words}: `{scenario}`", a.objective, _value(first, a.unit), *map(_change, others),
             _days(first, a.levels[-1]), "–" if loses is None else _change(loses), against)  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _days(first: Step, last: Step) -> str:
    return f"{number(first.days)} to {number(last.days)}" if first.days and last.days else "–"


def _mover_row(words: str, scenario: str, a: SupernodeAnswer) -> str:
    cores, engines, most = a.movers
    sooner = "–" if not cores.days or not engines.days else f"{number(cores.days)} to {number(engines.days)} days"
    worth = "–" if engines.worth_usd is None else money(engines.worth_usd)
    pays = "–" if engines.pays_usd_per_chip is None else money(engines.pays_usd_per_chip)
    chips = f"{_value(cores, a.unit)}, {cores.chips or 0:,} chips"
    with_engines = f"{_value(engines, a.unit)} ({_change(Step(**{**engines.model_dump(), 'pays_usd_per_chip': None}))})"
    cells = (f"{words}: `{scenario}`", chips, f"{with_engines}, {engines.chips or 0:,} chips", sooner, worth, pays,
             _change(Step(**{**most.model_dump(), "pays_usd_per_chip": None})))  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the marked part of the page named by the only argument."""
    (name,) = sys.argv[1:] if arguments is None else arguments
    path = Path(name)
    body = "\n".join(tables())
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    write_text(path, f"{before}{BEGIN}\n\n{body}\n\n{END}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
