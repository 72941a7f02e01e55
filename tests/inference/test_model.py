from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from scripts.errors import UserError
from scripts.inference.model import find_members
from scripts.inference.networks import assemble_network
from scripts.runs.publishing import describe_run
from tests.inference.stub_run import write_run

NAMES = ["background", "anterior", "posterior"]


def make_run(folder: Path, *, recorded: bool = True) -> Path:
    """A run whose labels came out of its data set, which lies elsewhere."""
    labels = {"_target_": "scripts.datasets.nifti_labels", "dataset_dir": "@dataset_dir"}
    run_dir = write_run(folder, "run", labels=labels, dataset_dir=str(folder / "training"))
    if recorded:
        (run_dir / "tracking.json").write_text(json.dumps({"params": {"labels": NAMES}}))
    return run_dir


def test_labels_that_a_run_read_from_its_data_bring_no_data_folder_into_inference(tmp_path: Path) -> None:
    member = find_members(make_run(tmp_path).name, tmp_path, "")[0]
    assert member.settings["labels"] == NAMES
    assert "dataset_dir" not in member.settings
    assert "training" not in json.dumps(member.settings)
    assert member.value("network_def")(torch.zeros(1, 1, 32, 32)).shape == (1, 3, 32, 32)


def test_a_published_run_names_its_labels_outright(tmp_path: Path) -> None:
    settings = describe_run(make_run(tmp_path))["settings"]
    assert settings["labels"] == NAMES
    assert "training" not in json.dumps(settings)


def test_weights_published_with_labels_of_a_data_set_are_refused(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path)
    record = describe_run(run_dir)
    record["settings"]["labels"] = {"_target_": "scripts.datasets.nifti_labels", "dataset_dir": "@dataset_dir"}
    weights = (run_dir / "model.pt").rename(tmp_path / "model.pt")
    (tmp_path / "model.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="publish the run again"):
        find_members(None, tmp_path, weights)


def test_without_a_record_the_run_s_own_data_set_is_asked(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path, recorded=False)
    for name in ("imagesTr", "labelsTr"):
        (tmp_path / "training" / name).mkdir(parents=True)
    (tmp_path / "training" / "dataset.json").write_text(json.dumps({"labels": dict(enumerate(NAMES))}))
    assert find_members(run_dir.name, tmp_path, "")[0].settings["labels"] == NAMES


def test_a_run_that_is_not_there_is_looked_for_by_the_key_of_inference(tmp_path: Path) -> None:
    for names in (("none", None), (make_run(tmp_path / "runs").name, "none")):
        runs = tmp_path / ("empty" if names[1] is None else "runs")
        with pytest.raises(FileNotFoundError, match="no run 'none' under") as refused:
            find_members(names[0], runs, "", names[1])
        assert "--output_dir" not in str(refused.value)
    with pytest.raises(FileNotFoundError, match="name the folder of your runs by --runs_dir"):
        find_members("none", tmp_path / "empty", "")


@pytest.mark.parametrize("ensemble", [5, True, {"second": 1}, [None], [""], [5], [["second"]], "", ["first", ""]])
def test_an_ensemble_that_is_no_list_of_names_is_refused(tmp_path: Path, ensemble: Any) -> None:
    for name, level in (("first", 0.3), ("second", 0.7)):
        write_run(tmp_path, name, level=level)
    with pytest.raises(UserError, match="ensemble must be a list of runs' names, got"):
        find_members("first", tmp_path, "", ensemble)
    assert (
        len(find_members("first", tmp_path, "", ["second"])) == len(find_members("first", tmp_path, "", "second")) == 2
    )


def test_weights_that_would_count_twice_are_refused(tmp_path: Path) -> None:
    for name, level in (("first", 0.3), ("second", 0.7)):
        write_run(tmp_path, name, level=level)
    shutil.copytree(tmp_path / "second", tmp_path / "copy")
    (tmp_path / "latest").symlink_to("first")
    for ensemble in (["second", "second"], ["first"], ["second", "copy"], ["latest"]):
        with pytest.raises(UserError, match="hold the same weights, which would count twice in the ensemble"):
            find_members("first", tmp_path, "", ensemble)


def test_sizes_and_spacings_that_are_written_otherwise_are_the_same(tmp_path: Path) -> None:
    write_run(tmp_path, "first", level=0.3, size=32, pixel_spacing=1.5)
    write_run(tmp_path, "second", level=0.7, size=[32, 32], pixel_spacing=[1.5, 1.5])
    write_run(tmp_path, "third", level=0.6, size=[32, 48], pixel_spacing=1.5)
    assert len(find_members("first", tmp_path, "", ["second"])) == 2
    with pytest.raises(UserError, match=r"image_size of third is \[32, 48\], of first 32; an ensemble is of runs"):
        find_members("first", tmp_path, "", ["third"])


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"image_size": "big"}, "config.yaml is damaged: image_size must be"),
        ({"in_channels": "one"}, "config.yaml is damaged: in_channels must be"),
        ({"in_channels": 0}, "config.yaml is damaged: in_channels must be"),
        ({"labels": ["a", "a"]}, "config.yaml is damaged: labels must be"),
        ({"labels": "prostate"}, "config.yaml is damaged: labels is 'prostate', no list"),
        ({"network_def": None}, "config.yaml is damaged: network_def must name a network"),
    ],
)
def test_settings_that_no_training_has_are_named(tmp_path: Path, setting: dict[str, Any], told: str) -> None:
    run_dir = write_run(tmp_path, "run")
    config = yaml.safe_load((run_dir / "config.yaml").read_text())
    (run_dir / "config.yaml").write_text(yaml.safe_dump({**config, **setting}))
    with pytest.raises(UserError, match=told):
        find_members("run", tmp_path, "")


def test_what_should_tell_of_weights_and_is_no_file_is_named(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path, "run")
    (run_dir / "config.yaml").unlink()
    for name in ("config.yaml", "model.json"):
        (run_dir / name).mkdir()
        with pytest.raises(UserError, match=f"{name} is no file, which should tell what .*model.pt was trained with"):
            find_members(None, tmp_path, run_dir / "model.pt")
        (run_dir / name).rmdir()
    with pytest.raises(UserError, match="checkpoint must be the path of a file, got 5"):
        find_members(None, tmp_path, 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("shares", [[1], {"prostate": 5}, {"prostate": ["x", "y"]}, 5])
def test_published_shares_that_are_none_are_named(tmp_path: Path, shares: Any) -> None:
    run_dir = write_run(tmp_path, "run")
    record = {**describe_run(run_dir), "training_shares": shares}
    weights = (run_dir / "model.pt").rename(tmp_path / "model.pt")
    (tmp_path / "model.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="model.json is damaged; publish the run again"):
        find_members(None, tmp_path, weights)


def test_networks_whose_logits_do_not_go_together_are_named(tmp_path: Path) -> None:
    wide = {"_target_": "tests.inference.stub_run.Threshold", "in_channels": 1, "num_classes": 4}
    write_run(tmp_path, "first", level=0.3)
    write_run(tmp_path, "second", level=0.7, network_def=wide)
    members = find_members("first", tmp_path, "", ["second"])
    network = assemble_network(members[0].value("network_def"), members, "cpu")
    with pytest.raises(
        UserError, match=r"logits of different shapes, \[1, 2, 16, 16\] and \[1, 4, 16, 16\]; name other"
    ):
        network(torch.zeros(1, 1, 16, 16))
    with pytest.raises(UserError, match="network_def is a dict and no network"):
        assemble_network({}, members[:1], "cpu")  # type: ignore[arg-type]
