"""Records of a run that a disk, or a hand, has damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from scripts.errors import UserError
from scripts.tracking import MlflowMirror, read_records
from scripts.tracking.journal import Journal, read_curve


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


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null", "{}", '{"tracking_uri": 3}'])
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
