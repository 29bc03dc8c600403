"""What the app keeps: questions with their versions, plans, answers and measurements, in a database of its own.

SQLite beside the user's other data, or what ``PLANNER_APP_STORE`` names (a SQLAlchemy URL or the path of a file).
"""

from planner.ui.store.store import Store, store_url
from planner.ui.store.tables import ENDED, RUNNING, Answer, Measurement, PlanRow, QuestionRow, Version

__all__ = ["ENDED", "RUNNING", "Answer", "Measurement", "PlanRow", "QuestionRow", "Store", "Version", "store_url"]
