"""Every part and every combination of parts: known keys, MONAI's properties, two steps of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.conditions import LOSSES, NARROW, NETWORKS, OPTIMIZERS, WITH_ACW, alone, condition, resolved, train
from tests.workflows import CONFIGS, make_workflow, tiny_overrides

KINDS = ("data", "network", "loss", "optimizer")
PARTS = sorted(path.name for kind in KINDS for path in CONFIGS.glob(f"{kind}_*.yaml"))
# All that a part of a kind sets, and each sets all of it: the last of two parts of a kind wins whole.
KEYS = {
    "network": {"network_name", "network_def"},
    "loss": {"loss_name", "class_weight", "loss"},
    "optimizer": {"optimizer_name", "optimizer"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conditions")


def read(name: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((CONFIGS / name).read_text())
    return config


def test_the_parts_are_those_of_the_paper_and_todays_defaults() -> None:
    assert [name.removeprefix("network_") for name in NETWORKS] == [
        "deeplabv3plus.yaml",
        "unet.yaml",
        "vgg19_fcn.yaml",
    ]
    assert {name.removeprefix("loss_").removesuffix(".yaml") for name in LOSSES} == {
        *("ce", "wce", "fl", "fl_alpha1", "dfl", "acw_ce", "adfl"),
        *("dice_ce", "dice_focal"),
    }
    assert OPTIMIZERS == ["optimizer_adam.yaml", "optimizer_sgdm.yaml"]


@pytest.mark.parametrize("name", PARTS)
def test_a_part_replaces_top_level_keys_of_train_yaml_and_nothing_else(name: str) -> None:
    part = read(name)
    assert set(part) <= set(read("train.yaml"))  # a misspelt key would be added in silence
    kind = name.split("_")[0]
    assert set(part) == KEYS.get(kind, set(part))


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIGS.glob("recipe_*.yaml")))
def test_a_recipe_sets_plain_keys_of_train_yaml_and_goes_on_top_of_parts(name: str, folder: Path) -> None:
    recipe, base = read(name), read("train.yaml")
    assert set(recipe) <= set(base)
    assert not any(isinstance(value, dict | list) for value in recipe.values())
    assert {key for key in recipe if recipe[key] != base[key]}  # else it changes nothing
    workflow = condition(folder, "loss_ce.yaml", "network_unet.yaml", name)
    tiny = {"image_size", "batch_size", "max_epochs"}  # which the tests set themselves
    assert {key: workflow.parser.get(key) for key in recipe if key not in tiny} == {
        key: value for key, value in recipe.items() if key not in tiny
    }


@pytest.mark.parametrize("name", [*NETWORKS, *LOSSES, *OPTIMIZERS])
def test_a_part_is_named_as_its_file(name: str) -> None:
    kind = name.split("_")[0]
    assert read(name)[f"{kind}_name"] == name.removeprefix(f"{kind}_").removesuffix(".yaml")


def test_train_yaml_is_its_own_default_parts() -> None:
    base = read("train.yaml")
    for name in ("network_deeplabv3plus.yaml", "loss_adfl.yaml", "optimizer_adam.yaml"):
        part = read(name)
        assert {key: base[key] for key in part} == part


def test_training_and_inference_build_the_same_network() -> None:
    assert read("train.yaml")["network_def"] == read("inference.yaml")["network_def"]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_part_also_goes_on_inference(network: str) -> None:
    files = ("inference.yaml", network)
    where = {"checkpoint": str(CONFIGS / "inference.yaml")}  # any file that is there
    workflow = make_workflow(*files, workflow_type="infer", device="cpu", **where, **NARROW[network])
    workflow.initialize()  # refuses a key that nothing reads
    assert type(resolved(workflow, "network")).__name__ == read(network)["network_def"]["_target_"].split(".")[-1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_combination_has_monais_properties_and_trains_two_steps(
    folder: Path, network: str, loss: str, optimizer: str
) -> None:
    workflow = condition(folder, loss, network, optimizer, **alone())
    workflow.initialize()
    assert workflow.check_properties() == []
    weighted = resolved(workflow, "network")
    before = {name: value.clone() for name, value in weighted.named_parameters()}
    trainer = resolved(workflow, "train::trainer")
    trainer.run()
    assert trainer.state.iteration == 2
    assert torch.isfinite(torch.as_tensor(trainer.state.output[0]["loss"]))
    moved = {name for name, value in weighted.named_parameters() if not torch.equal(value, before[name])}
    assert moved
    assert ("class_weight.raw_weight" in moved) == (loss in WITH_ACW)
    assert type(resolved(workflow, "optimizer")).__name__ == {"adam": "Adam", "sgdm": "SGD"}[optimizer[10:-5]]


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_trains_on_colour_and_on_odd_sizes(tmp_path: Path, network: str) -> None:
    workflow = condition(tmp_path, "loss_adfl.yaml", network, **alone(in_channels=3, image_size=[33, 47]))
    train(workflow)
    trainer = resolved(workflow, "train::trainer")
    assert trainer.state.iteration == 2
    assert trainer.state.output[0]["image"].shape == (3, 33, 47)
    assert trainer.state.output[0]["pred"].shape == (2, 33, 47)


def test_the_runs_name_says_its_condition(folder: Path) -> None:
    workflow = condition(folder, "loss_fl_alpha1.yaml", "network_vgg19_fcn.yaml", "optimizer_sgdm.yaml", seed=3, fold=1)
    workflow.parser.parse()
    assert resolved(workflow, "run_name") == "fl_alpha1-vgg19_fcn-phantom-sgdm-f1-s3"


@pytest.mark.parametrize("loss", LOSSES)
def test_the_paper_sets_the_losses(folder: Path, loss: str) -> None:
    workflow = condition(folder, loss, **alone())
    workflow.initialize()
    built = resolved(workflow, "loss")
    counts = resolved(workflow, "data").class_counts("train")
    # Equation 5 for two classes: the weight of a class is the share of the other one.
    weights = torch.tensor([counts[1] / sum(counts), counts[0] / sum(counts)])
    class_weight = resolved(workflow, "class_weight")
    if loss in WITH_ACW:
        torch.testing.assert_close(class_weight.weight.detach(), weights)
    else:
        assert class_weight is None
    if loss.startswith("loss_fl"):
        assert (built.alpha, built.gamma) == (1.0 if "alpha1" in loss else 0.25, 2.0)
    if loss == "loss_wce.yaml":
        torch.testing.assert_close(built.weight, weights)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_paper_sets_the_optimisers(folder: Path, optimizer: str) -> None:
    workflow = condition(folder, "loss_adfl.yaml", "network_unet.yaml", optimizer, **alone())
    workflow.initialize()
    built, schedule = resolved(workflow, "optimizer"), resolved(workflow, "lr_scheduler")
    assert [group["lr"] for group in built.param_groups] == [5e-4, 5e-4]
    assert [group["weight_decay"] for group in built.param_groups] == [0.0, 0.0]
    assert [group.get("momentum", 0.9) for group in built.param_groups] == [0.9, 0.9]
    assert (schedule.step_size, schedule.gamma) == (5, 0.95)
    assert read("train.yaml")["batch_size"] == 4
    assert read("train.yaml")["image_size"] == 224


def test_ignored_voxels_train_with_every_loss(folder: Path) -> None:
    for loss in LOSSES:
        workflow = condition(folder, loss, **alone(ignore_index=255))
        workflow.initialize()
        logits = torch.randn(2, 2, 8, 8, requires_grad=True)
        target = torch.randint(0, 2, (2, 1, 8, 8)).float()
        target[:, :, :4] = 255
        resolved(workflow, "loss")(logits, target).backward()
        assert logits.grad is not None
        assert not logits.grad[:, :, :4].any()
        assert logits.grad[:, :, 4:].all()


def test_seeds_differ_and_return(folder: Path) -> None:
    first, second, third = (train(condition(folder, **alone(seed=seed))).state_dict() for seed in (0, 1, 0))
    assert all(torch.equal(first[key], third[key]) for key in first)
    assert any(not torch.equal(first[key], second[key]) for key in first)


def test_a_part_of_each_kind_is_enough_for_a_run_of_the_papers_tables() -> None:
    overrides = tiny_overrides(Path("unused"))
    names = ("network_unet.yaml", "loss_ce.yaml", "optimizer_sgdm.yaml", "data_promise12.yaml")
    workflow = make_workflow("train.yaml", *names, **{k: v for k, v in overrides.items() if "::" not in k})
    workflow.parser.parse()
    assert resolved(workflow, "run_name") == "ce-unet-promise12-sgdm-f0-s0"
