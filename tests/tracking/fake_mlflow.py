"""MLflow's protocol in this process: a server that starts at once and can refuse, hang, be slow or ask for a login."""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import _validate_batch_log_data


class RefusalError(Exception):
    def __init__(self, status: int, code: str, message: str = "no") -> None:
        super().__init__(message)
        self.status, self.body = status, {"error_code": code, "message": message}


class FakeMlflow:
    """The few calls that trainings make, with MLflow's own validation.

    ``faults`` maps a pattern of "METHOD path" to a status of the answer, "hang" (until the server stops), "close" (the
    connection, in the middle) or a number of seconds to wait first.
    """

    def __init__(self, login: str | None = None, certificate: Path | None = None) -> None:
        self.faults: dict[str, int | float | str] = {}
        self.experiments: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.points: list[tuple[str, str, float, int, int]] = []  # run, name, value, step, time
        self.artifacts: dict[str, bytes] = {}
        self.login = login
        self.ended = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # headers and body are two packets: 40 ms per call are waited otherwise

            def log_message(self, *_: Any) -> None: ...

            def _any(self) -> None:
                fake.answer(self)

            do_GET = do_POST = do_PUT = do_PATCH = _any  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that gave up
        self._server.block_on_close = False
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.uri = f"http{'s' if certificate else ''}://localhost:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path)
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        status: int = 200
        answer: dict[str, Any] | None = None
        for pattern, fault in self.faults.items():
            if not re.search(pattern, f"{request.command} {path.path}"):
                continue
            if fault == "hang":
                self.ended.wait(60)
            if fault in ("hang", "close"):
                request.close_connection = True
                return
            if isinstance(fault, float):
                time.sleep(fault)
            else:
                status, answer = int(fault), None
        expected = self.login and "Basic " + base64.b64encode(self.login.encode()).decode()
        if expected and request.headers.get("Authorization") != expected:
            status = 401
        if status == 200:
            try:
                answer = self._call(request.command, path.path, path.query, body)
            except RefusalError as refusal:
                status, answer = refusal.status, refusal.body
            except MlflowException as error:
                status, answer = error.get_http_status_code(), json.loads(error.serialize_as_json())
        text = b"<html>as a proxy says it</html>" if answer is None else json.dumps(answer).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def _call(self, method: str, path: str, query: str, body: bytes) -> dict[str, Any]:
        if path.endswith("/health"):
            return {}
        if method == "PUT":
            self.artifacts[path.partition("/artifacts/")[2]] = body
            return {}
        name = path.partition("/mlflow/")[2]
        given = json.loads(body) if body else {key: values[0] for key, values in parse_qs(query).items()}
        call = getattr(self, "_" + re.sub(r"\W", "_", name), None)
        if call is None:
            raise RefusalError(404, "ENDPOINT_NOT_FOUND")
        return dict(call(given))

    @property
    def run(self) -> dict[str, Any]:
        """The only run."""
        (run,) = self.runs.values()
        return run

    def _experiments_get_by_name(self, given: dict[str, Any]) -> dict[str, Any]:
        found = [e for e in self.experiments.values() if e["name"] == given["experiment_name"]]
        if not found:
            raise RefusalError(404, "RESOURCE_DOES_NOT_EXIST")
        return {"experiment": found[0]}

    def _experiments_get(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"experiment": self.experiments[given["experiment_id"]]}

    def _experiments_create(self, given: dict[str, Any]) -> dict[str, Any]:
        identity = str(len(self.experiments) + 1)
        self.experiments[identity] = {"experiment_id": identity, "name": given["name"], "lifecycle_stage": "active"}
        self.experiments[identity]["tags"] = list(given.get("tags", []))
        return {"experiment_id": identity}

    def _experiments_set_experiment_tag(self, given: dict[str, Any]) -> dict[str, Any]:
        tags = self.experiments[given["experiment_id"]]["tags"]
        tags[:] = [tag for tag in tags if tag["key"] != given["key"]]
        tags.append({"key": given["key"], "value": given["value"]})
        return {}

    def _runs_create(self, given: dict[str, Any]) -> dict[str, Any]:
        identity = uuid.uuid4().hex  # MLflow's client remembers where the artefacts of an id go
        info = {"run_id": identity, "experiment_id": given["experiment_id"], "run_name": given.get("run_name", "")}
        info |= {"status": "RUNNING", "lifecycle_stage": "active", "artifact_uri": f"mlflow-artifacts:/{identity}"}
        self.runs[identity] = {"info": info, "data": {"tags": list(given.get("tags", [])), "params": []}}
        return {"run": self.runs[identity]}

    def _run(self, identity: str) -> dict[str, Any]:
        if identity not in self.runs:
            raise RefusalError(404, "RESOURCE_DOES_NOT_EXIST")
        return self.runs[identity]

    def _active(self, identity: str) -> dict[str, Any]:
        run = self._run(identity)
        if run["info"]["lifecycle_stage"] != "active":
            raise RefusalError(400, "INVALID_PARAMETER_VALUE", "must be in the 'active' state")
        return run

    def _runs_get(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"run": self._run(given["run_id"])}

    def _runs_search(self, given: dict[str, Any]) -> dict[str, Any]:
        wanted = given["filter"].split("'")[1]
        active = [run for run in self.runs.values() if run["info"]["lifecycle_stage"] == "active"]
        found = [run for run in active if any(t["value"] == wanted for t in run["data"]["tags"])]
        start = int(given.get("page_token") or 0)
        end = start + int(given["max_results"])
        more = {"next_page_token": str(end)} if end < len(found) else {}
        return {"runs": found[start:end], **more}

    def _runs_log_batch(self, given: dict[str, Any]) -> dict[str, Any]:
        run = self._active(given["run_id"])
        metrics = [
            Metric(m["key"], float(m["value"]), int(m["timestamp"]), int(m.get("step", 0)))
            for m in given.get("metrics", [])
        ]
        params = [Param(p["key"], p["value"]) for p in given.get("params", [])]
        tags = [RunTag(t["key"], t["value"]) for t in given.get("tags", [])]
        _validate_batch_log_data(metrics, params, tags)
        self.points += [(given["run_id"], m.key, m.value, m.step, m.timestamp) for m in metrics]
        for kind in ("params", "tags"):
            run["data"][kind] += given.get(kind, [])
        return {}

    def _runs_set_tag(self, given: dict[str, Any]) -> dict[str, Any]:
        tags = self._active(given["run_id"])["data"]["tags"]
        tags[:] = [tag for tag in tags if tag["key"] != given["key"]]
        tags.append({"key": given["key"], "value": given["value"]})
        return {}

    def _runs_delete(self, given: dict[str, Any]) -> dict[str, Any]:
        self._active(given["run_id"])["info"]["lifecycle_stage"] = "deleted"
        return {}

    def _runs_log_parameter(self, given: dict[str, Any]) -> dict[str, Any]:
        self._active(given["run_id"])["data"]["params"].append({"key": given["key"], "value": given["value"]})
        return {}

    def _runs_update(self, given: dict[str, Any]) -> dict[str, Any]:
        run = self._active(given["run_id"])
        run["info"] |= {key: given[key] for key in ("status", "end_time") if key in given}
        return {"run_info": run["info"]}
