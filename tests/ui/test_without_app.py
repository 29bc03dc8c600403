"""Without the extra [app]: planning works, and what needs Streamlit or Altair says how to get it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'streamlit', 'altair', 'pyarrow', 'distributed'}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name in {'streamlit', 'altair'} else real(name, *a)
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    """A process in which the extras are not installed."""
    return subprocess.run([sys.executable, "-c", HIDE + code], capture_output=True, text=True, cwd=ROOT)


def test_the_app_names_its_extra() -> None:
    """Exit code 2 and the command to run."""
    done = run("from planner.cli import run; sys.exit(run(['app']))")
    assert done.returncode == 2
    assert 'pip install "ai-compute-planner[app]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_charts_name_it_too_and_frames_do_not_need_it() -> None:
    """A plan without Altair: frames work, ``plot`` is an InputError."""
    done = run(
        "import planner\n"
        "c = planner.load_catalog(); assert len(c.frame('chips')) > 50\n"
        "from planner.answer.views import PlanViews\n"
        "try:\n    PlanViews().plot\n"
        "except planner.InputError as error:\n    print(error)\n"
    )
    assert done.returncode == 0, done.stderr
    assert "ai-compute-planner[app]" in done.stdout


def test_dask_names_its_extra() -> None:
    """Before anything is planned."""
    done = run(
        "import planner\nfrom planner.sweep.engine import run_tasks\n"
        "try:\n    list(run_tasks([('k', {})], 'dask', 1, None))\n"
        "except planner.InputError as error:\n    print(error)\n"
    )
    assert "ai-compute-planner[cluster]" in done.stdout, done.stderr
