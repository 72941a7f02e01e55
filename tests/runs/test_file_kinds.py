from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.configuration.error_report import user_message
from scripts.errors import UserError
from scripts.runs.checkpoint import save
from scripts.runs.file_kinds import FILES, FOLDERS
from scripts.runs.publishing import publish_run
from scripts.runs.run_folder import check_place, find_run_dir, open_run_dir
from scripts.tracking import sync_runs
from tests.runs.test_publishing import make_run
from tests.workflows import run_workflow, tiny_overrides

SCORES = ("per_image.csv", "per_case.csv", "summary.json")
EVALUATED = [f"evaluation/{part}/{name}" for part in ("val", "test") for name in SCORES]


def replace(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere")


@pytest.mark.parametrize("name", [*FILES, *EVALUATED])
@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_what_stands_in_place_of_a_file_is_named_and_nothing_begins_anew(tmp_path: Path, name: str, kind: str) -> None:
    run = make_run(tmp_path, "r")
    replace(run / name, kind)
    before = sorted(tmp_path.rglob("*"))
    said = {"folder": "is a folder", "link": "is a link to what is not there", "pipe": "is no regular file"}[kind]
    for use in (
        lambda: find_run_dir(tmp_path / "runs", "r"),
        lambda: publish_run(tmp_path / "runs", "r", tmp_path / "models"),
        lambda: check_place(tmp_path / "runs", "r", resume=True),
        lambda: open_run_dir(tmp_path / "runs", "r", resume=True),
    ):
        with pytest.raises(UserError, match=f"{name} {said}, where a run has a file; (put|delete)"):
            use()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", [*FOLDERS, "evaluation/val", "evaluation/test", "evaluation/test/pictures"])
def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path, name: str) -> None:
    path = make_run(tmp_path, "r") / name
    if path.is_dir():
        path.rename(tmp_path / "away")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    with pytest.raises(UserError, match=f"{name} is a file, where a run has a folder"):
        find_run_dir(tmp_path / "runs", "r")


def test_a_run_that_can_t_be_read_is_named_by_sync(tmp_path: Path) -> None:
    run = make_run(tmp_path, "r")
    (run / "tracking.json").write_text("{}")
    (run / "metrics.jsonl").mkdir()
    with pytest.raises(UserError, match=r"1 run\(s\) wait .*metrics.jsonl is a folder, where a run has a file"):
        sync_runs(tmp_path / "runs")
    (run / "metrics.jsonl").rmdir()
    replace(run / "tracking.json", "link")
    with pytest.raises(UserError, match=r"1 run\(s\) wait .*tracking.json is a link to what is not there, where a run"):
        sync_runs(tmp_path / "runs")


def test_a_training_that_has_lost_its_last_state_does_not_begin_anew_over_its_best(tmp_path: Path) -> None:
    run = make_run(tmp_path, "r")
    save({"progress": {"epoch": 1}}, run / "checkpoint_best.pt")  # killed before the last state of the first epoch
    assert open_run_dir(tmp_path / "runs", "r", resume=True) == run
    save({"progress": {"epoch": 7}}, run / "checkpoint_best.pt")
    settings = {**tiny_overrides(tmp_path), "run_name": "r", "resume": True}
    with pytest.raises(RuntimeError) as info:
        run_workflow("train.yaml", run_id="training", **settings)
    said = user_message(info.value) or ""
    assert "holds the checkpoint_best.pt of epoch 7 and no checkpoint_last.pt" in said
    assert not (tmp_path / "runs" / "prepared").exists()
    save({}, run / "checkpoint_last.pt")
    check_place(tmp_path / "runs", "r", resume=True)
