"""The app's server without its pages: ``python served.py FOLDER`` has the app plan ``scenario.yaml``.

What a page does when "Plan" is pressed, or, where an earlier server left a plan in the store, when it is started again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from planner.ui import asking, service
from planner.ui.service import Question


def main(folder: Path) -> int:
    """0 where the plan is kept in the store."""
    rows = service.store().plans("")
    if rows:
        row, job = rows[0], asking.again(rows[0])
    else:
        content = (folder / "scenario.yaml").read_bytes()
        draft = service.open_bytes(content, "scenario.yaml", folder)
        row, job = asking.ask(Question.of(draft, None), "killed", content.decode())
    if job is not None and not job.wait(300):
        return 1
    document = service.store().answer(row.key)
    if document is not None:
        (folder / "out").mkdir(exist_ok=True)
        (folder / "out" / "plan.json").write_text(document, encoding="utf-8")
    service.pool().close()
    return 0 if document is not None else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
