"""Evaluating and comparing need the names of runs alone, and refuse whatever would change their numbers."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from scripts.configuration.error_report import user_message
from scripts.errors import UserError
from scripts.inference.model import find_members
from scripts.inference.networks import load_weights
from scripts.networks import UNet
from scripts.runs.run_configuration import read_run_configuration, run_configuration
from tests.workflows import CONFIGS, run_workflow, tiny_overrides

NETWORK = {"network_def::_target_": "tests.tiny_network.TinyNetwork"}
OWN = {"image_size": 48, "labels": ["background", "gland"], "fold": 1, "max_epochs": 1}  # none is train.yaml's own


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short training, and from it a run of another network and one of another size."""
    folder = tmp_path_factory.mktemp("scored")
    settings = {**NETWORK, **OWN, "run_name": "first", "bundle_root": str(folder)}
    run_workflow("train.yaml", "loss_ce.yaml", **tiny_overrides(folder, **settings))
    unet = yaml.safe_load((CONFIGS / "network_unet.yaml").read_text())
    unet["network_def"]["channels"] = [2, 4, 8, 16, 32]
    _copy_run(folder, "unet", **unet)
    torch.save(UNet(1, 2, channels=[2, 4, 8, 16, 32]).state_dict(), folder / "runs" / "unet" / "model.pt")
    _copy_run(folder, "small", image_size=32)
    return folder


def _copy_run(folder: Path, name: str, **changes: Any) -> None:
    run = folder / "runs" / name
    shutil.copytree(folder / "runs" / "first", run)
    for name in ("config.yaml", "tracked/config.yaml"):
        config = yaml.safe_load((run / name).read_text())
        (run / name).write_text(yaml.safe_dump({**config, **changes}))


def evaluate(folder: Path, *names: str, run_name: str = "first", **overrides: Any) -> dict[str, Any]:
    files = names or ("evaluate.yaml",)
    run_workflow(*files, run_id="evaluating", output_dir=str(folder / "runs"), run_name=run_name, **overrides)
    summary: dict[str, Any] = json.loads((folder / "runs" / run_name / "evaluation/test/summary.json").read_text())
    return summary


def refused(folder: Path, *names: str, run_id: str = "evaluating", **overrides: Any) -> str:
    before = sorted(folder.rglob("*"))
    with pytest.raises((RuntimeError, ValueError)) as info:
        run_workflow(*names, run_id=run_id, **{"output_dir": str(folder / "runs"), "device": "cpu", **overrides})
    message = user_message(info.value)
    assert message is not None, f"not a message for the user: {info.value!r}"
    assert "\n" not in message
    assert sorted(folder.rglob("*")) == before  # nothing was written
    return message


def test_the_runs_name_is_enough_and_gives_the_scores_of_its_own_settings(folder: Path) -> None:
    alone = evaluate(folder, device="cpu")
    assert alone["computed_with"]["image_size"] == [48, 48]
    assert alone["computed_with"]["labels"] == ["background", "gland"]
    assert alone["computed_with"]["fold"] == 1
    # behind train.yaml, whose own image_size is 224, and with the parts and overrides of the training again
    behind = evaluate(folder, "train.yaml", "evaluate.yaml", device="cpu")
    again = evaluate(folder, "train.yaml", "loss_ce.yaml", "evaluate.yaml", device="cpu", **NETWORK, **OWN)
    assert alone == behind == again


def test_the_summary_says_what_it_was_computed_with(folder: Path) -> None:
    said = evaluate(folder, device="cpu")["computed_with"]
    run = folder / "runs" / "first"
    split = json.loads((run / "split.json").read_text())
    assert said["run"] == "first"
    assert said["checkpoint"] == "checkpoint_best.pt"
    assert said["checkpoint_sha256"] == hashlib.sha256((run / "checkpoint_best.pt").read_bytes()).hexdigest()
    assert said["checkpoint_epoch"] == 1
    assert said["split_sha256"] == split["sha256"]
    assert said["data_fingerprint"] == said["data_fingerprint_in_training"] == split["fingerprint"]
    assert len(said["config_sha256"]) == 64
    assert "torch" in said["versions"]


@pytest.mark.parametrize(
    ("files", "overrides", "said"),
    [
        (["evaluate.yaml"], {"image_size": 64}, "image_size is 64 and was 48 in run first"),
        (["evaluate.yaml"], {"labels": ["background", "prostate"]}, "labels::1 is prostate and was gland"),
        (["evaluate.yaml"], {"fold": 0}, "fold is 0 and was 1"),
        (["evaluate.yaml"], {"ignore_index": 255}, "ignore_index is 255 and was None"),
        (["evaluate.yaml", "network_unet.yaml"], {}, "network_name is unet and was deeplabv3plus"),
        (["train.yaml", "loss_dfl.yaml", "evaluate.yaml"], {}, "loss_name is dfl and was ce"),
        (["train.yaml", "data_promise12.yaml", "evaluate.yaml"], {}, "data_name is promise12 and was phantom"),
        (["train.yaml", "evaluate.yaml"], {"split_seed": 5}, "split_seed is 5 and was 0"),
        (["train.yaml", "evaluate.yaml"], {"cases::num_cases": 9}, "cases::num_cases is 9 and was 6"),
        (["train.yaml", "evaluate.yaml"], {"network_def::in_channels": 3}, "network_def::in_channels is 3"),
        (
            ["train.yaml", "evaluate.yaml"],
            {"train::deterministic_transforms::0::dataset": 9},
            "dataset is 9 and was @data",
        ),
    ],
)
def test_what_would_change_the_numbers_is_refused_by_name(
    folder: Path, files: list[str], overrides: dict[str, Any], said: str
) -> None:
    message = refused(folder, *files, run_name="first", **overrides)
    assert said in message
    assert "give --run_name alone" in message


def test_what_does_not_change_the_numbers_is_free(folder: Path) -> None:
    free = evaluate(folder, device="cpu", batch_size=5, num_workers=0, max_epochs=9)
    assert free["scores"] == pytest.approx(evaluate(folder, device="cpu")["scores"], abs=1e-6)


def test_the_checkpoint_of_another_run_is_neither_evaluated_nor_published(folder: Path) -> None:
    for name, seed in (("mine", 0), ("theirs", 1)):
        settings = {**NETWORK, **OWN, "run_name": name, "seed": seed, "bundle_root": str(folder)}
        run_workflow("train.yaml", "loss_ce.yaml", **tiny_overrides(folder, **settings))
    said = "checkpoint_best.pt was written by a training of another configuration than the config.yaml of the run mine"
    theirs = str(folder / "runs" / "theirs" / "checkpoint_best.pt")
    assert f"theirs/{said}" in refused(folder, "evaluate.yaml", run_name="mine", checkpoint=theirs)
    said = f"mine/{said}"
    shutil.copy(theirs, folder / "runs" / "mine")
    assert said in refused(folder, "evaluate.yaml", run_name="mine")
    publish = {"run_name": "mine", "models_dir": str(folder / "models")}
    assert said in refused(folder, "publish.yaml", run_id="publishing", **publish)


def test_weights_of_another_run_are_not_taken_for_those_of_the_folder(folder: Path) -> None:
    for name, seed in (("ours", 2), ("others", 3)):
        settings = {**NETWORK, **OWN, "run_name": name, "seed": seed, "bundle_root": str(folder)}
        run_workflow("train.yaml", "loss_ce.yaml", **tiny_overrides(folder, **settings))
    runs = folder / "runs"
    said = "ours/model.pt was written by a training of another configuration than the config.yaml of the run ours"
    members = find_members("ours", runs, "none")
    load_weights(members[0].value("network_def"), members, "cpu")
    shutil.copy(runs / "others" / "model.pt", runs / "ours")
    publish = {"run_name": "ours", "models_dir": str(folder / "models")}
    assert said in refused(folder, "publish.yaml", run_id="publishing", **publish)
    assert said in refused(folder, "export.yaml", run_id="exporting", run_name="ours", format="onnx")
    assert said in refused(folder, "compare.yaml", run_id="comparing", runs=["ours"])
    with pytest.raises(UserError, match=said):
        load_weights(members[0].value("network_def"), members, "cpu")


def test_a_misspelt_key_is_refused_with_the_nearest(folder: Path) -> None:
    message = refused(folder, "evaluate.yaml", run_name="first", image_sizes=48)
    assert "'image_sizes'" in message
    assert "did you mean image_size?" in message


@pytest.mark.parametrize("name", ["../first", "/tmp", ".hidden", "a/b", ".."])
@pytest.mark.parametrize("run_id", ["evaluating", "comparing"])
def test_a_name_that_leaves_the_folder_of_runs_is_refused(folder: Path, name: str, run_id: str) -> None:
    given = {"run_name": name} if run_id == "evaluating" else {"runs": [name]}
    file = "evaluate.yaml" if run_id == "evaluating" else "compare.yaml"
    assert "run_name must be a plain folder name" in refused(folder, file, run_id=run_id, **given)


def test_a_folder_that_is_no_run_or_is_damaged_is_refused(folder: Path) -> None:
    assert "holds no config.yaml" in refused(folder, "evaluate.yaml", run_name="prepared")
    for content in ("- 1", "a: [", "seed: 1"):
        (folder / "runs" / "broken").mkdir(exist_ok=True)
        (folder / "runs" / "broken" / "config.yaml").write_text(content)
        assert "is damaged" in refused(folder, "evaluate.yaml", run_name="broken")
    shutil.rmtree(folder / "runs" / "broken")


def test_a_moved_folder_of_runs_gives_the_same_scores(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "runs", tmp_path / "moved" / "runs", symlinks=True)
    assert evaluate(tmp_path / "moved", device="cpu")["scores"] == evaluate(folder, device="cpu")["scores"]


def test_other_data_than_the_runs_under_the_same_names_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "runs", tmp_path / "runs", symlinks=True)
    shutil.rmtree(tmp_path / "runs" / "first" / "evaluation", ignore_errors=True)  # of the tests before
    volume = tmp_path / "runs" / "data" / "phantom" / "Case00.raw"
    content = bytearray(volume.read_bytes())
    content[0] ^= 1
    volume.write_bytes(content)
    others = {"output_dir": str(tmp_path / "runs"), "device": "cpu"}
    for file, run_id, given in (
        ("evaluate.yaml", "evaluating", {"run_name": "first"}),
        ("compare.yaml", "comparing", {"runs": ["first"], "names": ["a"], "picture": str(tmp_path / "drawn.png")}),
    ):
        with pytest.raises((RuntimeError, ValueError)) as info:
            run_workflow(file, run_id=run_id, **others, **given)
        message = user_message(info.value) or ""
        assert "trained with (fingerprint " in message, info.value
        assert "own data" in message
        assert "--dataset_dir" in message
    assert not (tmp_path / "drawn.png").exists()
    assert not list((tmp_path / "runs" / "first").rglob("per_case.csv"))


def test_data_that_are_not_there_any_more_are_named_with_the_option(tmp_path: Path) -> None:
    run, gone = _run_of(tmp_path, dataset_dir=str(tmp_path / "gone"))
    with pytest.raises(FileNotFoundError, match=r"dataset_dir of run r is .*gone, .* say where it is by --dataset_dir"):
        run_configuration(run, gone, "evaluate.yaml")
    there = {**gone, "dataset_dir": str(tmp_path)}
    assert run_configuration(run, there, "evaluate.yaml")["dataset_dir"] == str(tmp_path)


def test_a_parts_own_folder_does_not_replace_the_runs(tmp_path: Path) -> None:
    run, given = _run_of(tmp_path, dataset_dir=str(tmp_path))
    part = yaml.safe_load((CONFIGS / "data_promise12.yaml").read_text())
    assert run_configuration(run, {**given, **part}, "evaluate.yaml")["dataset_dir"] == str(tmp_path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("labels", ["prostate", "background"]),
        ("image_size", 64),
        ("pixel_spacing", 0.5),
        ("ignore_index", 255),
        ("include_background", True),
        ("network_def", {"_target_": "scripts.networks.UNet"}),
        ("seed", 7),
        ("max_epochs", 99),
        ("learning_rate", 1.0),
    ],
)
def test_a_configuration_that_was_changed_by_hand_is_refused(
    folder: Path, tmp_path: Path, place: str, value: Any
) -> None:
    run = tmp_path / "first"
    shutil.copytree(folder / "runs" / "first", run)
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**config, "dataset_dir": "/elsewhere"}))  # may differ
    read_run_configuration(run)
    (run / "config.yaml").write_text(yaml.safe_dump({**config, place: value}))
    with pytest.raises(UserError, match=f"config.yaml was changed after the training: {place}.* is .* and was .*; put"):
        read_run_configuration(run)


def test_weights_to_begin_from_are_not_needed_again(tmp_path: Path) -> None:
    begun_from = {"_target_": "X", "pretrained_path": "/gone.pth"}
    run, given = _run_of(tmp_path, dataset_dir=str(tmp_path), network_def=begun_from)
    assert run_configuration(run, given, "evaluate.yaml")["network_def"]["pretrained_path"] is None


def _run_of(folder: Path, **overrides: Any) -> tuple[Path, dict[str, Any]]:
    """The folder of a run on PROMISE12 with its configuration alone, and what ``evaluate.yaml`` gives."""
    config = yaml.safe_load((CONFIGS / "train.yaml").read_text())
    config |= yaml.safe_load((CONFIGS / "data_promise12.yaml").read_text())
    run = folder / "runs" / "r"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(yaml.safe_dump({**config, **overrides}))
    return run, yaml.safe_load((CONFIGS / "evaluate.yaml").read_text())


# ---- several runs in one picture ------------------------------------------------------------------------------------


def test_runs_are_drawn_each_with_its_own_network(folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "comparison.png"
    names = {"runs": ["first", "unet"], "names": ["CE", "U-Net"], "picture": str(picture), "device": "cpu"}
    run_workflow("compare.yaml", run_id="comparing", output_dir=str(folder / "runs"), **names)
    assert picture.stat().st_size > 5000


def test_runs_of_other_images_are_refused_by_name(folder: Path) -> None:
    names = {"runs": ["first", "small"], "names": ["a", "b"]}
    message = refused(folder, "compare.yaml", run_id="comparing", **names)
    assert "image_size is 32 in run small and 48 in run first" in message
    message = refused(folder, "compare.yaml", run_id="comparing", runs=["first"], names=["a"], image_size=224)
    assert "image_size is 224 and was 48 in run first" in message
    assert "lists of equal length" in refused(folder, "compare.yaml", run_id="comparing", runs="first", names="a")
    as_jpeg = refused(folder, "compare.yaml", run_id="comparing", runs=["first"], names=["a"], picture="a.jpg")
    assert as_jpeg == "picture is written as PNG, got 'a.jpg'; give --picture a name that ends with .png"
