"""What the machine can do to a run: a full disk, a folder that can't be written, a second process."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.configuration.error_report import user_message
from scripts.runs.checkpoint import load, save
from scripts.runs.lock import is_free, lock_run, unlock_run
from scripts.runs.run_files import LAST, LOCK
from scripts.runs.run_folder import open_run_dir
from tests.processes import SECONDS, end, send, start_command, start_one, wait_for
from tests.workflows import run_workflow, tiny_overrides

PICTURES = "small"  # see tests/quicker.py

NETWORK = {"network_def::_target_": "tests.tiny_network.TinyNetwork"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def launch(log: Path, **overrides: Any) -> BaseProcess:
    """A training in a process of its own, without the output of those before it."""
    log.unlink(missing_ok=True)
    return start_command(log, "training", "train.yaml", **{**NETWORK, **overrides})


def last_line(process: BaseProcess, log: Path) -> str:
    """What a process says at its end, which is an error."""
    assert end([process]) == [1], log.read_text()
    said = log.read_text()
    assert "Traceback" not in said, said
    return said.strip().splitlines()[-1]


def test_a_full_disk_leaves_the_last_checkpoint(small_disk: Path) -> None:
    save({"weights": torch.ones(250_000)}, small_disk / LAST)  # 1 MB; three of them do not fit
    before = (small_disk / LAST).read_bytes()
    with pytest.raises(OSError, match=f"No space left on device: '{small_disk / LAST}'"):
        save({"weights": torch.zeros(600_000)}, small_disk / LAST)
    assert (small_disk / LAST).read_bytes() == before
    assert list(small_disk.iterdir()) == [small_disk / LAST]


def test_a_training_whose_disk_fills_up_ends_with_one_line_and_resumes(small_disk: Path, tmp_path: Path) -> None:
    settings = {**tiny_overrides(tmp_path, bundle_root=str(tmp_path)), "max_epochs": 4000, "checkpoint_interval": 0}
    settings |= {"output_dir": str(small_disk), "data_settings::prepared_dir": str(tmp_path / "prepared")}
    settings |= {"dataset_dir": str(tmp_path / "data"), "tracking_uri": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    settings |= {"run_name": "r", "val_interval": 4000}
    log = tmp_path / "log"
    process = launch(log, **settings)
    checkpoint = small_disk / "r" / LAST
    wait_for(checkpoint.is_file, process, log)
    fill(small_disk / "ballast")
    message = last_line(process, log)
    assert message.startswith("error: ")
    assert "No space left on device" in message
    assert str(small_disk / "r") in message
    saved = load(checkpoint)["progress"]["iteration"]
    assert saved >= 1
    (small_disk / "ballast").unlink()
    shutil.rmtree(small_disk / "r" / "figures", ignore_errors=True)
    process = launch(log, **settings, resume=True)
    # it trains, so it listens to signals
    wait_for(lambda: load(checkpoint)["progress"]["iteration"] > saved, process, log)
    send(process, signal.SIGTERM)
    assert end([process]) == [75], log.read_text()


def test_a_killed_loader_worker_ends_the_training_in_one_line_and_it_resumes(tmp_path: Path) -> None:
    settings = {**tiny_overrides(tmp_path, bundle_root=str(tmp_path)), "max_epochs": 4000, "checkpoint_interval": 0}
    settings |= {"run_name": "r", "num_workers": 2, "val_interval": 4000}
    log = tmp_path / "log"
    process = launch(log, **settings)
    checkpoint = tmp_path / "runs" / "r" / LAST
    wait_for(checkpoint.is_file, process, log)
    wait_for(lambda: kill_worker(process.pid), process, log)
    message = last_line(process, log)
    assert message.startswith("error: ")
    assert "worker" in message
    assert "--resume true" in message
    assert load(checkpoint)["progress"]["iteration"] >= 1


def kill_worker(parent: int | None) -> bool:
    """Kill a forked child of a process, if there is one: a worker has its parent's command line."""
    command = Path(f"/proc/{parent}/cmdline").read_bytes()
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        try:
            if Path(f"/proc/{child}/cmdline").read_bytes() == command:
                os.kill(int(child), signal.SIGKILL)
                return True
        except OSError:
            continue
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_training_stopped_while_preparing_exits_with_75(
    tmp_path: Path, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    stopped = {"cases": f"$os.kill(os.getpid(), {int(number)})"}
    overrides = {key: value for key, value in tiny_overrides(tmp_path).items() if not key.startswith("cases")}
    with pytest.raises(SystemExit) as info:
        run_workflow("train.yaml", **overrides, **NETWORK, **stopped)
    assert info.value.code == 75
    assert "start the same command again" in caplog.text
    assert not (tmp_path / "runs").exists()


def fill(path: Path) -> None:
    """Write a file until nothing more fits."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while os.statvfs(path).f_bavail:
            os.write(descriptor, b"\0" * 512)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    finally:
        os.close(descriptor)


def test_a_place_that_is_read_only_is_named(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        with pytest.raises(ValueError, match=f"output_dir {place} can't be written: Read-only file system"):
            open_run_dir(place, "r")
        with pytest.raises((RuntimeError, OSError)) as info:
            run_workflow("train.yaml", **{**tiny_overrides(tmp_path), "output_dir": str(place)})
        assert f"output_dir {place} can't be written" in (user_message(info.value) or "")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def hold(run_dir: Path) -> None:
    """Lock a run folder, and wait with a forked process, as a loader's worker, which outlives a killed training."""
    os.setsid()
    lock_run(run_dir)
    os.write(1, b"worker\n" if os.fork() == 0 else b"holder\n")
    time.sleep(SECONDS)


def test_a_run_folder_in_use_is_refused_and_a_dead_users_is_not(tmp_path: Path) -> None:
    log = tmp_path / "log"
    holder = start_one(log, hold, tmp_path)
    try:
        wait_for(lambda: set(log.read_text().split()) == {"holder", "worker"}, holder, log)
        with pytest.raises(ValueError, match=f"is in use by process {holder.pid} on .*; wait for it, stop it, or"):
            lock_run(tmp_path)
        assert not is_free(tmp_path)
        holder.kill()
        holder.join()
        assert f"process {holder.pid}" in (tmp_path / LOCK).read_text()  # left behind, and recognised as stale
        assert is_free(tmp_path)
        lock_run(tmp_path)
        assert not is_free(tmp_path)
    finally:
        assert holder.pid is not None
        os.killpg(holder.pid, signal.SIGKILL)
        unlock_run(tmp_path)
