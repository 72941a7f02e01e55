from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from scripts.configuration.command_line import refuse_number_signs, refuse_odd_files, typed
from scripts.errors import UserError
from tests.workflows import CONFIGS, make_workflow


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--run_name", "2024_11_24"], "2024_11_24"),
        (["--run_name=007"], "007"),
        (["--run-name", "7", "--seed", "1"], "7"),
        (["--run_name", "a", "--run_name", "1e5"], "1e5"),
        (["run_name", "7"], None),
        (["--run_name"], None),
    ],
)
def test_the_text_of_an_option_is_what_was_typed(words: list[str], text: str | None) -> None:
    assert typed("run_name", ["run", "training", *words]) == text


def test_a_name_that_the_command_line_reads_as_a_number_stays_as_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {"initialize": [{"_target_": "scripts.configuration.command_line.read_names"}]}
    workflow = make_workflow("train.yaml", **steps, run_name=20241124)
    with pytest.raises(RuntimeError) as info:
        workflow.initialize()  # not from the command line: what was written is not known
    assert "put it in quotes" in str(info.value.__cause__)
    type_line(monkeypatch, "--run_name", "2024_11_24")
    workflow = make_workflow("train.yaml", **steps, run_name=20241124)
    workflow.initialize()
    assert workflow.parser.get_parsed_content("run_name") == "2024_11_24"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output_dir", "/runs/a#2"], "--output_dir holds '#', which MONAI reads as '::'"),
        (["--output_dir=a#2"], "--output_dir holds '#'"),  # the command line takes it for a, with a comment
        (["--cases#patient_pattern", "(p#)"], "--cases#patient_pattern holds '#'"),
        (["--cases::values", "['#000000','#ff']"], "--cases::values holds '#'"),
        (["--labels", "['#000000','#ff0000']"], "--labels holds '#'"),  # no colours of a mask
        (["--config_file", "part.yaml"], "part.yaml: data::place holds '#'"),
        (["--tracking_uri", "http://u:secret#1@host"], "--tracking_uri holds '#'"),
    ],
)
def test_a_text_that_would_not_be_kept_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    (tmp_path / "part.yaml").write_text("data: {place: '/a#b'}\ncases: {values: ['#000000']}\n")
    monkeypatch.chdir(tmp_path)
    type_line(monkeypatch, *words)
    with pytest.raises(UserError) as error:
        refuse_number_signs()
    assert str(error.value).startswith(said)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "words",
    [
        ["--cases::values", "['#000000',['#ff0000','#00FF80']]"],
        ["--cases#ignored", "['#010203']"],
        ["--loss", "$@a#b"],
        ["--output_dir", "/runs/a 2%"],
        ["--output_dir", "--seed", "3"],
    ],
)
def test_colours_of_masks_expressions_and_other_signs_are_kept(
    monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    type_line(monkeypatch, *words)
    refuse_number_signs()


def type_line(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    main = SimpleNamespace(__spec__=SimpleNamespace(name="monai.bundle.__main__"))
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", ["monai.bundle", "run", "training", *words])


def files(*names: str) -> dict[str, Any]:
    return {f"configs/{name}.yaml": yaml.safe_load((CONFIGS / f"{name}.yaml").read_text()) for name in names}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("loss_ce", "train"), "configs/train.yaml must come first: it replaces all that configs/loss_ce.yaml set"),
        (("network_unet", "inference"), "configs/inference.yaml must come first"),
        (("train", "inference"), "configs/train.yaml and configs/inference.yaml are each complete by themselves"),
        (("inference", "loss_ce", "train"), "configs/inference.yaml and configs/train.yaml are each complete"),
        (("train", "loss_ce", "loss_dfl"), "configs/loss_ce.yaml and configs/loss_dfl.yaml both set the loss"),
        (("train", "data_trus", "optimizer_adam", "data_camvid"), "both set the data"),
    ],
)
def test_files_that_take_each_other_away_are_refused(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError) as info:
        refuse_odd_files(files(*names))
    assert said in str(info.value)


def test_a_training_that_would_segment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("train.yaml", "inference.yaml")
    type_line(monkeypatch, "--config_file", str([str(CONFIGS / name) for name in names]))
    with pytest.raises(RuntimeError) as info:
        make_workflow(*names, run_id="training", output_dir=str(tmp_path)).initialize()
    assert "are each complete by themselves" in str(info.value.__cause__)
    assert not list(tmp_path.iterdir())


def test_parts_of_each_kind_behind_train_yaml_are_right() -> None:
    refuse_odd_files(files("train", "loss_ce", "network_unet", "optimizer_sgdm", "data_trus", "evaluate"))
    refuse_odd_files(files("inference", "network_unet"))
