from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workflows import make_workflow

OF_WORKFLOWS = [
    ("train.yaml", "output_dir"),
    ("train.yaml", "dataset_dir"),
    ("train.yaml", "split_file"),
    ("evaluate.yaml", "output_dir"),
    ("inference.yaml", "dataset_dir"),
    ("inference.yaml", "output_dir"),
    ("inference.yaml", "runs_dir"),
    ("inference.yaml", "checkpoint"),
    ("publish.yaml", "models_dir"),
    ("export.yaml", "output_dir"),
    ("compare.yaml", "picture"),
    ("report.yaml", "from"),
]


@pytest.mark.parametrize(("name", "key"), OF_WORKFLOWS)
@pytest.mark.parametrize("value", ["", " ", True], ids=["empty", "blank", "nothing behind it"])
def test_a_place_that_is_empty_is_refused_and_not_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, key: str, value: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError) as info:
        make_workflow(name, **{key: value}).initialize()
    assert str(info.value.__cause__) == f"{key} is empty; give a path behind --{key}, or leave the option away"
    assert not list(tmp_path.iterdir())


def test_the_home_folder_is_meant_by_its_sign_in_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    workflow = make_workflow("train.yaml", output_dir="~/Läufe", resume=True)
    workflow.initialize()
    parser = workflow.parser
    assert parser.get_parsed_content("output_dir") == f"{tmp_path}/home/Läufe"
    assert parser.get_parsed_content("tracking_uri") == f"sqlite:///{tmp_path}/home/Läufe/mlflow.db"
    assert parser.get_parsed_content("dataset_dir") == f"{tmp_path}/home/Läufe/data/phantom"
    with pytest.raises(RuntimeError) as info:
        make_workflow("train.yaml", resume="~/runs/ce").initialize()
    assert str(info.value.__cause__).startswith(f"no run to resume in {tmp_path}/home/runs/ce")
    with pytest.raises(RuntimeError) as info:
        make_workflow("train.yaml", resume="").initialize()
    assert "resume is empty" in str(info.value.__cause__)
