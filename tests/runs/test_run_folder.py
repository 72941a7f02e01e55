from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.errors import UserError
from scripts.runs.run_folder import check_place, find_run_dir, open_run_dir, record_run


def test_a_taken_name_gets_a_number_and_latest_is_the_one_that_started_last(tmp_path: Path) -> None:
    folders = [open_run_dir(tmp_path / "runs", "adfl") for _ in range(3)]
    assert [folder.name for folder in folders] == ["adfl", "adfl-2", "adfl-3"]
    dataset = SimpleNamespace(name="d", fingerprint="f", split_sha256="s", fold=0, split={})
    for folder in (folders[2], folders[1]):
        record_run(folder, dataset)  # type: ignore[arg-type]
    assert find_run_dir(tmp_path / "runs") == tmp_path / "runs" / "adfl-2"
    assert find_run_dir(tmp_path / "runs", "adfl") == tmp_path / "runs" / "adfl"


@pytest.mark.parametrize("name", ["", "../other", "a/b", ".hidden"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="run_name must be a plain folder name"):
        open_run_dir(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_run_to_go_on_with_that_is_not_there_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run = open_run_dir(tmp_path, "adfl-s3", resume=True)
    assert caplog.messages == [f"no run adfl-s3 to go on with in {tmp_path}: a new one begins"]
    (run / "config.yaml").write_text("")
    caplog.clear()
    assert open_run_dir(tmp_path, "adfl-s3", resume=True) == run
    open_run_dir(tmp_path, "adfl-s4")
    assert caplog.messages == []


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="output_dir .*file can't be written"):
        open_run_dir(tmp_path / "file", "adfl")


def test_a_folder_of_runs_that_is_a_number_is_named_by_its_key() -> None:
    with pytest.raises(ValueError, match="runs_dir must be the path of a folder, got 5; put a name that looks like"):
        find_run_dir(5, "r", "runs_dir")  # type: ignore[arg-type]


def test_a_missing_run_is_answered_with_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no finished or running training under .*train first"):
        find_run_dir(tmp_path)
    run = open_run_dir(tmp_path, "adfl")
    (run / "config.yaml").write_text("")
    with pytest.raises(FileNotFoundError, match="no run 'other' under .*runs there: adfl"):
        find_run_dir(tmp_path, "other")


@pytest.mark.parametrize(
    ("place", "said"),
    [("file", "is a file"), ("file/below", "is a file"), ("a\0b", "can't be a folder"), ("x" * 300, "can't be")],
)
def test_an_output_dir_that_can_t_be_made_is_refused_before_anything_is_made(
    tmp_path: Path, place: str, said: str
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="output_dir") as info:
        check_place(str(tmp_path / place), "r")
    assert said in str(info.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_place_that_says_no_only_when_it_is_written_is_refused() -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("needs Linux's /proc")
    with pytest.raises(ValueError, match="output_dir /proc/x can't be written: /proc"):
        check_place("/proc/x", "r")


@pytest.mark.parametrize("name", ["latest", "x" * 250, "../up", "", 7])
def test_a_name_that_no_run_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="run_name"):
        check_place(tmp_path, name)


def test_what_stands_in_the_place_of_the_link_to_the_newest_run_is_kept(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("nowhere")
    check_place(tmp_path, "r")  # a link, wherever it leads, is the bundle's own
    (tmp_path / "latest").unlink()
    for make in (lambda: (tmp_path / "latest").write_text("mine"), lambda: (tmp_path / "latest").mkdir()):
        make()
        with pytest.raises(UserError, match="latest stands where the link to the newest run belongs; rename it"):
            check_place(tmp_path, "r")
        if (tmp_path / "latest").is_file():
            (tmp_path / "latest").unlink()
