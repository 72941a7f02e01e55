from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import nn
from torch.utils.data import Dataset

from scripts.training.batch_norm import PopulationStatistics
from tests.tiny_network import TinyNetwork
from tests.workflows import run_workflow, tiny_overrides


class Images(Dataset[dict[str, torch.Tensor]]):
    """Images of one channel; remembers which were read."""

    def __init__(self, count: int) -> None:
        self.images = torch.randn(count, 1, 6, 6, generator=torch.Generator().manual_seed(count))
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        self.read.append(index)
        return {"image": self.images[index]}


def one_epoch(*handlers: PopulationStatistics, epochs: int = 1) -> None:
    trainer = Engine(lambda engine, batch: None)
    for handler in handlers:
        handler.attach(trainer)
    trainer.run([0], max_epochs=epochs)


def test_statistics_are_the_mean_over_batches_of_images_spread_over_the_data() -> None:
    images, network = Images(20), nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3))
    network(torch.randn(4, 1, 6, 6) * 9)  # running averages of something else
    one_epoch(PopulationStatistics(network, images, num_images=8, batch_size=4))
    assert images.read == [0, 2, 5, 7, 10, 12, 15, 17]
    with torch.no_grad():
        batches = [network[0](images.images[indices]) for indices in ([0, 2, 5, 7], [10, 12, 15, 17])]
    mean = torch.stack([batch.mean((0, 2, 3)) for batch in batches]).mean(0)
    variance = torch.stack([batch.var((0, 2, 3)) for batch in batches]).mean(0)
    torch.testing.assert_close(network[1].running_mean, mean)
    torch.testing.assert_close(network[1].running_var, variance)
    assert network[1].momentum == 0.1


def test_training_gets_back_its_random_numbers_and_its_mode() -> None:
    network = TinyNetwork().train()
    torch.manual_seed(3)
    state = torch.get_rng_state()
    one_epoch(PopulationStatistics(network, Images(8), num_images=8, batch_size=4))
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(("num_images", "read"), [(1, 4), (4, 4), (99, 12)])
def test_a_batch_at_least_and_all_images_at_most_are_taken(num_images: int, read: int) -> None:
    images = Images(12)
    one_epoch(PopulationStatistics(TinyNetwork(), images, num_images, batch_size=4))
    assert len(images.read) == read


@pytest.mark.parametrize(("available", "share", "read"), [(400, 0.1, 40), (300, 0.1, 28), (100, 0.1, 16), (8, 0.5, 8)])
def test_a_share_of_the_images_is_taken_between_16_and_the_number(available: int, share: float, read: int) -> None:
    images = Images(available)
    one_epoch(PopulationStatistics(TinyNetwork(), images, num_images=40, batch_size=4, share=share))
    assert len(images.read) == read  # whole batches of 4


def test_a_share_out_of_range_is_refused() -> None:
    for share in (0.0, 1.5, -0.1):
        with pytest.raises(ValueError, match=f"batch_norm_share must be a number above 0 and at most 1, got {share}"):
            PopulationStatistics(TinyNetwork(), Images(4), num_images=4, batch_size=4, share=share)


def test_none_are_taken_where_none_are_asked_for_or_nothing_has_statistics() -> None:
    images, network = Images(8), TinyNetwork()
    before = copy.deepcopy(network.state_dict())
    one_epoch(PopulationStatistics(network, images, num_images=0, batch_size=4))
    one_epoch(PopulationStatistics(nn.Conv2d(1, 2, 1), images, num_images=8, batch_size=4))
    assert images.read == []
    torch.testing.assert_close(dict(network.state_dict()), dict(before), rtol=0, atol=0)


def test_they_are_taken_when_a_validation_follows() -> None:
    images = Images(4)
    one_epoch(PopulationStatistics(TinyNetwork(), images, num_images=4, batch_size=4, interval=3), epochs=7)
    assert len(images.read) == 2 * 4  # behind epochs 3 and 6


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_norm_images must be a number of images >= 0, got -1"):
        PopulationStatistics(TinyNetwork(), Images(4), num_images=-1, batch_size=4)


def test_the_weights_of_a_training_do_not_depend_on_them(tmp_path: Path) -> None:
    states: list[dict[str, Any]] = []
    for number in (0, 8):
        tiny = {"network_def": {"_target_": "tests.tiny_network.TinyNetwork"}, "batch_norm_images": number}
        workflow = run_workflow("train.yaml", **tiny_overrides(tmp_path / str(number), **tiny))
        states.append(workflow.parser.get_parsed_content("network").state_dict())
    weights = [{k: v for k, v in state.items() if "running" not in k and "tracked" not in k} for state in states]
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)
    mean = "network.features.1.running_mean"
    assert not torch.equal(states[0][mean], states[1][mean])
