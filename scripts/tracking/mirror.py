"""MLflow's copy of a run's journal.

MONAI's ``MLFlowHandler`` writes from the training loop, joins any unfinished run of the experiment and drops points
when the server is away. Here the journal is written first, and this module brings it over: each run creates its own
MLflow run, known by a tag made before the run exists, and every point carries the time of its record, so that
MLflow's own unique key (run, name, step, time, value) makes bringing a point over twice the same as once.
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..storage.atomic_files import write_text
from ..storage.locks import file_lock
from .journal import JOURNAL_NAME, read_records
from .stores import require_answer, sqlite_file, store_lock

STATE_NAME = "tracking.json"
UID_TAG = "adfl.run_uid"
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # MLflow's pages of trainings, not of chats
BATCH = 1000  # points a call, the most that MLflow takes
RUNNING = "RUNNING"

# MLflow's own patience (7 retries of 120 s) would hold a call for minutes; here a failed call is made again later.
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class MlflowMirror:
    """Brings the journal of one run to MLflow; may fail at any call and be called again, also by several processes.

    Args:
        run_dir: folder of the run; ``tracking.json`` in it remembers what MLflow has. description: for a new run its
        ``tracking_uri``, ``experiment_name``, ``run_name``, ``params`` and ``tags``; None
            goes on with what ``tracking.json`` says.
        tracking_uri: another address for a run that is known already.
    """

    def __init__(
        self, run_dir: str | Path, description: dict[str, Any] | None = None, tracking_uri: str | None = None
    ) -> None:
        self.run_dir = Path(run_dir)
        self._path = self.run_dir / STATE_NAME
        if description is not None and not self._path.is_file():
            plain = json.loads(json.dumps(description, default=str))
            self.state: dict[str, Any] = {
                **plain,
                "uid": uuid.uuid4().hex,
                "run_id": None,
                "offset": 0,
                "status": None,
                "told": None,
            }
            self._save()
        self.state = json.loads(self._path.read_text(encoding="utf-8"))
        self.tracking_uri = tracking_uri or self.state["tracking_uri"]
        self.calls = 0  # that MLflow has answered
        self._client: Any = None

    @property
    def pending(self) -> bool:
        """Whether MLflow lacks something that the journal has."""
        journal = self.run_dir / JOURNAL_NAME
        size = journal.stat().st_size if journal.is_file() else 0
        return bool(self.state["offset"] < size or self.state["status"] != self.state["told"])

    @property
    def unfinished(self) -> bool:
        """Whether no end of the run is known."""
        return self.state["status"] in (None, RUNNING)

    def finish(self, status: str) -> None:
        """Remember how the run is, "RUNNING", "FINISHED", "FAILED" or "KILLED"; the next ``push`` tells MLflow."""
        self.state["status"] = status
        self._save()

    def push(self) -> None:
        """Bring over what MLflow lacks; raises whatever MLflow raises, with nothing lost."""
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        with file_lock(self.run_dir / ".tracking.lock"):
            known = json.loads(
                self._path.read_text(encoding="utf-8")
            )  # another process may have brought over something
            self.state |= {name: known[name] for name in ("run_id", "offset", "told")}
            require_answer(self.tracking_uri)
            with store_lock(self.tracking_uri):
                self._ensure_run()
                self._push_records()
                self._push_status()

    def _push_records(self) -> None:
        journal = self.run_dir / JOURNAL_NAME
        if not journal.is_file():
            return
        batch: list[tuple[dict[str, Any], int]] = []
        points = 0
        for record, offset in read_records(journal, self.state["offset"]):
            more = len(record.get("metrics", ()))
            if batch and points + more > BATCH:
                self._send(batch)
                batch, points = [], 0
            batch.append((record, offset))
            points += more
        if batch:
            self._send(batch)

    def _push_status(self) -> None:
        status = self.state["status"]
        if status == self.state["told"]:
            return
        if status == RUNNING:
            self._client.update_run(self.state["run_id"], status=RUNNING)
        else:
            self._client.set_terminated(self.state["run_id"], status)
        self.state["told"] = status
        self._save()

    def _ensure_run(self) -> None:
        if self._client is not None:
            return
        import mlflow
        from mlflow.entities import Param, RunTag

        client = mlflow.MlflowClient(self.tracking_uri)
        if self.state["run_id"] is None:
            experiment_id = self._experiment(client)
            found = client.search_runs([experiment_id], f"tags.`{UID_TAG}` = '{self.state['uid']}'")
            tags = {UID_TAG: self.state["uid"]}
            run = found[0] if found else client.create_run(experiment_id, tags=tags, run_name=self.state["run_name"])
            params = [Param(name, str(value)[:6000]) for name, value in _flat(self.state["params"]).items()]
            run_tags = [RunTag(name, str(value)) for name, value in _flat(self.state["tags"]).items()]
            client.log_batch(run.info.run_id, params=params, tags=run_tags)
            self.state |= {"run_id": run.info.run_id, "told": RUNNING}
            self._save()
        self._client = client

    def _experiment(self, client: Any) -> str:
        name = self.state["experiment_name"]
        experiment = client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        database = sqlite_file(self.tracking_uri)
        location = (database.parent / "mlartifacts").as_uri() if database else None
        try:
            return str(client.create_experiment(name, artifact_location=location, tags=EXPERIMENT_TAGS))
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
        if points:
            self._client.log_batch(run_id, metrics=points)
            self.calls += 1
        for file, folder in {(r["artifact"], r["folder"]): None for r, _ in batch if "artifact" in r}:
            path = (self.run_dir / file).resolve()
            if self.run_dir.resolve() not in path.parents:
                raise UserError(f"{self.run_dir / JOURNAL_NAME} names a file outside its folder, {file}: not sent")
            if path.is_dir():
                self._client.log_artifacts(run_id, str(path), folder or None)
            elif path.is_file():
                self._client.log_artifact(run_id, str(path), folder or None)
            self.calls += 1
        self.state["offset"] = batch[-1][1]
        self._save()

    def _save(self) -> None:
        write_text(self._path, json.dumps(self.state, indent=1))


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Names and values, those of a value that is itself a dict among them."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat
