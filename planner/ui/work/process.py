"""A worker process as the pool has it: hired, asked, listened to, killed."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys

from planner.ui.work.request import Request, Result, Tell

_LOG = logging.getLogger(__name__)
FAULT = "The planner failed on this scenario. This is our fault; the server's log says more."


class Worker:
    """One process; it imports the planner while nothing is asked of it yet."""

    def __init__(self) -> None:
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "planner.ui.work.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            encoding="utf-8",
            start_new_session=os.name == "posix",  # Ctrl-C reaches the server, and the server ends its workers
        )
        self.stopped = False

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def run(self, request: Request, tell: Tell) -> Result:
        """Ask, and listen to the end. A worker that dies of itself is a fault, one that was stopped an empty result."""
        told, said = self._process.stdin, self._process.stdout
        if told is None or said is None:
            raise RuntimeError("a worker without pipes")
        try:
            told.write(request.line() + "\n")
            told.flush()
            for line in said:
                data = json.loads(line)
                if "result" in data:
                    result = Result.of(data["result"])
                    if result.fault:
                        _LOG.error("planning failed: %s", result.fault)
                        return Result(fault=FAULT)
                    return result
                tell(data["stage"], data["share"])
        except (OSError, ValueError):
            pass
        if self.stopped:
            return Result()
        self._process.wait()
        _LOG.error("a worker ended without an answer, exit code %s", self._process.returncode)
        return Result(fault=FAULT)

    def stop(self) -> None:
        """Kill it; the solvers that it started end with it."""
        self.stopped = True
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
