"""Two processes that train and evaluate together, beside one that does it alone with the same batches."""

from __future__ import annotations

import csv
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.losses import DiceCELoss, DiceLoss

from scripts.errors import UserError
from scripts.losses import CrossEntropyLoss, DiceDualFocalLoss, DualFocalLoss, FocalLoss
from scripts.losses.ignored_voxels import WithoutIgnoredVoxels
from scripts.runs.checkpoint import load
from scripts.runs.resume import refuse_other_processes
from scripts.runs.run_files import JOURNAL, LAST
from scripts.tracking import read_curve
from scripts.training.distributed import GlobalMean, validation_share
from tests.conditions import alone
from tests.processes import SECONDS, end, said, start
from tests.synthetic import random_picture, write_picture
from tests.workflows import make_workflow, run_workflow

CASES, EPOCHS = 23, 4
STEPS = 20  # at least
NAME = "shared"


def write_data(folder: Path) -> None:
    """Pictures of which unequal parts are ignored, from nothing to nearly all."""
    for index in range(CASES):
        image, mask = random_picture(index, size=(16, 16))
        mask = mask.copy()
        mask[: index * 15 // CASES] = 255
        write_picture(folder / "images" / f"p{index:02d}.png", image)
        write_picture(folder / "masks" / f"p{index:02d}.png", mask)


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "bundle_root": str(folder),
        "dataset_dir": str(folder / "data"),
        "device": "cpu",
        "precision": "float32",
        "image_size": 16,
        "ignore_index": 255,
        "num_folds": 5,  # 13 pictures to train on, 5 to validate and 5 to test
        "max_epochs": EPOCHS,
        "batch_size": 2,
        "checkpoint_interval": 0,
        "run_name": NAME,
        "network_def::_target_": "tests.tiny_network.PlainNetwork",
        **more,
    }


def train(folder: Path, pause: float = 0.0, **more: Any) -> None:
    """Train as a process of several, slowly if asked to."""
    files = ("train.yaml", "data_folder.yaml", "multi_gpu_train.yaml")
    workflow = make_workflow(*files, run_id="training", **settings(folder, **more))
    workflow.initialize()
    if pause:
        trainer = workflow.parser.get_parsed_content("train::trainer")
        trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: time.sleep(pause))
    workflow.run()
    workflow.finalize()


def evaluate(folder: Path) -> None:
    files = ("evaluate.yaml", "multi_gpu_evaluate.yaml")
    place = {"output_dir": str(folder / "runs"), "run_name": NAME, "part": "val", "device": "cpu"}
    run_workflow(*files, run_id="evaluating", workflow_type="eval", **place)


class Outcome:
    """What the fixture has done: two processes, one of which is killed, then both again, then one alone."""

    def __init__(self, folder: Path) -> None:
        write_data(folder / "data")
        self.folder, self.log = folder, folder / "log"
        self.run_dir = folder / "runs" / NAME
        begun = start(2, self.log, train, folder, 2.0)
        deadline = time.monotonic() + SECONDS
        while not (self.run_dir / LAST).is_file() and begun[1].is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        begun[1].kill()
        self.killed = end(begun)
        self.said = said(self.log, 0)
        self.kept = load(self.run_dir / LAST)
        self.resumed = end(start(2, folder / "again", go_on, folder))
        self.losses, self.first, self.network = train_alone(folder)


def train_alone(folder: Path) -> tuple[list[float], dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The losses, the first and the last network of one process with the same batches, without a run folder."""
    workflow = make_workflow("train.yaml", "data_folder.yaml", **settings(folder, **alone()))
    workflow.initialize()
    trainer = workflow.parser.get_parsed_content("train::trainer")
    losses: list[float] = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: losses.append(trainer.state.output[0]["loss"]))
    network = workflow.parser.get_parsed_content("network")
    first = {name: value.clone() for name, value in network.state_dict().items()}
    trainer.run()
    return losses, first, network.state_dict()


def go_on(folder: Path) -> None:
    train(folder, resume=True)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("OMP_NUM_THREADS", "1")
        return Outcome(tmp_path_factory.mktemp("shared"))


def test_when_one_process_is_killed_the_other_ends_with_one_line(outcome: Outcome) -> None:
    assert outcome.killed == [1, -signal.SIGKILL]
    assert len(outcome.said) == 1
    assert "another process of this work has ended" in outcome.said[0]
    assert "--resume true" in outcome.said[0]


def test_the_checkpoint_holds_random_states_of_each_process(outcome: Outcome) -> None:
    random = outcome.kept["random"]
    assert 1 <= outcome.kept["progress"]["iteration"] < STEPS
    assert len(random["others"]) == 1
    assert not torch.equal(random["torch"], random["others"][0]["torch"])
    with pytest.raises(UserError, match="by 2 process.* with 1: start 2"):
        refuse_other_processes(outcome.run_dir, outcome.kept)


def test_two_processes_and_a_kill_give_the_numbers_of_one_process_over_20_steps(outcome: Outcome) -> None:
    assert outcome.resumed == [0, 0]
    losses = read_curve(outcome.run_dir / JOURNAL, "train/loss")
    assert len(outcome.losses) >= STEPS
    assert max(float((outcome.network[name] - value).abs().max()) for name, value in outcome.first.items()) > 1e-3
    np.testing.assert_allclose(list(losses.values()), outcome.losses, atol=1e-5)
    network = load(outcome.run_dir / LAST)["network"]
    for name, value in outcome.network.items():
        torch.testing.assert_close(network[name], value, atol=1e-5, rtol=0)


def test_there_is_one_run_folder_and_one_run_in_mlflow(outcome: Outcome) -> None:
    folders = [path.name for path in (outcome.folder / "runs").iterdir() if (path / "config.yaml").is_file()]
    assert sorted(set(folders) - {"latest"}) == [NAME]
    with sqlite3.connect(outcome.folder / "runs" / "mlflow.db") as database:
        assert database.execute("select name, status from runs").fetchall() == [(NAME, "FINISHED")]
        (count,) = database.execute("select value from params where key = 'processes'").fetchone()
    assert count == "2"


def test_evaluation_by_two_processes_gives_the_scores_of_one(outcome: Outcome) -> None:
    log = outcome.folder / "evaluation"
    assert end(start(2, log, evaluate, outcome.folder)) == [0, 0]
    tables = outcome.run_dir / "evaluation" / "val"
    together = {path.name: path.read_text() for path in tables.glob("*.csv")}
    pictures = {path.name: path.read_bytes() for path in tables.glob("pictures/*.png")}
    evaluate(outcome.folder)
    assert {path.name: path.read_text() for path in tables.glob("*.csv")} == together
    assert {path.name: path.read_bytes() for path in tables.glob("pictures/*.png")} == pictures != {}
    rows = list(csv.DictReader(together["per_image.csv"].splitlines()))
    assert len(rows) % 2 == 1  # an uneven part
    assert len({row["case"] for row in rows}) == len(rows)


LOSSES: dict[str, Callable[[], Any]] = {
    "dual focal": lambda: DualFocalLoss(ignore_index=255),
    "weighted cross entropy": lambda: CrossEntropyLoss(class_counts=[90, 10], ignore_index=255),
    "focal": lambda: FocalLoss(ignore_index=255),
    "sum": lambda: DualFocalLoss(ignore_index=255, reduction="sum"),
    "dice and dual focal": lambda: DiceDualFocalLoss(ignore_index=255, weight=[1, 3]),
    "dice and cross entropy": lambda: WithoutIgnoredVoxels(DiceCELoss(to_onehot_y=True, softmax=True), 255),
    "nothing ignored": lambda: WithoutIgnoredVoxels(DiceCELoss(to_onehot_y=True, softmax=True)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_mean_of_the_processes_gradients_is_the_gradient_of_the_whole_batch(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(4, 2, 6, 6), torch.randint(2, (4, 1, 6, 6))
    if name != "nothing ignored":
        target[0, :, :5], target[1] = 255, 255  # the first process has six voxels, the other all of its own
    whole = logits.clone().requires_grad_()
    expected = LOSSES[name]()(whole, target)
    expected.backward()
    monkeypatch.setattr(idist, "get_world_size", lambda: 2)
    halves = [(logits[part].clone().requires_grad_(), target[part]) for part in (slice(0, 2), slice(2, 4))]
    sums: list[torch.Tensor] = []
    monkeypatch.setattr(idist, "all_reduce", lambda own: sums.append(own) or own)
    for half in halves:
        GlobalMean(LOSSES[name]())(*half)
    total = sums[0] + sums[1]
    monkeypatch.setattr(idist, "all_reduce", lambda own: total)
    for half in halves:
        value = GlobalMean(LOSSES[name]())(*half)
        torch.testing.assert_close(value, expected)
        value.backward()
    gradient = torch.cat([half.grad for half, _ in halves if half.grad is not None]) / 2
    torch.testing.assert_close(gradient, whole.grad)


def test_a_loss_that_does_not_say_what_it_is_a_mean_over_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idist, "get_world_size", lambda: 2)
    with pytest.raises(UserError, match="CrossEntropyLoss does not say"):
        GlobalMean(torch.nn.CrossEntropyLoss())
    logits, target = torch.zeros(2, 2, 4, 4), torch.zeros(2, 1, 4, 4)
    for loss in (DiceDualFocalLoss(batch=True), WithoutIgnoredVoxels(DiceLoss(to_onehot_y=True, batch=True))):
        with pytest.raises(UserError, match="batch: false"):
            loss.parts(logits, target)


def test_a_process_alone_has_the_loss_itself() -> None:
    logits, target = torch.randn(2, 2, 4, 4), torch.zeros(2, 1, 4, 4)
    loss = DualFocalLoss()
    assert torch.equal(GlobalMean(loss)(logits, target), loss(logits, target))


def test_every_image_of_an_uneven_part_is_scored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idist, "get_world_size", lambda: 3)
    dealt = []
    for rank in range(3):
        monkeypatch.setattr(idist, "get_rank", lambda rank=rank: rank)
        dealt += list(validation_share(range(7)))
    assert sorted(dealt) == list(range(7))
    with pytest.raises(UserError, match="2 images can't be scored by 3 processes"):
        validation_share(range(2))
