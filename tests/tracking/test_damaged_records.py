"""Records of a run that a disk, or a hand, has damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from scripts.errors import UserError
from scripts.tracking import MlflowMirror, read_records, sync_runs
from scripts.tracking.journal import Journal, read_curve, read_curves
from scripts.tracking.stores import open_client


@pytest.mark.parametrize(
    "line", [b"", b"\xff\xfe\x00", b"[1, 2]", b"null", b'"text"', b'{"metrics": 3}', b"[" * 100_000]
)
def test_a_damaged_line_of_the_journal_is_passed_over_and_the_others_count(tmp_path: Path, line: bytes) -> None:
    journal = Journal(tmp_path)
    journal.log_metrics({"loss": 3.0}, 1)
    journal.close()
    with journal.path.open("ab") as file:
        file.write(line + b"\n")
    again = Journal(tmp_path)
    again.expect_repeats(1)
    again.log_metrics({"loss": 2.0}, 2)
    again.close()
    assert read_curve(journal.path, "loss") == {1: 3.0, 2: 2.0}
    assert [offset for _, offset in read_records(journal.path)][-1] == journal.path.stat().st_size


@pytest.mark.parametrize(
    "record",
    [
        {"metrics": {"loss": 1.0}},
        {"metrics": {"loss": 1.0}, "step": "1"},
        {"metrics": {"loss": 1.0}, "step": None},
        {"metrics": {"loss": 1.0}, "step": 1.5},
        {"metrics": {"loss": 1.0}, "step": 2**70},
        {"metrics": {"loss": "low"}, "step": 1},
        {"metrics": {"loss": None}, "step": 1},
        {"metrics": {"loss": [1.0]}, "step": 1},
        {"metrics": {"loss": True}, "step": 1},
        {"metrics": {"\ud800": 1.0}, "step": 1},
        {"metrics": {"loss": 1.0}, "step": 1, "time": "now"},
        {"metrics": {"loss": 1.0}, "step": 1, "time": -1},
        {"artifact": 3, "folder": ""},
        {"artifact": "split.json"},
        {"status": 3},
        {"status": "HAPPY"},
        {"status": ["FINISHED"]},
    ],
)
def test_a_line_that_no_run_writes_is_passed_over_and_holds_nothing_up(
    tmp_path: Path, record: dict[str, object]
) -> None:
    journal = Journal(tmp_path)
    journal.log_metrics({"loss": 3.0}, 1)
    with journal.path.open("a") as file:
        file.write(json.dumps({"time": 5, **record}) + "\n")
    journal.log_metrics({"loss": 2.0}, 2)
    journal.close()
    assert [found["step"] for found, _ in read_records(journal.path)] == [1, 2]
    assert read_curves(journal.path, ["loss"]) == {"loss": {1: 3.0, 2: 2.0}}
    again = Journal(tmp_path)
    again.expect_repeats(1)


@pytest.mark.parametrize(
    "change",
    [
        *({key: 3} for key in ("uid", "run_name", "experiment_name", "output_dir", "run_id", "told", "refused")),
        *({key: None} for key in ("params", "tags", "offset", "output_dir")),
        *({key: ""} for key in ("uid", "run_name", "experiment_name", "tracking_uri")),
        {"offset": "x"},
        {"offset": -1},
        {"run_name": "../../x"},
        {"refused": {"metric loss": 3}},
        {"refused": {"metric loss": {"reason": "none", "offset": "x"}}},
    ],
)
def test_a_record_with_an_impossible_value_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    words = {"tracking_uri": "http://127.0.0.1:1", "experiment_name": "e", "run_name": "r", "params": {}, "tags": {}}
    state = MlflowMirror(tmp_path, words).state
    (tmp_path / "tracking.json").write_text(json.dumps({**state, **change}))
    with pytest.raises(UserError, match=r"tracking\.json is damaged"):
        MlflowMirror(tmp_path, words)


def test_a_journal_that_is_shorter_than_what_mlflow_had_of_it_is_brought_over_from_its_start(tmp_path: Path) -> None:
    words = {"tracking_uri": "http://127.0.0.1:1", "experiment_name": "e", "run_name": "r", "params": {}, "tags": {}}
    state = MlflowMirror(tmp_path, words).state
    (tmp_path / "tracking.json").write_text(json.dumps({**state, "offset": 10_000}))
    journal = Journal(tmp_path)
    journal.log_metrics({"loss": 3.0}, 1)
    journal.close()
    assert MlflowMirror(tmp_path).pending


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null", "{}", '{"tracking_uri": 3}', "[" * 100_000])
def test_a_damaged_record_of_what_mlflow_has_is_named_with_its_mend(tmp_path: Path, content: str) -> None:
    words = {"tracking_uri": "http://127.0.0.1:1", "experiment_name": "e", "run_name": "r", "params": {}, "tags": {}}
    record = tmp_path / "tracking.json"
    record.write_text(content)
    for described in (words, None):
        with pytest.raises(UserError, match=r"tracking\.json is damaged; .* or delete it"):
            MlflowMirror(tmp_path, described)
    record.unlink()
    MlflowMirror(tmp_path, words)
    assert json.loads(record.read_text())["experiment_name"] == "e"


def test_a_copied_run_gets_a_run_of_its_own_and_a_renamed_one_keeps_its_own(tmp_path: Path) -> None:
    words = {"tracking_uri": "http://127.0.0.1:1", "experiment_name": "e", "run_name": "a", "params": {}, "tags": {}}
    (tmp_path / "a").mkdir()
    first = MlflowMirror(tmp_path / "a", words).state
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    (tmp_path / "link").symlink_to("a")
    assert MlflowMirror(tmp_path / "link").state["uid"] == first["uid"]
    copied = MlflowMirror(tmp_path / "copy").state
    assert copied["uid"] != first["uid"]
    assert (copied["run_name"], copied["offset"], copied["run_id"]) == ("copy", 0, None)
    assert MlflowMirror(tmp_path / "copy").state["uid"] == copied["uid"]
    assert MlflowMirror(tmp_path / "a").state["uid"] == first["uid"]
    (tmp_path / "a").rename(tmp_path / "renamed")
    assert MlflowMirror(tmp_path / "renamed").state["uid"] == first["uid"]


def test_sync_brings_over_again_what_mlflow_has_lost_and_nothing_twice(tmp_path: Path) -> None:
    run_dir = tmp_path / "runs" / "r"
    run_dir.mkdir(parents=True)
    words = {"tracking_uri": f"sqlite:///{tmp_path / 'mlflow.db'}", "experiment_name": "e", "run_name": "r"}
    mirror = MlflowMirror(run_dir, {**words, "params": {}, "tags": {}})
    journal = Journal(run_dir)
    journal.log_metrics({"loss": 3.0}, 1)
    journal.close()
    mirror.finish("FINISHED")
    assert sync_runs(tmp_path / "runs") == ["r"]
    assert sync_runs(tmp_path / "runs") == []
    state = json.loads((run_dir / "tracking.json").read_text())
    (run_dir / "tracking.json").write_text(json.dumps({**state, "run_id": "f" * 32, "uid": "another"}))
    assert sync_runs(tmp_path / "runs") == ["r"]
    now = json.loads((run_dir / "tracking.json").read_text())
    assert now["run_id"] not in (state["run_id"], "f" * 32)
    client = open_client(words["tracking_uri"])
    assert [point.value for point in client.get_metric_history(now["run_id"], "loss")] == [3.0]
