"""Many scenarios: a sweep file expanded, planned on the cores of one machine, kept, and summed up. Resumable."""

from planner.sweep.file import Case, Sweep, load_sweep
from planner.sweep.outcome import CaseResult, SweepOutcome, summary_csv, summary_rows, sweep_table
from planner.sweep.run import run_sweep

__all__ = [
    "Case",
    "CaseResult",
    "Sweep",
    "SweepOutcome",
    "load_sweep",
    "run_sweep",
    "summary_csv",
    "summary_rows",
    "sweep_table",
]
