"""A tampered or odd resume state is refused in one line that names the file and the place, and changes nothing."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

from scripts.errors import UserError
from scripts.runs.checkpoint import load, save
from scripts.runs.random_states import random_states
from scripts.runs.resume import Resume, comparable_sha256
from scripts.runs.run_files import CONFIG, LAST
from scripts.runs.state import TrainingState
from tests.tiny_network import TinyNetwork

CONFIGURATION = {"seed": 1}
EPOCH_LENGTH, MAX_EPOCHS = 3, 4


def training() -> tuple[Any, TrainingState]:
    """A trainer in the middle of its second epoch, and what it keeps."""
    network = TinyNetwork()
    optimizer = torch.optim.Adam(network.parameters())
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    network(torch.rand(2, 1, 8, 8)).sum().backward()
    optimizer.step()
    counts = SimpleNamespace(epoch=2, iteration=4, max_epochs=MAX_EPOCHS, epoch_length=EPOCH_LENGTH)
    loader = SimpleNamespace(sampler=SimpleNamespace(skip=lambda _: None), batch_size=2)
    engine = SimpleNamespace(state=counts, should_terminate=False, data_loader=loader)
    engine.add_event_handler = lambda *_: None
    state = TrainingState({"network": network, "optimizer": optimizer, "lr_scheduler": scheduler})
    state.metadata = {"split_sha256": "5" * 64, "config_sha256": comparable_sha256(CONFIGURATION)}
    state.history = [[1.0, 0.5]]
    return engine, state


def resume(folder: Path) -> None:
    engine, state = training()
    Resume(folder, state)._restore(engine)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    engine, state = training()
    save(state.take(engine, epoch_completed=False), tmp_path / LAST)
    (tmp_path / CONFIG).write_text(yaml.safe_dump(CONFIGURATION))
    return tmp_path


def put(*place: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(state: dict[str, Any]) -> None:
        target: Any = state
        for name in place[:-1]:
            target = target[name]
        target[place[-1]] = value

    return change


def drop(*place: Any) -> Callable[[dict[str, Any]], None]:
    def change(state: dict[str, Any]) -> None:
        target: Any = state
        for name in place[:-1]:
            target = target[name]
        del target[place[-1]]

    return change


NAN = float("nan")
MOMENT = ("optimizer", "state", 0, "exp_avg")
TAMPERINGS = {
    "no progress": (drop("progress"), "'progress' is missing"),
    "no network": (drop("network"), "'network' is missing"),
    "no optimizer": (drop("optimizer"), "'optimizer' is missing"),
    "no random states": (drop("random"), "'random' is missing"),
    "a list for progress": (put("progress", value=[1]), "'progress' is a list"),
    "no iteration": (drop("progress", "iteration"), "progress::iteration is None"),
    "iteration NaN": (put("progress", "iteration", value=NAN), "progress::iteration is nan"),
    "iteration 1e9": (put("progress", "iteration", value=10**9), "iteration 1000000000 does not belong to epoch 2"),
    "iteration as text": (put("progress", "iteration", value="4"), "progress::iteration is '4'"),
    "iteration true": (put("progress", "iteration", value=True), "progress::iteration is True"),
    "epoch negative": (put("progress", "epoch", value=-1), "progress::epoch is -1"),
    "epoch beyond the end": (put("progress", "epoch", value=9), "beyond max_epochs 4"),
    "completed in the middle": (put("progress", "epoch_completed", value=True), "does not belong to epoch"),
    "completed as a number": (put("progress", "epoch_completed", value=1), "neither true nor false"),
    "best NaN": (put("progress", "best", value={"score": NAN, "epoch": 1}), "progress::best"),
    "best of the future": (put("progress", "best", value={"score": 0.9, "epoch": 3}), "progress::best"),
    "history of text": (put("progress", "history", value=["x"]), "progress::history"),
    "history without end": (put("progress", "history", value=[[1.0, 0.5]] * 9), "progress::history"),
    "weights of another shape": (put("network", "classifier.bias", value=torch.zeros(5)), "network::classifier.bias"),
    "weights NaN": (put("network", "classifier.bias", value=torch.full((2,), NAN)), "classifier.bias is not finite"),
    "weights in half": (put("network", "classifier.bias", value=torch.zeros(2).half()), "torch.float16"),
    "weights a number": (put("network", "classifier.bias", value=1.0), "network::classifier.bias is 1.0"),
    "a weight too many": (put("network", "more", value=torch.zeros(1)), "network has other entries"),
    "moment of another shape": (put(*MOMENT, value=torch.zeros(9)), "exp_avg has the shape [9]"),
    "moment without end": (put(*MOMENT, value=torch.zeros(1).expand(10**6, 10**6)), "exp_avg"),
    "moment infinite": (put(*MOMENT, value=torch.full((8, 1, 3, 3), float("inf"))), "exp_avg is not finite"),
    "moment of nobody": (put("optimizer", "state", 99, value={}), "belongs to no parameter"),
    "learning rate NaN": (put("optimizer", "param_groups", 0, "lr", value=NAN), "param_groups::0::lr is nan"),
    "learning rate as text": (put("optimizer", "param_groups", 0, "lr", value="1"), "param_groups::0::lr is '1'"),
    "a group too few": (put("optimizer", "param_groups", value=[]), "optimizer::param_groups has other entries"),
    "scheduler without epoch": (drop("lr_scheduler", "last_epoch"), "lr_scheduler has other entries"),
    "scheduler infinite": (put("lr_scheduler", "last_epoch", value=float("inf")), "last_epoch is inf"),
    "torch's generator cut": (put("random", "torch", value=torch.zeros(7, dtype=torch.uint8)), "random::torch"),
    "NumPy's place beyond": (put("random", "numpy", 2, value=10**6), "random::numpy"),
    "Python's words too few": (put("random", "python", 1, value=[1, 2]), "random::python"),
    "Python's words too large": (put("random", "python", 1, 0, value=2**40), "random::python"),
    "another split": (put("metadata", "split_sha256", value="6" * 64), "another hash"),
    "no metadata": (drop("metadata"), "another hash"),
}


def test_the_untouched_state_is_taken(folder: Path) -> None:
    resume(folder)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampered_state_is_refused_by_file_and_place(folder: Path, name: str) -> None:
    tamper, said = TAMPERINGS[name]
    state = load(folder / LAST)
    tamper(state)
    torch.save(state, folder / LAST)
    before = copy.deepcopy(random_states())
    with pytest.raises(UserError) as info:
        resume(folder)
    message = str(info.value)
    assert message.startswith(str(folder / LAST))
    assert said in message
    assert "\n" not in message
    assert len(message) < 600
    assert str(before["python"]) == str(random_states()["python"])  # refused before anything was set


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def _compress(path: Path) -> None:
    """The same entries with zeros that a small body unpacks to."""
    with zipfile.ZipFile(path) as source:
        entries = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in entries.items():
            target.writestr(name, bytes(50_000_000) if name.endswith("data/0") else content)


@pytest.mark.parametrize(
    "damage",
    [_truncate, _compress, lambda path: path.write_bytes(b""), lambda path: path.write_text(json.dumps({"a": 1}))],
    ids=["truncated", "compressed", "empty", "JSON"],
)
def test_a_damaged_file_is_refused_by_name(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(folder / LAST)
    with pytest.raises(UserError, match=rf"{LAST} can't be read as a checkpoint"):
        resume(folder)


def test_a_list_for_a_state_and_a_damaged_configuration_are_refused(folder: Path) -> None:
    (folder / CONFIG).write_text("a: [")
    with pytest.raises(UserError, match=rf"{CONFIG} is damaged"):
        resume(folder)
    torch.save([1, 2], folder / LAST)
    (folder / CONFIG).write_text(yaml.safe_dump(CONFIGURATION))
    with pytest.raises(UserError, match="holds a list, not a checkpoint"):
        resume(folder)
