"""MLflow's copy of a run's journal.

MONAI's ``MLFlowHandler`` writes from the training loop, joins any unfinished run of the experiment and drops points
when the server is away. Here the journal is written first, and this module brings it over: each run creates its own
MLflow run, known by a tag made before the run exists, and every point carries the time of its record, so that
MLflow's own unique key (run, name, step, time, value) makes bringing a point over twice the same as once.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..configuration.passwords import without_password
from ..runs.run_files import JOURNAL, TRACKING, TRACKING_LOCK
from ..storage.atomic_files import write_text
from ..storage.locks import file_lock
from .addresses import absolute, sqlite_file
from .journal import Journal, read_records
from .mirror_state import nothing_there, read_state
from .mlflow_run import find_or_create_run
from .refusals import is_refusal
from .sender import Sender
from .stores import open_client, prepare_client, require_answer, store_lock

logger = logging.getLogger(__name__)

BATCH = 1000  # points a call, the most that MLflow takes
RUNNING = "RUNNING"


class MlflowMirror:
    """Brings the journal of one run to MLflow; may fail at any call and be called again, also by several processes.

    Args:
        run_dir: folder of the run; ``tracking.json`` in it remembers what MLflow has.
        description: for a new run its ``tracking_uri``, ``experiment_name``, ``run_name``, ``params`` and ``tags``;
            None goes on with what ``tracking.json`` says.
        tracking_uri: the address to use from now on for a run that is known already; None for the run's own. A run
            that goes to another address is there in whole.
    """

    def __init__(
        self, run_dir: str | Path, description: dict[str, Any] | None = None, tracking_uri: str | None = None
    ) -> None:
        self.run_dir = Path(run_dir)
        self._path = self.run_dir / TRACKING
        self._journal = self.run_dir / JOURNAL
        given = tracking_uri or (description or {}).get("tracking_uri")
        if description is not None and not self._path.is_file():
            plain = json.loads(json.dumps(description, default=str))
            address = without_password(absolute(plain["tracking_uri"]))
            place = {"tracking_uri": address, "output_dir": str(self.run_dir.resolve().parent)}
            self.state: dict[str, Any] = {**plain, **place, "uid": uuid.uuid4().hex, **nothing_there()}
            self._save()
        self.state = read_state(self._path)
        if self._is_copy():
            logger.info("%s is a copy of %s: it gets a run of its own in MLflow", run_dir, self.state["run_name"])
            self.state |= {**nothing_there(), "uid": uuid.uuid4().hex, "run_name": self.run_dir.name}
            self._save()
        own = self.state["tracking_uri"]
        self.tracking_uri = absolute(tracking_uri or own)
        if tracking_uri is None:  # the run's own, with the login that the process knows
            known = [uri for uri in (given, os.environ.get("MLFLOW_TRACKING_URI")) if uri]
            self.tracking_uri = next((uri for uri in known if without_password(absolute(uri)) == own), own)
        self.calls = 0  # that MLflow has answered
        self.waiting = False  # for another process to leave the store
        self._client: Any = None
        self._sender: Sender | None = None

    @property
    def pending(self) -> bool:
        """Whether MLflow lacks something that the journal has."""
        size = self._journal.stat().st_size if self._journal.is_file() else 0
        elsewhere = self.state["tracking_uri"] != without_password(self.tracking_uri)
        return bool(self.state["offset"] < size or elsewhere)

    @property
    def unfinished(self) -> bool:
        """Whether no end of the run is known."""
        status = self.state["told"]
        for record, _ in read_records(self._journal, self.state["offset"]) if self._journal.is_file() else ():
            status = record.get("status", status)
        return status in (None, RUNNING)

    @property
    def refused(self) -> dict[str, str]:
        """What MLflow has refused for good, each with the reason; everything else is there."""
        return {what: entry["reason"] for what, entry in self.state["refused"].items()}

    def finish(self, status: str) -> None:
        """Record on disk that the run is RUNNING, FINISHED, FAILED or KILLED; the next ``push`` tells MLflow."""
        journal = Journal(self.run_dir)
        journal.log_status(status)
        journal.close()

    def retry_refused(self) -> None:
        """Let the next ``push`` try again what MLflow has refused."""
        if self.state["refused"]:
            first = min(entry["offset"] for entry in self.state["refused"].values())
            self.state |= {"offset": min(first, self.state["offset"]), "refused": {}}
            self._save()

    def push(self) -> None:
        """Bring over what MLflow lacks; raises whatever MLflow raises, with nothing lost.

        Raises:
            TrackingRefusedError: MLflow answers and takes nothing of this run; says what to do.
        """
        prepare_client()  # before the locks, since it takes seconds
        self._answered()  # as it is no silence of MLflow's
        with self._turn(file_lock(self.run_dir / TRACKING_LOCK)):
            known = read_state(self._path)  # another process may have brought over something
            self.state |= {name: known[name] for name in ("tracking_uri", *nothing_there())}
            self._move()
            require_answer(self.tracking_uri)
            with self._turn(store_lock(self.tracking_uri)):
                self._ensure_run()
                self._push_records()

    @contextlib.contextmanager
    def _turn(self, lock: contextlib.AbstractContextManager[Any]) -> Iterator[None]:
        """Hold a lock, and let it be known while others have it."""
        self.waiting = True
        try:
            with lock:
                self.waiting = False
                yield
        finally:
            self.waiting = False

    def _move(self) -> None:
        """Begin from the start where the run goes to another address than before."""
        if self.state["tracking_uri"] != without_password(self.tracking_uri):
            self.state |= {**nothing_there(), "tracking_uri": without_password(self.tracking_uri)}
            self._sender = None

    def _push_records(self) -> None:
        if not self._journal.is_file():
            return
        batch: list[dict[str, Any]] = []
        points, end = 0, self.state["offset"]
        for record, offset in read_records(self._journal, self.state["offset"]):
            more = len(record.get("metrics", ()))
            if batch and points + more > BATCH:
                self._send(batch, end)
                batch, points = [], 0
            batch.append(record)
            points, end = points + more, offset
        if batch:
            self._send(batch, end)

    def _send(self, batch: list[dict[str, Any]], end: int) -> None:
        assert self._sender is not None
        try:
            self._sender.send(batch)
        except Exception as error:
            if is_refusal(error):
                self._sender.require_run()  # says so where the whole run is refused
            raise
        statuses = [record["status"] for record in batch if "status" in record]
        self.state |= {"offset": end, "told": statuses[-1] if statuses else self.state["told"]}
        self._save()

    def _note_refusal(self, what: str, why: str, remedy: str) -> None:
        if what not in self.state["refused"]:
            self.state["refused"][what] = {"reason": why, "offset": self.state["offset"]}
            logger.warning("MLflow refuses %s of %s (%s): left out; %s", what, self.run_dir.name, why, remedy)
        self._answered()

    def _answered(self) -> None:
        self.calls += 1

    def _ensure_run(self) -> None:
        if self._sender is not None and self._sender.run_id == self.state["run_id"]:
            return
        client = open_client(self.tracking_uri)
        self._answered()
        if self.state["run_id"] is None or not self._is_there(client):
            database = sqlite_file(self.tracking_uri)
            self.state["run_id"] = find_or_create_run(client, self.state, database, self._note_refusal)
            self._save()
        place = (client, self.tracking_uri, self.state["run_id"], self.run_dir)
        self._sender = Sender(*place, answered=self._answered, refused=self._note_refusal)
        self._sender.require_run()

    def _is_there(self, client: Any) -> bool:
        """Whether MLflow has the run, if only in its trash; a run that was deleted for good begins from the start."""
        try:
            client.get_run(self.state["run_id"])
        except Exception as error:
            if not is_refusal(error):
                raise
            logger.info("MLflow has lost the run of %s; it gets a new one there, in whole", self.run_dir.name)
            self.state |= nothing_there()
            return False
        return True

    def _is_copy(self) -> bool:
        """Whether the run that this folder was copied from still lies beside it; a renamed folder is no copy."""
        other = self.run_dir.with_name(self.state["run_name"])
        if other.resolve() == self.run_dir.resolve():
            return False
        try:
            uid = json.loads((other / TRACKING).read_text(encoding="utf-8"))["uid"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return bool(uid == self.state["uid"])

    def _save(self) -> None:
        write_text(self._path, json.dumps(self.state, indent=1))
