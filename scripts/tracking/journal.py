"""The journal of a run: every metric, artefact and change of status, one JSON object a line, on local disk.

The journal is the truth and MLflow a copy of it: an outage of the tracking server loses nothing. A line is appended by
one ``write``, so that a killed process leaves at most one incomplete last line; readers pass over it, and over lines
that hold no record.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ..runs.run_files import JOURNAL

STATUSES = ("RUNNING", "FINISHED", "FAILED", "KILLED")


class Journal:
    """Append-only record of a run.

    Args:
        run_dir: folder of the run; the journal is ``metrics.jsonl`` in it, opened by the first record.
    """

    def __init__(self, run_dir: str | Path) -> None:
        self.path = Path(run_dir) / JOURNAL
        self._file: BinaryIO | None = None
        self._repeated: dict[tuple[str, int], float] = {}

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Record values of one step; a value that is not finite is recorded as it is."""
        values = {name: float(value) for name, value in metrics.items()}
        new = {name: v for name, v in values.items() if not _is_same(v, self._repeated.pop((name, step), None))}
        if new:
            self._append({"metrics": new, "step": step})

    def expect_repeats(self, step: int) -> None:
        """Pass over values that are here already, when a resumed training repeats what it did from ``step`` on.

        A killed training has recorded more than its last checkpoint holds. On a machine that computes the same again,
        the curves show no trace of that; where it does not, the later value is the one that counts. Step 0 is recorded
        when a training ends, so that each process that finds it at its end repeats that.
        """
        if self.path.is_file():
            for record, _ in read_records(self.path):
                if record.get("step", -1) >= step or record.get("step") == 0:
                    self._repeated |= {(name, record["step"]): value for name, value in record["metrics"].items()}

    def log_artifact(self, file: str | Path, folder: str) -> None:
        """Record that ``file``, a path inside the run folder, belongs to the run's artefacts under ``folder``."""
        self._append({"artifact": Path(file).relative_to(self.path.parent).as_posix(), "folder": folder})

    def log_status(self, status: str) -> None:
        """Record how the run is from now on, "RUNNING", "FINISHED", "FAILED" or "KILLED", and force it to the disk."""
        self._append({"status": status})
        self.flush()

    def flush(self) -> None:
        """Force what was recorded to the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush and close; a further record opens it again."""
        if self._file is not None:
            self.flush()
            self._file.close()
            self._file = None

    def _append(self, record: dict[str, Any]) -> None:
        line = json.dumps({**record, "time": time.time_ns() // 1_000_000}, separators=(",", ":"))
        if self._file is None:
            self._file = self.path.open("ab")
            if self._file.tell() and not self.path.read_bytes().endswith(b"\n"):
                self._file.write(b"\n")  # a killed process left an incomplete line
        self._file.write(line.encode() + b"\n")
        self._file.flush()


def _is_same(value: float, before: float | None) -> bool:
    return before is not None and (value == before or (math.isnan(value) and math.isnan(before)))


def read_records(path: Path, offset: int = 0) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the whole records of a journal from a byte offset on, each with the offset behind it."""
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):  # a line that a disk has damaged
                continue
            if _is_record(record):
                yield record, offset


def _is_record(record: Any) -> bool:
    """Whether a line holds what this class writes; the times of restored runs are not known."""
    if not isinstance(record, dict) or not _is_whole(record.get("time", 0)) or record.get("time", 0) < 0:
        return False
    if "metrics" in record and not (_is_whole(record.get("step")) and _are_numbers(record["metrics"])):
        return False
    if "artifact" in record and not all(isinstance(record.get(key), str) for key in ("artifact", "folder")):
        return False
    return record.get("status", STATUSES[0]) in STATUSES


def _are_numbers(metrics: Any) -> bool:
    return isinstance(metrics, dict) and all(
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and name.encode("utf-8", "ignore").decode() == name
        for name, value in metrics.items()
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def read_curve(path: Path, name: str) -> dict[int, float]:
    """One metric by step, the last value where a step was recorded twice."""
    records = (record for record, _ in read_records(path) if "metrics" in record)
    return {r["step"]: v for r in records if not math.isnan(v := r["metrics"].get(name, math.nan))}


def read_curves(path: Path, names: Sequence[str]) -> dict[str, dict[int, float]]:
    """Several metrics by name and step, in one reading; the last value where a step was recorded twice."""
    curves: dict[str, dict[int, float]] = {name: {} for name in names}
    for record, _ in read_records(path) if path.is_file() else ():
        for name, value in record.get("metrics", {}).items():
            if name in curves and not math.isnan(value):
                curves[name][record["step"]] = value
    return curves
