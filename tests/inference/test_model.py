from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from scripts.inference.model import find_members
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
