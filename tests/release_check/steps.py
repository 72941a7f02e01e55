"""What a step of the release check found, and commands that it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Finding:
    """What is wrong, what could not be looked at here, and whether anything could be."""

    faults: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    looked: bool = True

    @property
    def state(self) -> str:
        """In a word or two: nothing is called good that was not looked at."""
        if self.faults:
            return "FAULTS"
        return "not checked" if not self.looked else "good, as far as it was checked" if self.unchecked else "good"


class CommandError(RuntimeError):
    """A command did not do what it should; the message says which, and the end of what it said."""


def run(
    command: Sequence[str | Path],
    cwd: Path,
    *,
    code: int = 0,
    limit: float = 900,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a command in a folder and return what it said; ``python`` is this interpreter.

    Raises:
        CommandError: it ended with another exit code.
    """
    words = [sys.executable if word == "python" else str(word) for word in command]
    kept = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "MLFLOW_TRACKING_URI"}}
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit,
        check=False,
    )
    if done.returncode != code:
        tail = "\n    ".join(done.stdout.splitlines()[-12:])
        raise CommandError(f"{' '.join(map(str, command))}\n    ended with {done.returncode}, not {code}:\n    {tail}")
    return done.stdout
