from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from scripts.configuration.command_line import refuse_odd_files, typed
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
    main = SimpleNamespace(__spec__=SimpleNamespace(name="monai.bundle.__main__"))
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", ["monai.bundle", "run", "training", "--run_name", "2024_11_24"])
    workflow = make_workflow("train.yaml", **steps, run_name=20241124)
    workflow.initialize()
    assert workflow.parser.get_parsed_content("run_name") == "2024_11_24"


def files(*names: str) -> dict[str, Any]:
    return {f"configs/{name}.yaml": yaml.safe_load((CONFIGS / f"{name}.yaml").read_text()) for name in names}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("loss_ce", "train"), "configs/train.yaml must come first: it replaces all that configs/loss_ce.yaml set"),
        (("network_unet", "inference"), "configs/inference.yaml must come first"),
        (("train", "loss_ce", "loss_dfl"), "configs/loss_ce.yaml and configs/loss_dfl.yaml both set the loss"),
        (("train", "data_trus", "optimizer_adam", "data_camvid"), "both set the data"),
    ],
)
def test_files_that_take_each_other_away_are_refused(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError) as info:
        refuse_odd_files(files(*names))
    assert said in str(info.value)


def test_parts_of_each_kind_behind_train_yaml_are_right() -> None:
    refuse_odd_files(files("train", "loss_ce", "network_unet", "optimizer_sgdm", "data_trus", "evaluate"))
    refuse_odd_files(files("inference", "network_unet"))
