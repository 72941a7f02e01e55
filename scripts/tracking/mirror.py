"""MLflow's copy of a run's journal.

MONAI's ``MLFlowHandler`` writes from the training loop, joins any unfinished run of the experiment and drops points
when
the server is away. Here the journal is written first, and this module brings it over: each run creates its own MLflow
run, known by a tag made before the run exists, and every point carries the time of its record, so that MLflow's own
unique key (run, name, step, time, value) makes bringing a point over twice the same as once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts.files import write_text
from scripts.tracking.journal import JOURNAL_NAME, read_records

STATE_NAME = "tracking.json"
UID_TAG = "adfl.run_uid"
BATCH = 500  # points a call; MLflow takes 1,000 metrics, parameters and tags together


class MlflowMirror:
    """Brings the journal of one run to MLflow; may fail at any call and be called again.

    Args:
        run_dir: folder of the run; ``tracking.json`` in it remembers what MLflow has.
        description: for a new run its ``tracking_uri``, ``experiment_name``, ``run_name``, ``params`` and ``tags``;
            None
            goes on with what ``tracking.json`` says.
        tracking_uri: another address for a run that is known already.
    """

    def __init__(
        self, run_dir: str | Path, description: dict[str, Any] | None = None, tracking_uri: str | None = None
    ) -> None:
        self.run_dir = Path(run_dir)
        self._path = self.run_dir / STATE_NAME
        if description is not None and not self._path.is_file():
            state = {
                **description,
                "uid": uuid.uuid4().hex,
                "run_id": None,
                "offset": 0,
                "status": None,
                "told": None,
            }
            write_text(self._path, json.dumps(state, indent=1))
        self.state: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        self.tracking_uri = tracking_uri or self.state["tracking_uri"]
        self._client: Any = None

    @property
    def pending(self) -> bool:
        """Whether MLflow lacks something that the journal has."""
        journal = self.run_dir / JOURNAL_NAME
        size = journal.stat().st_size if journal.is_file() else 0
        return bool(self.state["offset"] < size or self.state["status"] != self.state["told"])

    def finish(self, status: str) -> None:
        """Remember how the run ended ("FINISHED", "FAILED", "KILLED"); MLflow is told by the next ``push``."""
        self.state["status"] = status
        self._save()

    def push(self) -> None:
        """Bring over what MLflow lacks; raises whatever MLflow raises, with nothing lost."""
        self._ensure_run()
        batch: list[tuple[dict[str, Any], int]] = []
        points = 0
        for record, offset in read_records(self.run_dir / JOURNAL_NAME, self.state["offset"]):
            batch.append((record, offset))
            points += len(record.get("metrics", ()))
            if points >= BATCH:
                self._send(batch)
                batch, points = [], 0
        if batch:
            self._send(batch)
        if self.state["status"] != self.state["told"]:
            self._client.set_terminated(self.state["run_id"], self.state["status"])
            self.state["told"] = self.state["status"]
            self._save()

    def _ensure_run(self) -> None:
        if self._client is not None:
            return
        import mlflow
        from mlflow.entities import Param, RunTag

        with _store_lock(self.tracking_uri):
            client = mlflow.MlflowClient(self.tracking_uri)
            experiment_id = self._experiment(client)
        if self.state["run_id"] is None:
            found = client.search_runs([experiment_id], f"tags.`{UID_TAG}` = '{self.state['uid']}'")
            run = (
                found[0]
                if found
                else client.create_run(
                    experiment_id, tags={UID_TAG: self.state["uid"]}, run_name=self.state["run_name"]
                )
            )
            params = [Param(name, str(value)[:6000]) for name, value in self.state["params"].items()]
            tags = [RunTag(name, str(value)) for name, value in self.state["tags"].items()]
            client.log_batch(run.info.run_id, params=params, tags=tags)
            self.state["run_id"] = run.info.run_id
            self._save()
        self._client = client

    def _experiment(self, client: Any) -> str:
        name = self.state["experiment_name"]
        experiment = client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        database = _sqlite_file(self.tracking_uri)
        location = (database.parent / "mlartifacts").as_uri() if database else None
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except Exception:
            experiment = client.get_experiment_by_name(name)  # another process was first
            if experiment is None:
                raise
            return str(experiment.experiment_id)

    def _send(self, batch: list[tuple[dict[str, Any], int]]) -> None:
        from mlflow.entities import Metric

        run_id = self.state["run_id"]
        points = [
            Metric(name, value, record["time"], record["step"])
            for record, _ in batch
            for name, value in record.get("metrics", {}).items()
        ]
        for start in range(0, len(points), BATCH):
            self._client.log_batch(run_id, metrics=points[start : start + BATCH])
        for record, _ in batch:
            if "artifact" in record and (file := self.run_dir / record["artifact"]).is_file():
                self._client.log_artifact(run_id, str(file), record["folder"] or None)
        self.state["offset"] = batch[-1][1]
        self._save()

    def _save(self) -> None:
        write_text(self._path, json.dumps(self.state, indent=1))


def _sqlite_file(tracking_uri: str) -> Path | None:
    """The database file of an SQLite address, None for a server."""
    if not tracking_uri.startswith("sqlite:///"):
        return None
    return Path(
        urlsplit(tracking_uri).path.removeprefix("/") if os.name == "nt" else tracking_uri[len("sqlite:///") :]
    ).resolve()


@contextlib.contextmanager
def _store_lock(tracking_uri: str) -> Iterator[None]:
    """Let one process at a time create an SQLite store; together they would break it for good."""
    database = _sqlite_file(tracking_uri)
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f"{database.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
