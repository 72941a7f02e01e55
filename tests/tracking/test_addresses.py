"""Whatever MLflow's client would reach is reached; no password is shown or kept; what can't be is refused at once."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.configuration.passwords import redact, without_password
from scripts.tracking import MlflowMirror, sync_runs
from scripts.tracking.addresses import check_tracking, sqlite_file
from scripts.tracking.refusals import explain
from scripts.tracking.stores import require_answer
from tests.tracking.fake_mlflow import FakeMlflow
from tests.workflows import make_workflow, tiny_overrides

SECRET = "geheim7"


@pytest.fixture
def start() -> Iterator[Callable[..., FakeMlflow]]:
    """Starts servers that end with the test."""
    servers: list[FakeMlflow] = []

    def begin(**settings: Any) -> FakeMlflow:
        servers.append(FakeMlflow(**settings).__enter__())
        return servers[-1]

    yield begin
    for server in servers:
        server.__exit__()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, signed by itself, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=2))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    made = builder.sign(key, hashes.SHA256())
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*private))
    return path


def push(folder: Path, uri: str) -> MlflowMirror:
    (folder / "run").mkdir()
    words = {"tracking_uri": uri, "experiment_name": "e", "run_name": "run", "params": {}, "tags": {}}
    mirror = MlflowMirror(folder / "run", words)
    mirror.finish("FINISHED")
    mirror.push()
    return mirror


def with_login(uri: str) -> str:
    return uri.replace("://", f"://me:{SECRET}@")


def test_nobody_there_is_a_connection_error() -> None:
    with pytest.raises(ConnectionError, match=r"http://127\.0\.0\.1:9 does not answer: Connection refused"):
        require_answer("http://127.0.0.1:9")


def test_a_login_in_the_address_is_used_and_kept_nowhere(
    start: Callable[..., FakeMlflow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(login=f"me:{SECRET}")
    push(tmp_path, with_login(server.uri))
    assert server.run["info"]["status"] == "FINISHED"
    for path in (tmp_path / "run").iterdir():
        assert SECRET not in path.read_text()
    MlflowMirror(tmp_path / "run").finish("KILLED")
    with pytest.raises(ValueError, match="MLFLOW_TRACKING_USERNAME"):
        sync_runs(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", with_login(server.uri))
    MlflowMirror(tmp_path / "run").push()
    assert server.run["info"]["status"] == "KILLED"


def test_a_login_in_the_environment_is_used(
    start: Callable[..., FakeMlflow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(login=f"me:{SECRET}")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    push(tmp_path, server.uri)
    assert server.run["info"]["status"] == "FINISHED"


@pytest.mark.parametrize(
    "setting", ["MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "MLFLOW_TRACKING_INSECURE_TLS"]
)
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_server_with_a_certificate_of_its_own_is_reached(
    start: Callable[..., FakeMlflow], certificate: Path, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(certificate=certificate)
    with pytest.raises(ConnectionError, match="certificate verify failed"):
        require_answer(server.uri)
    monkeypatch.setenv(setting, "true" if setting.endswith("TLS") else str(certificate))
    require_answer(server.uri)


def test_a_server_that_takes_three_seconds_is_reached(start: Callable[..., FakeMlflow]) -> None:
    server = start()
    server.faults["/health"] = 3.0
    require_answer(server.uri)


def test_a_server_that_refuses_its_page_of_health_is_reached(start: Callable[..., FakeMlflow]) -> None:
    server = start()
    server.faults["/health"] = 404
    require_answer(server.uri)


@pytest.mark.parametrize("fault", ["close", "hang", None])
def test_no_error_holds_the_password(
    start: Callable[..., FakeMlflow],
    tmp_path: Path,
    fault: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    server = start()
    if fault is not None:
        server.faults["/api/"] = fault
    address = with_login(server.uri if fault else "http://127.0.0.1:9")
    with caplog.at_level(logging.DEBUG), pytest.raises(Exception, match=r".") as caught:
        push(tmp_path, address)
    told = explain(caught.value)
    assert "can't be reached" in told
    printed = capfd.readouterr()
    ours = "".join(record.getMessage() for record in caplog.records if record.name.startswith("scripts"))
    assert SECRET not in told + printed.out + printed.err + ours


def test_ending_a_run_prints_nothing(
    start: Callable[..., FakeMlflow], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    push(tmp_path, with_login(start().uri))
    assert capfd.readouterr() == ("", "")


def test_a_new_database_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    push(tmp_path, f"sqlite:///{tmp_path}/mlflow.db")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("address", "shown", "kept"),
    [
        ("http://me:p@ss@host:5/x", "http://***@host:5/x", "http://host:5/x"),
        ("http://me:p/ss@host", "http://***@host", "http://host"),
        ("https://host/a@b", "https://host/a@b", "https://host/a@b"),
        ("postgresql+psycopg://me:pw@h/db", "postgresql+psycopg://***@h/db", "postgresql+psycopg://me@h/db"),
        (
            "postgresql://h/db?user=me&password=pw",
            "postgresql://h/db?user=me&password=***",
            "postgresql://h/db?user=me&password=",
        ),
        ("sqlite:////a/b@c/mlflow.db", "sqlite:////a/b@c/mlflow.db", "sqlite:////a/b@c/mlflow.db"),
    ],
)
def test_addresses_are_shown_and_kept_without_password(address: str, shown: str, kept: str) -> None:
    assert redact(f"{address} is away") == f"{shown} is away"
    assert without_password(address) == kept


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("foo://host", "knows no foo://"),
        ("htp://me:geheim7@host", r"'htp://\*\*\*@host' is no address of MLflow: it knows no htp://"),
        ("runs/mlflow.db", "stores are not folders"),
        ("./mlruns", "stores are not folders"),
        ("file:///data/mlruns", "knows no file://"),
        ("http://", "names no host"),
        ("http://host:99999", "no port below 65536"),
        ("http://host:port", "no port below 65536"),
        ("sqlite:///", "names no database file"),
        ("sqlite://", "names no database file"),
        ("sqlite:////tmp/a?b/mlflow.db", r"has a '\?' in its path"),
        ("sqlite:////tmp", "is a folder"),
    ],
)
def test_an_address_that_can_never_be_is_refused(address: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_tracking(address, "e", 30)


SERVERS = ["http://host", "https://me:p@ss@host:5000/mlflow", "http://[::1]:5000", "databricks", "databricks://profile"]
DATABASES = ["sqlite:///m.db", "sqlite:////a%3F/b.db?timeout=9", "postgresql+psycopg://me@host/db", "mysql://h/d"]


@pytest.mark.parametrize("address", SERVERS + DATABASES)
def test_an_address_of_mlflows_is_taken(address: str) -> None:
    check_tracking(address, "e", 0)


def test_an_sqlite_address_names_its_file() -> None:
    assert sqlite_file("sqlite:////data/x.db") == Path("/data/x.db")
    assert sqlite_file("sqlite:////data/a%20b%2520%23%C3%BC%3F/x.db?timeout=3") == Path("/data/a b%20#ü?/x.db")
    assert sqlite_file("sqlite:////data/a b#ü/x.db") == Path("/data/a b#ü/x.db")
    assert sqlite_file("http://127.0.0.1:5000") is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("tracking_uri", "foo://x"), ("experiment_name", ""), ("experiment_name", "x" * 300), ("tracking_patience", -1)],
)
def test_a_training_refuses_at_its_start_and_writes_nothing(tmp_path: Path, key: str, value: Any) -> None:
    workflow = make_workflow("train.yaml", **tiny_overrides(tmp_path, **{key: value}))
    with pytest.raises(RuntimeError) as caught:
        workflow.initialize()
    assert key in str(caught.value.__cause__ or caught.value) or key in repr(caught.getrepr(chain=True))
    assert not list(tmp_path.iterdir())
