"""What every loss shares: the first weights, the images, their order and their augmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events

from tests.conditions import LOSSES, WITH_ACW, alone, condition, digest, resolved
from tests.workflows import run_workflow, tiny_overrides

PICTURES = "small"  # see tests/quicker.py


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fairness")


def start_and_batches(folder: Path, loss: str, **overrides: Any) -> tuple[str, list[str]]:
    """Hashes of the network's first weights and of every batch (images, labels, cases, slices) of two epochs."""
    workflow = condition(folder, loss, **alone(max_epochs=2, batch_size=4, **overrides))
    workflow.initialize()
    first_weights = digest(list(resolved(workflow, "network_def").state_dict().values()))
    trainer = resolved(workflow, "train::trainer")
    # Building the trainer, with its loader, loss and optimiser, has not touched the weights.
    assert digest(list(resolved(workflow, "network").network.state_dict().values())) == first_weights
    batches: list[str] = []

    def keep(engine: Engine) -> None:
        batch = engine.state.batch
        batches.append(digest([batch["image"], batch["label"], batch["case_index"], batch["slice"]]))

    trainer.add_event_handler(Events.ITERATION_STARTED, keep)
    trainer.run()
    return first_weights, batches


@pytest.mark.parametrize("augmentation", [False, True])
def test_every_loss_starts_from_the_same_weights_and_sees_the_same_images(folder: Path, augmentation: bool) -> None:
    seen = {loss: start_and_batches(folder, loss, augmentation=augmentation) for loss in LOSSES}
    assert set(seen) > WITH_ACW
    expected = seen["loss_ce.yaml"]
    assert len(set(expected[1])) == 6  # 12 images in batches of 4, twice, in another order
    assert {loss: value for loss, value in seen.items() if value != expected} == {}


@pytest.mark.parametrize("network", ["network_deeplabv3plus.yaml", "network_vgg19_fcn.yaml"])
def test_other_networks_start_alike_for_every_loss_too(folder: Path, network: str) -> None:
    starts = set()
    for loss in LOSSES:
        workflow = condition(folder, loss, network, **alone())
        workflow.initialize()
        starts.add(digest(list(resolved(workflow, "network").network.state_dict().values())))
    assert len(starts) == 1


def test_the_seed_decides_weights_order_and_augmentation(folder: Path) -> None:
    zero, one, again = (start_and_batches(folder, "loss_adfl.yaml", augmentation=True, seed=s) for s in (0, 1, 0))
    assert zero == again
    assert zero[0] != one[0]
    assert not set(zero[1]) & set(one[1])


def test_options_of_the_optimiser_change_neither_start_nor_images(folder: Path) -> None:
    expected = start_and_batches(folder, "loss_adfl.yaml", augmentation=True)
    other = {"acw_positive": True, "acw_learning_rate_factor": 10.0, "learning_rate": 0.1, "weight_decay": 0.1}
    assert start_and_batches(folder, "loss_adfl.yaml", augmentation=True, **other) == expected


@pytest.mark.parametrize("augmentation", [False, True])
def test_the_number_of_loader_processes_changes_no_image(folder: Path, augmentation: bool) -> None:
    expected = start_and_batches(folder, "loss_dfl.yaml", augmentation=augmentation)
    assert start_and_batches(folder, "loss_dfl.yaml", augmentation=augmentation, num_workers=2) == expected


def test_validation_sees_every_image_once_and_unaugmented(folder: Path) -> None:
    images = []
    for augmentation in (False, True):
        workflow = condition(folder, **alone(augmentation=augmentation))
        workflow.initialize()
        batches = list(resolved(workflow, "validate::dataloader"))
        assert sum(len(batch["image"]) for batch in batches) == len(resolved(workflow, "data").items("val"))
        images.append(digest([batch["image"] for batch in batches]))
    assert images[0] == images[1]


def test_the_same_condition_gives_the_same_run_to_the_last_bit(folder: Path) -> None:
    files = ("train.yaml", "network_unet.yaml", "loss_adfl.yaml")
    narrow = {"network_def::channels": [2, 4, 8, 16, 32], "augmentation": True, "bundle_root": str(folder)}
    checkpoints = []
    for number in (1, 2):
        run_workflow(*files, **tiny_overrides(folder, **narrow, run_name=f"twin{number}"))
        checkpoints.append(torch.load(folder / "runs" / f"twin{number}" / "model.pt", weights_only=True))
    assert all(torch.equal(checkpoints[0][key], checkpoints[1][key]) for key in checkpoints[0])
