"""What processes that share a training agree on, told without starting any."""

from __future__ import annotations

import math
import signal
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import pytest
import torch
from torch import distributed

from scripts.configuration.error_report import user_message
from scripts.errors import UserError
from scripts.runs import checkpoint_handler
from scripts.runs import processes as shared
from scripts.runs.checkpoint_handler import RunCheckpoint
from scripts.runs.random_states import own_random_states
from scripts.runs.state import TrainingState


def test_what_several_processes_can_not_do_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    with pytest.raises(UserError, match="batch_size is 4, .* multiple of 3"):
        shared.join_processes("cpu", batch_size=4)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(UserError, match="cuda:0 would be shared by 3 processes"):
        shared.join_processes("cuda:0", batch_size=3)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match=r"3 processes were started on a machine of 2 GPU\(s\)"):
        shared.own_device()


def test_each_process_takes_its_own_random_states(monkeypatch: pytest.MonkeyPatch) -> None:
    states = {"torch": 0, "others": [{"torch": 1}, {"torch": 2}]}
    assert own_random_states(states)["torch"] == 0
    monkeypatch.setattr(idist, "get_rank", lambda: 2)
    assert own_random_states(states)["torch"] == 2


@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_to_any_process_stops_all(rank: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idist, "get_rank", lambda: rank)
    checkpoint = RunCheckpoint(tmp_path, TrainingState({}))
    told: list[int] = []
    monkeypatch.setattr(checkpoint_handler, "largest", lambda own: told.append(own) or own)
    assert not checkpoint._is_due(math.inf)
    assert checkpoint._is_due(0.0) == (rank == 0)  # by the first one's clock alone
    assert told == [0, int(rank == 0)]
    monkeypatch.setattr(checkpoint_handler, "largest", lambda own: max(own, 2 * signal.SIGTERM))
    assert checkpoint._is_due(math.inf)
    assert checkpoint._asked == "SIGTERM"


@pytest.mark.parametrize(("told", "code"), [([1, None], 1), ([75, None], 75)])
def test_what_ends_the_first_process_ends_the_others_in_silence(
    told: list[Any], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idist, "get_world_size", lambda: 2)
    monkeypatch.setattr(idist, "get_rank", lambda: 1)
    monkeypatch.setattr(distributed, "broadcast_object_list", lambda values, src: values.__setitem__(slice(None), told))
    with pytest.raises(SystemExit) as info:
        shared.from_first(lambda: 1 / 0)
    assert info.value.code == code


@pytest.mark.parametrize(("error", "code"), [(UserError("no cases"), 1), (SystemExit(75), 75)])
def test_the_first_process_tells_the_others_of_its_end(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    told: list[list[Any]] = []
    monkeypatch.setattr(idist, "get_world_size", lambda: 2)
    monkeypatch.setattr(distributed, "broadcast_object_list", lambda values, src: told.append(list(values)))
    with pytest.raises(type(error)):
        shared.from_first(fail)
    assert told == [[code, None]]


def test_a_lost_process_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:1234")
    assert user_message(error) is None  # of a process alone
    monkeypatch.setattr(idist, "get_world_size", lambda: 2)
    assert "another process of this work has ended" in (user_message(error) or "")
    assert user_message(RuntimeError("size mismatch")) is None


def test_settings_that_all_refuse_are_told_by_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not shared.is_echo()
    monkeypatch.setenv("RANK", "1")
    assert shared.is_echo()
    monkeypatch.setattr(idist, "get_world_size", lambda: 2)  # they have joined: what follows may be this one's own
    assert not shared.is_echo()
