"""Records of a journal, sent to one MLflow run: what it refuses for good is left out, and everything else goes on."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .names import safe_name
from .refusals import TrackingRefusedError, is_refusal, reason, remedy
from .stores import require_answer

logger = logging.getLogger(__name__)

RENAMED_TAG = "adfl.metric_names"  # JSON: the name in MLflow, and that in the journal
TAG_LENGTH = 5000  # characters, the most that every database of MLflow takes
Record = dict[str, Any]


class Sender:
    """Sends records to an MLflow run.

    Args:
        client: an ``MlflowClient``.
        tracking_uri: its address, asked for a sign of life.
        run_id: MLflow's id of the run.
        run_dir: folder of the run; no file outside it is sent.
        answered: called after each answer.
        refused: called with a thing that MLflow refuses, the reason and the remedy.
    """

    def __init__(
        self,
        client: Any,
        tracking_uri: str,
        run_id: str,
        run_dir: Path,
        answered: Callable[[], None],
        refused: Callable[[str, str, str], None],
    ) -> None:
        self.client = client
        self.tracking_uri = tracking_uri
        self.run_id = run_id
        self.run_dir = run_dir.resolve()
        self._answered = answered
        self._refused = refused
        self._renamed: dict[str, str] = {}

    def send(self, records: list[Record]) -> None:
        """Send points, then files, then the last status of some records; may raise, and may be called again."""
        self._send_points([point for record in records for point in _points(record)])
        for file, folder in {(r["artifact"], r["folder"]): None for r in records if "artifact" in r}:
            self._send_artifact(file, folder)
        statuses = [record for record in records if "status" in record]
        if statuses:
            self._send_status(statuses[-1])

    def _send_points(self, points: list[tuple[str, float, int, int]]) -> None:
        if not points:
            return
        from mlflow.entities import Metric

        metrics = [Metric(safe_name(name), value, time, step) for name, value, time, step in points]
        try:
            self.client.log_batch(self.run_id, metrics=metrics)
        except Exception as error:
            if not is_refusal(error):
                raise
            self.require_run()
            if len({point[0] for point in points}) == 1:  # one metric: none of its points here will be taken
                self._refused(f"metric {points[0][0]}", reason(error), remedy(error))
                return
            names = sorted({point[0] for point in points})
            half = set(names[: len(names) // 2])
            self._send_points([point for point in points if point[0] in half])
            self._send_points([point for point in points if point[0] not in half])
            return
        self._answered()
        self._say_renamed({safe_name(point[0]): point[0] for point in points})

    def _say_renamed(self, names: dict[str, str]) -> None:
        new = {safe: name for safe, name in names.items() if safe != name and safe not in self._renamed}
        if new:
            self._renamed |= new
            self.client.set_tag(self.run_id, RENAMED_TAG, json.dumps(self._renamed, ensure_ascii=False)[:TAG_LENGTH])

    def _send_artifact(self, file: str, folder: str) -> None:
        path = (self.run_dir / file).resolve()
        if self.run_dir not in path.parents:
            self._refused(f"artefact {file}", "it lies outside the run folder", "no run of this bundle asks for that")
            return
        for part, place in _files(path, folder):
            try:
                self.client.log_artifact(self.run_id, str(part), place or None)
            except Exception as error:
                if not part.exists():
                    continue  # replaced meanwhile by a resumed training, which records what it has put there
                self._forgive(error)
                name = part.relative_to(self.run_dir).as_posix()
                self._refused(f"artefact {name}", reason(error), remedy(error))
            else:
                self._answered()

    def _forgive(self, error: Exception) -> None:
        """Raise an artefact's error again unless it is the artefact's own: MLflow answers, and has the run.

        Servers often refuse a large file by closing the connection in its middle, which looks like an outage.
        """
        if not is_refusal(error):
            require_answer(self.tracking_uri)
        self.require_run()

    def _send_status(self, record: Record) -> None:
        if record["status"] == "RUNNING":
            self.client.update_run(self.run_id, status="RUNNING")
        else:
            self.client.set_terminated(self.run_id, record["status"], end_time=record.get("time"))
        self._answered()

    def require_run(self) -> None:
        """Raise if the run or its experiment was put into MLflow's trash, where nothing can be written."""
        run = self.client.get_run(self.run_id)
        self._answered()
        experiment = self.client.get_experiment(run.info.experiment_id)
        if experiment.lifecycle_stage != "active":
            raise TrackingRefusedError(deleted_experiment(experiment))
        if run.info.lifecycle_stage != "active":
            raise TrackingRefusedError(
                f"MLflow's run {run.info.run_name} was deleted there; to have it back: "
                f"mlflow runs restore --run-id {self.run_id}, then sync"
            )


def deleted_experiment(experiment: Any) -> str:
    """What to say of an experiment in MLflow's trash."""
    return (
        f"MLflow's experiment {experiment.name} was deleted there; name another by --experiment_name, or restore it: "
        f"mlflow experiments restore --experiment-id {experiment.experiment_id}, then sync"
    )


def _points(record: Record) -> Iterator[tuple[str, float, int, int]]:
    for name, value in record.get("metrics", {}).items():
        yield name, value, record.get("time", 0), record["step"]


def _files(path: Path, folder: str) -> list[tuple[Path, str]]:
    """The files of an artefact, each with the folder that it goes to; none where it is gone."""
    if path.is_file():
        return [(path, folder)]
    inside = sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else []
    return [(part, (Path(folder) / part.relative_to(path).parent).as_posix().removeprefix(".")) for part in inside]
