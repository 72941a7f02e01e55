"""The main job as a user runs it: train, evaluate, segment, on a tiny phantom."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import itk
import mlflow
import numpy as np
import pytest
import torch
import yaml

from scripts.configuration.error_report import user_message
from scripts.networks import DeepLabV3Plus
from scripts.runs.run_folder import find_run_dir
from scripts.tracking import read_curve
from tests.processes import end, start_command
from tests.workflows import ROOT, make_workflow, run_workflow, tiny_overrides


def command(run_id: str, config_file: str, **overrides: object) -> subprocess.CompletedProcess[str]:
    """``python -m monai.bundle run`` in a process of its own, from the bundle's root."""
    words = [f"--{name}={value}" for name, value in overrides.items()]
    line = [sys.executable, "-m", "monai.bundle", "run", run_id, "--config_file", config_file, *words]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, env=env, timeout=240)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder below which the command line has trained two epochs; its output is in ``output.txt``."""
    folder = tmp_path_factory.mktemp("trained")
    done = command("training", "configs/train.yaml", **tiny_overrides(folder, bundle_root=folder))
    (folder / "output.txt").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr
    return folder


def test_training_says_its_progress_and_its_result(trained: Path) -> None:
    said = (trained / "output.txt").read_text()
    assert "epoch 2/2: 100%" in said  # the progress bar, with loss and time left
    assert "loss=" in said
    assert "epoch 1: validation prostate Dice" in said
    assert "Best validation (epoch" in said
    assert "Run folder:" in said
    assert "make ui" in said


def test_the_run_folder_holds_everything(trained: Path) -> None:
    run = find_run_dir(trained / "runs")
    assert run.name == "adfl-deeplabv3plus-phantom-adam-f0-s0"
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["max_epochs"] == 2
    assert config["cases"]["num_cases"] == 6
    split = json.loads((run / "split.json").read_text())["cases"]
    assert sorted(map(len, split.values())) == [2, 2, 2]
    assert len(set().union(*split.values())) == 6
    assert {path.name for path in (run / "figures").iterdir()} >= {"validation_epoch_002.png", "learning_curves.png"}


def test_the_journal_and_mlflow_hold_loss_and_scores_of_every_class(trained: Path) -> None:
    run = find_run_dir(trained / "runs")
    state = json.loads((run / "tracking.json").read_text())
    client = mlflow.MlflowClient(state["tracking_uri"])
    info = client.get_run(state["run_id"])
    assert info.info.status == "FINISHED"
    assert info.data.params["loss"] == "adfl"
    # 12 training images, batches of 4, 2 epochs
    losses = {point.step: point.value for point in client.get_metric_history(state["run_id"], "train/loss")}
    assert sorted(losses) == [1, 2, 3, 4, 5, 6]
    assert losses == read_curve(run / "metrics.jsonl", "train/loss")
    for name in ("val/dice/background", "val/dice/prostate", "val/iou/prostate", "acw/w_prostate"):
        assert [point.step for point in client.get_metric_history(state["run_id"], name)] == [3, 6], name
    artefacts = {item.path for item in client.list_artifacts(state["run_id"])}
    assert {"config.yaml", "split.json", "figures"} <= artefacts


def test_the_weights_of_a_run_are_the_best_network_folded_and_the_bundles_own_are_left_alone(trained: Path) -> None:
    run = find_run_dir(trained / "runs")
    assert not (trained / "models").exists()
    flat = torch.load(run / "model.pt", weights_only=True)
    network = DeepLabV3Plus(in_channels=1, num_classes=2)
    network.load_state_dict(flat)  # strict: no trace of the class weights
    best = torch.load(run / "checkpoint_best.pt", weights_only=True)["network"]
    weight = best["network.decoder.classifier.weight"]
    assert not torch.equal(flat["decoder.classifier.weight"], weight)


def test_evaluation_writes_tables_and_adds_to_the_same_mlflow_run(trained: Path) -> None:
    run_workflow("train.yaml", "evaluate.yaml", run_id="evaluating", **tiny_overrides(trained))
    run = find_run_dir(trained / "runs")
    with (run / "evaluation" / "test" / "per_image.csv").open() as file:
        images = list(csv.DictReader(file))
    with (run / "evaluation" / "test" / "per_case.csv").open() as file:
        cases = list(csv.DictReader(file))
    split = json.loads((run / "split.json").read_text())["cases"]
    assert [row["case"] for row in cases] == sorted(split["test"])
    assert len(images) == 12
    assert sorted(path.stem for path in (run / "evaluation" / "test" / "pictures").iterdir()) == sorted(split["test"])
    summary = json.loads((run / "evaluation" / "test" / "summary.json").read_text())["scores"]
    mean = np.mean([float(row["dice/prostate"]) for row in cases if row["dice/prostate"]])
    assert summary["dice/prostate"] == pytest.approx(mean, abs=1e-6)
    state = json.loads((run / "tracking.json").read_text())
    run_id = state["run_id"]
    logged = mlflow.MlflowClient(state["tracking_uri"]).get_run(run_id).data.metrics
    assert logged["test/dice/prostate"] == pytest.approx(summary["dice/prostate"])
    client = mlflow.MlflowClient(state["tracking_uri"])
    sent = {item.path for place in ("figures", "evaluation/test") for item in client.list_artifacts(run_id, place)}
    drawn = {path.name for path in (run / "figures").glob("test_epoch_*.png")}
    assert drawn
    assert {f"figures/{name}" for name in drawn} | {"evaluation/test/summary.json"} <= sent
    assert "evaluation/test/pictures" not in sent


def test_inference_gives_masks_in_the_geometry_of_their_volumes(trained: Path, tmp_path: Path) -> None:
    volumes = trained / "runs" / "data" / "phantom"
    run_workflow(
        "inference.yaml",
        workflow_type="infer",
        dataset_dir=str(volumes),
        output_dir=str(tmp_path / "masks"),
        runs_dir=str(trained / "runs"),
        run_name="latest",
        device="cpu",
    )
    masks = sorted((tmp_path / "masks").glob("*.mhd"))
    assert [path.name for path in masks] == [f"Case{i:02d}_segmentation.mhd" for i in range(6)]
    mask, volume = itk.imread(str(masks[0])), itk.imread(str(volumes / "Case00.mhd"))
    assert itk.size(mask) == itk.size(volume)
    np.testing.assert_allclose(mask.GetSpacing(), volume.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(mask.GetOrigin(), volume.GetOrigin(), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(mask.GetDirection()), np.asarray(volume.GetDirection()), atol=1e-6)
    array = itk.array_from_image(mask)
    assert array.dtype == np.uint8
    assert set(np.unique(array)) <= {0, 1}


def test_scores_in_original_size_are_those_of_the_masks_that_inference_writes(trained: Path, tmp_path: Path) -> None:
    from scripts.evaluation.object_scores import score_object

    run_workflow("train.yaml", "evaluate.yaml", run_id="evaluating", **tiny_overrides(trained))
    volumes, masks = trained / "runs" / "data" / "phantom", tmp_path / "masks"
    run_workflow(
        "inference.yaml",
        workflow_type="infer",
        dataset_dir=str(volumes),
        output_dir=str(masks),
        runs_dir=str(trained / "runs"),
        run_name="latest",
        device="cpu",
        precision="float32",  # as the evaluation had it
    )
    with (find_run_dir(trained / "runs") / "evaluation" / "test" / "per_case.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        volume = itk.imread(str(volumes / f"{row['case']}_segmentation.mhd"))
        pred = itk.array_from_image(itk.imread(str(masks / f"{row['case']}_segmentation.mhd"))).T == 1
        truth = itk.array_from_image(volume).T == 1
        expected = score_object(pred, truth, tuple(volume.GetSpacing()), tolerance=2)
        dice = 2 * (pred & truth).sum() / (pred.sum() + truth.sum())
        # slices are rounded to 16 bits on the disk, which may turn a voxel in thousands
        assert float(row["original/dice/prostate"]) == pytest.approx(dice, abs=0.002)
        assert float(row["original/hd95_mm/prostate"]) == pytest.approx(expected.hd95, rel=0.05)
        assert float(row["original/volume_difference_ml/prostate"]) == pytest.approx(
            expected.volume_difference / 1000, abs=0.002 * truth.size * np.prod(volume.GetSpacing()) / 1000
        )


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("train.yaml",), "train"),
        (("train.yaml", "multi_gpu_train.yaml"), "train"),
        (("inference.yaml",), "infer"),
    ],
)
def test_monai_finds_every_property_it_looks_for(trained: Path, names: tuple[str, ...], kind: str) -> None:
    own = {
        "dataset_dir": str(trained / "runs" / "data" / "phantom"),
        "checkpoint": str(trained / "runs/latest/model.pt"),
    }
    own = tiny_overrides(trained) if kind == "train" else own
    workflow = make_workflow(*names, workflow_type=kind, **own)
    workflow.initialize()
    assert workflow.check_properties() == []


def test_evaluation_on_another_split_is_refused(trained: Path) -> None:
    overrides = tiny_overrides(trained, fold=1)
    with pytest.raises(RuntimeError) as info:
        run_workflow("train.yaml", "evaluate.yaml", run_id="evaluating", **overrides)
    assert "fold is 1 and was 0" in (user_message(info.value) or "")


# ---- what a user can do wrong ---------------------------------------------------------------------------------------


def _refused(*names: str, run_id: str = "run", **overrides: object) -> str:
    with pytest.raises((RuntimeError, ValueError, FileNotFoundError)) as info:
        run_workflow(*names, run_id=run_id, **overrides)
    message = user_message(info.value)
    assert message is not None, f"not a message for the user: {info.value!r}"
    assert "\n" not in message
    return message


def _promise12(folder: Path, fault: str) -> Path:
    """Six small cases in PROMISE12's layout, one of them spoiled."""
    from tests.synthetic import random_volume, write_mhd, write_promise12

    root = write_promise12(folder / "data", 6)
    image, mask = random_volume(3)
    if fault == "mask missing":
        (root / "Case03_segmentation.mhd").unlink()
    elif fault == "mask of another size":
        write_mhd(root / "Case03_segmentation.mhd", mask[:-1])
    elif fault == "label outside the classes":
        mask[0, 0, 0] = 7
        write_mhd(root / "Case03_segmentation.mhd", mask)
    elif fault == "raw cut short":
        raw = write_mhd(root / "Case03.mhd", image).with_suffix(".raw")
        raw.write_bytes(raw.read_bytes()[:-100])
    return root


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("mask missing", ["Case03.mhd", "has no mask", "add it or remove the case"]),
        ("mask of another size", ["Case03_segmentation.mhd", "size 39 32 5", "40 32 5", "export the mask"]),
        ("label outside the classes", ["Case03_segmentation.mhd", "7"]),
        ("raw cut short", ["Case03.raw", "truncated", "copy it again"]),
    ],
)
def test_bad_cases_are_refused_in_one_line_and_nothing_is_left(tmp_path: Path, fault: str, said: list[str]) -> None:
    root = _promise12(tmp_path, fault)
    overrides = {"dataset_dir": str(root), "output_dir": str(tmp_path / "runs"), "image_size": 32, "device": "cpu"}
    message = _refused("train.yaml", "data_promise12.yaml", **overrides)
    for words in said:
        assert words in message
    left = [path for path in (tmp_path / "runs").rglob("*") if path.is_file() and not path.name.endswith(".lock")]
    assert left == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    overrides = {"dataset_dir": str(tmp_path / "none"), "output_dir": str(tmp_path / "runs")}
    assert f"{tmp_path / 'none'} is not a folder" in _refused("train.yaml", "data_promise12.yaml", **overrides)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pixel_spacing": -1}, "pixel_spacing must be null or one or two numbers of millimetres"),
        ({"image_size": [64]}, r"image_size must be one or two whole numbers, 16 to 4096, got \[64\]"),
        ({"labels": "ab"}, "labels must be 2 to 256 different names, background included, got 'ab'"),
        ({"channels_last": "no way"}, "channels_last must be true or false, got 'no way'"),
        ({"deterministic_algorithms": "x"}, "deterministic_algorithms must be true or false, got 'x'"),
        ({"resume": "nowhere"}, "no run to resume in nowhere"),
        ({"resume": 3}, "resume must be true, false, null or a run's folder, got 3"),
    ],
)
def test_a_setting_that_can_t_be_is_refused_before_the_phantom_is_written(
    tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    message = _refused("train.yaml", output_dir=str(tmp_path / "runs"), device="cpu", **settings)
    assert re.search(said, message)
    assert not (tmp_path / "runs").exists()


def test_a_folder_without_cases_is_named(tmp_path: Path) -> None:
    overrides = {"dataset_dir": str(tmp_path), "output_dir": str(tmp_path / "runs")}
    assert f"no PROMISE12 case (CaseXX.mhd) under {tmp_path}" in _refused(
        "train.yaml", "data_promise12.yaml", **overrides
    )


def test_an_unknown_override_fails_with_one_line_and_a_hint(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert end([start_command(log, "training", "train.yaml", max_epoch=3, output_dir=str(tmp_path / "runs"))]) == [1]
    said = log.read_text()
    assert said.strip().splitlines()[-1].startswith("error: unknown key or override 'max_epoch'")
    assert "did you mean max_epochs?" in said
    assert "Traceback" not in said
    assert not (tmp_path / "runs").exists()


def test_evaluation_without_a_training_is_refused(tmp_path: Path) -> None:
    message = _refused("train.yaml", "evaluate.yaml", run_id="evaluating", **tiny_overrides(tmp_path))
    assert "no finished or running training under" in message
    assert "train first" in message


def test_evaluation_of_a_missing_checkpoint_is_refused(trained: Path) -> None:
    overrides = tiny_overrides(trained, checkpoint=str(trained / "none.pt"))
    assert "none.pt" in _refused("train.yaml", "evaluate.yaml", run_id="evaluating", **overrides)


def test_inference_without_volumes_or_weights_is_refused(trained: Path, tmp_path: Path) -> None:
    where = {"dataset_dir": str(tmp_path), "output_dir": str(tmp_path / "masks"), "workflow_type": "infer"}
    assert "no checkpoint" in _refused("inference.yaml", **where, checkpoint=str(tmp_path / "none.pt"))
    run = {"runs_dir": str(trained / "runs"), "run_name": "latest"}
    assert f"no image under {tmp_path}" in _refused("inference.yaml", **where, **run)
    assert not (tmp_path / "masks").exists()
