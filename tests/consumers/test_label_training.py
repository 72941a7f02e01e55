"""What MONAI Label's training does to a bundle: volumes of its users in place of slices, and three more keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigParser, ConfigWorkflow

from scripts.configuration.error_report import user_message
from scripts.configuration.handed_over import own_cases, own_epochs, own_weights
from scripts.configuration.reading import load_config
from scripts.datasets import find_datalist
from scripts.errors import UserError
from scripts.networks import AdaptiveClassWeight, ClassWeightedNetwork, UNet
from scripts.runs.checkpoint import load, save
from scripts.training.first_weights import FirstWeights
from tests.synthetic import random_volume, write_nifti
from tests.tiny_network import PlainNetwork
from tests.workflows import CONFIGS

NARROW = {"_target_": "scripts.networks.UNet", "in_channels": 1, "num_classes": 2, "channels": [2, 4, 8, 16, 32]}
SETTINGS = {
    "network_def": NARROW, "network_name": "unet", "image_size": 32, "precision": "float32", "batch_norm_images": 0,
    "learning_rate": 1e-12, "fold": 1,
}  # fmt: skip
Entries = list[dict[str, str]]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """What ``make bundle`` lays for MONAI Label, with a narrow network that next to nothing is learned by."""
    bundle = tmp_path / "model" / "dual_focal_loss_segmentation"
    (bundle / "configs").mkdir(parents=True)
    (bundle / "models").mkdir()
    (bundle / "configs" / "train.json").write_text(json.dumps({**load_config(), **SETTINGS}))
    torch.manual_seed(5)
    save(UNet(1, 2, channels=[2, 4, 8, 16, 32]).state_dict(), bundle / "models" / "model.pt")
    return bundle


def data_store(folder: Path, count: int = 4) -> Entries:
    """Volumes with final masks, as the server lists them."""
    entries = []
    for index in range(count):
        image, mask = random_volume(index)
        place = folder / "studies"
        entries.append(
            {
                "image": str(write_nifti(place / f"Doermann_{index}.nii.gz", image)),
                "label": str(write_nifti(place / "labels" / "final" / f"Doermann_{index}.nii.gz", mask)),
            }
        )
    return entries


def handed_over(bundle: Path, train: Entries, val: Entries | None, epochs: int = 1) -> dict[str, Any]:
    """The overrides of its BundleTrainTask, its loader of the published network among the handlers."""
    config = ConfigParser()
    config.read_config(str(bundle / "configs" / "train.json"))
    loader = {
        "_target_": "CheckpointLoader",
        "load_path": str(bundle / "models" / "model.pt"),
        "load_dict": {"model": "$@network"},
        "strict": False,
    }
    overrides = {
        "bundle_root": str(bundle), "train#trainer#max_epochs": epochs, "train#dataset#data": train, "device": "cpu",
        "train#handlers": [loader, *config["train#handlers"]],
    }  # fmt: skip
    return overrides if val is None else {**overrides, "validate#dataset#data": val}


def workflow_of(file: Path, run_id: str = "run", **overrides: Any) -> ConfigWorkflow:
    meta = str(CONFIGS / "metadata.json")
    return ConfigWorkflow(
        str(file), workflow_type="train", run_id=run_id, logging_file=False, meta_file=meta, **overrides
    )


def run(file: Path, run_id: str = "run", **overrides: Any) -> ConfigWorkflow:
    workflow = workflow_of(file, run_id, **overrides)
    workflow.initialize()
    workflow.run()
    return workflow


@pytest.mark.filterwarnings("ignore")
def test_its_volumes_are_trained_on_from_the_published_weights(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    entries = data_store(tmp_path)
    workflow = run(bundle / "configs" / "train.json", **handed_over(bundle, entries[:3], entries[3:]))
    assert workflow.parser.get_parsed_content("train#trainer").state.epoch == 1
    (folder,) = {path.resolve() for path in (bundle / "runs").glob("adfl-unet-datalist-*")}
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert (config["max_epochs"], config["data_name"], config["cases"]["val"]) == (1, "datalist", entries[3:])
    split = json.loads((folder / "split.json").read_text())["cases"]
    assert {part: len(names) for part, names in split.items()} == {"train": 3, "val": 1, "test": 0}
    named = {path.name for path in (bundle / "runs").rglob("*") if path.is_file() and b"Doermann" in path.read_bytes()}
    assert named == {"config.yaml"}  # the run's own, by which it is evaluated; never what others are shown
    published = load(bundle / "models" / "model.pt")
    for name, value in load(folder / "model.pt").items():
        if value.is_floating_point() and "running" not in name:
            torch.testing.assert_close(value, published[name])
    class_weight = workflow.parser.get_parsed_content("class_weight")
    torch.testing.assert_close(class_weight.weight.detach(), torch.ones(2))

    said = capsys.readouterr().out
    assert "Scores of the validation part (there is no test part): " in said
    assert f"evaluate RUN={folder.name} PART=val" in said
    overrides = {"output_dir": str(bundle / "runs"), "run_name": folder.name, "device": "cpu"}
    run(CONFIGS / "evaluate.yaml", run_id="evaluating", part="val", **overrides)
    assert (folder / "evaluation" / "val" / "summary.json").is_file()
    with pytest.raises(RuntimeError) as info:
        run(CONFIGS / "evaluate.yaml", run_id="evaluating", **overrides)
    assert "no 'test' part" in (user_message(info.value) or "")


@pytest.mark.filterwarnings("ignore")
def test_without_a_list_to_validate_on_the_volumes_are_parted_by_folds(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = handed_over(bundle, data_store(tmp_path, 5), None)
    workflow = workflow_of(bundle / "configs" / "train.json", **overrides)
    workflow.initialize()
    data = workflow.parser.get_parsed_content("data")
    assert {part: len(names) for part, names in data.split.items()} == {"train": 3, "val": 1, "test": 1}
    assert data.fold == SETTINGS["fold"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("train", "val", "told"),
    [
        (0, 1, "no image has a final mask yet"),
        (3, 0, "val_split between 0 and 1"),
        (None, 1, "validate::dataset::data is a list of files"),
    ],
)
def test_lists_that_can_not_be_trained_on_are_refused_before_anything_is_written(
    bundle: Path, tmp_path: Path, train: int | None, val: int, told: str
) -> None:
    entries = data_store(tmp_path)
    overrides = handed_over(bundle, entries[: train or 0], entries[4 - val :])
    if train is None:
        del overrides["train#dataset#data"]
    with pytest.raises(RuntimeError) as info:
        run(bundle / "configs" / "train.json", **overrides)
    message = user_message(info.value) or ""
    assert told in message
    assert "\n" not in message
    assert not (bundle / "runs").exists()


def test_an_entry_without_a_mask_and_a_file_that_is_gone_are_refused(tmp_path: Path) -> None:
    (entry,) = data_store(tmp_path, 1)
    with pytest.raises(UserError, match="must be"):
        find_datalist([{"image": entry["image"]}])
    with pytest.raises(FileNotFoundError, match=r"nowhere.nii.gz is listed and not there"):
        find_datalist([{**entry, "label": str(tmp_path / "nowhere.nii.gz")}])
    (case,) = find_datalist([entry])
    assert (case.name, case.patient, case.part, case.private) == ("Doermann_0", "Doermann_0", None, True)


def test_a_configuration_that_nothing_is_handed_to_stays_as_it_is() -> None:
    parser = ConfigParser(load_config())
    assert [own(parser) for own in (own_cases, own_epochs, own_weights)] == [{}, {}, {}]
    users_own = {"_target_": "CheckpointLoader", "load_path": "a.pt", "load_dict": {"network": "@network"}}
    parser["train::handlers"] = [users_own, *parser["train::handlers"]]
    assert own_weights(parser) == {}


@pytest.mark.parametrize("positive", [False, True])
def test_first_weights_give_the_published_logits_and_those_of_another_network_are_refused(
    tmp_path: Path, positive: bool
) -> None:
    torch.manual_seed(0)
    published = PlainNetwork()
    save(published.state_dict(), tmp_path / "model.pt")
    network = ClassWeightedNetwork(PlainNetwork(), AdaptiveClassWeight(2, [9, 1], positive=positive))
    FirstWeights(network, tmp_path / "model.pt")._load(None)  # type: ignore[arg-type]
    image = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(network(image), published(image))
    plain = ClassWeightedNetwork(PlainNetwork())
    FirstWeights(plain, tmp_path / "model.pt")._load(None)  # type: ignore[arg-type]
    torch.testing.assert_close(plain(image), published(image))
    save(UNet(1, 2, channels=[2, 4, 8, 16, 32]).state_dict(), tmp_path / "other.pt")
    with pytest.raises(UserError, match="weights of another network"):
        FirstWeights(network, tmp_path / "other.pt")._load(None)  # type: ignore[arg-type]
