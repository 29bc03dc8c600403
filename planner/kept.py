"""Files of the user's cache folder: what can be made again, never anything that runs when it is read.

A file that is missing, damaged or of another user is not used, and a folder that cannot be written is no fault.
``PLANNER_CACHE=off`` keeps nothing on disk.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from planner.settings import cache_folder


def read_kept(name: str) -> bytes | None:
    """The bytes of a kept file; None where there is nothing to use."""
    folder = cache_folder()
    if folder is None:
        return None
    file = folder / name
    try:
        if hasattr(os, "getuid") and file.stat().st_uid != os.getuid():
            return None
        return file.read_bytes()
    except OSError:
        return None


def write_kept(name: str, data: bytes, siblings: str, most: int) -> None:
    """Keep bytes on disk, whole or not at all; of the files like ``siblings`` (a pattern) the newest ``most`` stay."""
    folder = cache_folder()
    if folder is None:
        return
    temporary = folder / f".{secrets.token_hex(6)}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.write_bytes(data)
        temporary.replace(folder / name)
        for path in sorted(folder.glob(siblings), key=_age)[:-most]:
            path.unlink(missing_ok=True)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
