"""Processes that know the studied bundle's ``scripts`` and not ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import UserError
from ..grid import PlannedRun

START = Path(__file__).with_name("start.py")
TREE_OF_OURS = Path(__file__).resolve().parents[3]


def do_run_in_bundle(study_dir: Path, name: str, threads: int) -> None:
    """Become the process of a run; for ``run_locally``."""
    os.setsid()  # Ctrl-C at the terminal reaches the starter alone, which then asks the runs to stop
    words = [sys.executable, str(START), "run", str(study_dir), name, str(threads)]
    os.execve(sys.executable, words, _environment())


def check_in_bundle(runs: Sequence[PlannedRun]) -> Mapping[str, Any]:
    """Let a process look at all that the runs would do (``check.py``).

    Raises:
        UserError: something is wrong; what that process says.
    """
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.json"
        plan.write_text(json.dumps([run.record() for run in runs]), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(START), "check", str(plan)],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    said = done.stderr.strip().splitlines()
    if done.returncode != 0:
        raise UserError(next((line.removeprefix("error: ") for line in said if line.startswith("error: ")), said[-1]))
    facts: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return facts


def _environment() -> dict[str, str]:
    """This process's environment without our tree among the folders of modules."""
    folders = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    kept = [one for one in folders if Path(one).resolve() != TREE_OF_OURS]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(kept)}
