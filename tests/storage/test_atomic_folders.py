from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scripts.storage import locks
from scripts.storage.atomic_folders import make_folder


def fill(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "file").write_text("content")


def test_the_folder_appears_with_its_content_and_is_then_left_alone(tmp_path):
    target = tmp_path / "parents" / "are" / "made"
    make_folder(target, fill)
    assert (target / "sub" / "file").read_text() == "content"
    make_folder(target, lambda folder: pytest.fail("filled twice"))
    assert sorted(p.name for p in target.parent.iterdir()) == [".made.lock", "made"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "a").mkdir()
    make_folder(tmp_path / "a", fill)
    assert (tmp_path / "a" / "sub" / "file").is_file()


def test_an_error_leaves_nothing_behind(tmp_path):
    def fail(folder):
        fill(folder)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        make_folder(tmp_path / "a", fail)
    assert [p.name for p in tmp_path.iterdir()] == [".a.lock"]


def test_threads_that_start_together_fill_it_once(tmp_path):
    calls = []

    def slow_fill(folder):
        calls.append(folder)
        fill(folder)

    threads = [threading.Thread(target=make_folder, args=(tmp_path / "a", slow_fill)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_without_locks_the_second_to_finish_drops_its_own(tmp_path, monkeypatch):
    def no_locks(file, operation):
        raise OSError("no locks available")

    monkeypatch.setattr(locks.fcntl, "flock", no_locks)

    def fill_while_another_does(folder):
        make_folder(tmp_path / "a", fill)
        (folder / "late").touch()

    make_folder(tmp_path / "a", fill_while_another_does)
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["sub"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a.lock", "a"]


PROGRAM = """
import sys, time, types
from pathlib import Path
package = sys.modules["scripts"] = types.ModuleType("scripts")  # empty, since the real one takes seconds to import
package.__path__ = [sys.argv[3]]
from scripts.storage.atomic_folders import make_folder

def fill(folder):
    (folder / "half").touch()
    print("filling", flush=True)
    time.sleep(float(sys.argv[2]))
    (folder / "whole").touch()

make_folder(Path(sys.argv[1]), fill)
"""


def start(target, seconds):
    command = [sys.executable, "-c", PROGRAM, str(target), str(seconds), str(Path(locks.__file__).parents[1])]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_processes_that_start_together_fill_it_once(tmp_path):
    outputs = [process.communicate()[0] for process in [start(tmp_path / "a", 0.5) for _ in range(3)]]
    assert sorted(outputs) == [b"", b"", b"filling\n"]
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["half", "whole"]


def test_a_killed_one_leaves_no_folder_and_the_next_cleans_up(tmp_path):
    with start(tmp_path / "a", 1000) as process:
        assert process.stdout.readline() == b"filling\n"
        process.kill()
    assert not (tmp_path / "a").exists()
    assert len(list(tmp_path.glob(".a.tmp-*"))) == 1
    make_folder(tmp_path / "a", fill)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a.lock", "a"]
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["sub"]
