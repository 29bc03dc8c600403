"""``planner app``: starts Streamlit on the app that came with the planner, with the options of ``settings``."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from planner.catalog.load import data_path
from planner.errors import InputError, Problem
from planner.settings import CATALOG
from planner.ui.settings import SERVER_OPTIONS, Settings

CATALOG_VARIABLE = CATALOG.name
"""Environment variable with the folder that is merged over the catalog."""


def config_toml() -> str:
    """The server options as the text of a ``.streamlit/config.toml``."""
    sections: dict[str, list[str]] = {}
    for name, value in SERVER_OPTIONS.items():
        section, _, key = name.rpartition(".")
        sections.setdefault(section, []).append(f"{key} = {json.dumps(value)}")
    return "\n".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items())


def launch(port: int = 8501, catalog_dir: Path | None = None) -> int:
    """Serve the app until it is interrupted; returns its exit code.

    Raises ``InputError`` where Streamlit is not installed, the catalog folder is none or a setting is wrong.
    """
    missing = [name for name in ("streamlit", "altair", "sqlalchemy") if importlib.util.find_spec(name) is None]
    if missing:
        remedy = 'Install it: pip install "ai-compute-planner[app]".'
        raise InputError(Problem(f"the app needs {' and '.join(missing)}, not installed here", remedy=remedy))
    Settings.from_environment(os.environ)
    environment = dict(os.environ)
    if catalog_dir is not None:
        if not catalog_dir.is_dir():
            raise InputError(Problem("is not a folder", file=str(catalog_dir), remedy="Name a folder of your figures."))
        environment[CATALOG_VARIABLE] = str(catalog_dir.resolve())
    sys.stderr.write(f"The app is at http://{SERVER_OPTIONS['server.address']}:{port} (stop it with Ctrl-C)\n")
    sys.stderr.flush()
    # Streamlit reads its options from the folder it is started in, so it gets one of its own.
    with tempfile.TemporaryDirectory(prefix="planner-app-") as folder:
        config = Path(folder) / ".streamlit" / "config.toml"
        config.parent.mkdir()
        config.write_text(config_toml(), encoding="utf-8")
        line = [sys.executable, "-m", "streamlit", "run", str(data_path("app.py")), f"--server.port={port}"]
        with subprocess.Popen(line, env=environment, cwd=folder) as process:  # noqa: S603  our interpreter, our file
            before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())  # never leave the server behind
            try:
                return process.wait()
            except KeyboardInterrupt:
                process.terminate()
                process.wait()
                raise
            finally:
                signal.signal(signal.SIGTERM, before)
