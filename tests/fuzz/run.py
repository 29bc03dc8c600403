"""The long attack: ``python tests/fuzz/run.py [KIND ...] [--count N] [--seed S] [--keep FOLDER]``.

Every input has a number, and the number alone makes it (``KIND`` and ``seed + number``). An input that ends in anything
but an answer or an ``InputError``, or takes more than five seconds of processor time, is printed, and with ``--keep``
its files are kept. Inputs that once failed are in ``kept.txt`` and replayed by the suite (``test_fuzz.py``).
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from kinds import KINDS

from planner.errors import InputError

LONGEST_S = {"questions": 120.0, "cases": 20.0, "catalogs": 20.0}
"""Processor seconds of one input; five where nothing is planned, searched or calibrated."""


class TooLongError(Exception):
    """An input that hangs."""


def _stop(*_: Any) -> None:
    raise TooLongError


def attack(kind: str, number: int, keep: Path | None = None) -> str:
    """One input: ``answered``, ``refused``, or what went wrong and where."""
    signal.signal(signal.SIGPROF, _stop)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        KINDS[kind].make(random.Random(f"{kind} {number}"), folder)
        wrong = ""
        signal.setitimer(signal.ITIMER_PROF, LONGEST_S.get(kind, 5.0))
        try:
            KINDS[kind].use(folder)
        except InputError as error:
            if error.problems:
                return "refused"
            wrong = "refused without a word"
        except TooLongError:
            wrong = "hangs"
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            wrong = f"{type(error).__name__} in {Path(at.filename).name}:{at.lineno}: {str(error)[:160]}"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if wrong and keep is not None:
            shutil.copytree(folder, keep / f"{kind}-{number}", dirs_exist_ok=True)
        return wrong or "answered"


def main() -> int:
    """The number of inputs that went wrong, as an exit code of 0 or 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=list(KINDS), help=", ".join(KINDS))
    parser.add_argument("--count", type=int, default=1000, help="inputs of each kind")
    parser.add_argument("--seed", type=int, default=0, help="number of the first input")
    parser.add_argument("--keep", type=Path, help="folder for inputs that went wrong")
    asked = parser.parse_args()
    failed = 0
    for kind in asked.kinds:
        told: Counter[str] = Counter()
        begun = time.perf_counter()
        for number in range(asked.seed, asked.seed + asked.count):
            found = attack(kind, number, asked.keep)
            told[found if found in {"answered", "refused"} else "wrong"] += 1
            if found not in {"answered", "refused"}:
                print(f"{kind} {number}: {found}", flush=True)  # noqa: T201
        failed += told["wrong"]
        print(f"{kind}: {dict(told)} in {time.perf_counter() - begun:.0f} s", flush=True)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
