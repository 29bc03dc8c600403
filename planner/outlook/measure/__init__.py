"""What to measure next: runs ranked by what they are expected to save, with the command and the row to fill in."""

from planner.outlook.measure.ask import measure
from planner.outlook.measure.result import Decision, Measure, Measurement

__all__ = ["Decision", "Measure", "Measurement", "measure"]
