from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ignite.engine import Engine

from scripts.training.summary import finish_training, next_commands
from tests.workflows import ROOT


@pytest.mark.parametrize(
    ("split_unit", "said"),
    [("patient", "cases not trained on"), ("image_leaky", "other images of cases that were trained on")],
)
def test_the_result_says_whether_its_cases_were_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], split_unit: str, said: str
) -> None:
    (tmp_path / "config.yaml").write_text(f"split_unit: {split_unit}\n")
    (tmp_path / "model.pt").touch()
    (tmp_path / "metrics.jsonl").touch()
    evaluator = Engine(lambda _engine, _batch: None)
    evaluator.state.best_metric_epoch = 3
    finish_training(tmp_path, evaluator, ["background", "prostate"])
    assert f"Best validation (epoch 3, {said}): no score" in capsys.readouterr().out


def test_the_bundles_own_runs_need_their_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    said = next_commands(ROOT / "runs" / "ce-f0")
    assert said == ("make ui", "make evaluate RUN=ce-f0", "make publish RUN=ce-f0")


def test_other_folders_and_names_are_in_the_commands_as_a_shell_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = tmp_path / "my bundle"
    bundle.mkdir()
    said = "RUN=$(RUN) RUNS=$(RUNS)"
    (bundle / "Makefile").write_text(f'evaluate publish ui:\n\t@echo "$@ {said}"\n')
    run = tmp_path / "Läufe von mir" / "mein Lauf"
    run.mkdir(parents=True)
    lines = []
    for command in next_commands(run, bundle):
        done = subprocess.run(f"{command} --no-print-directory", shell=True, capture_output=True, text=True, check=True)
        lines.append(done.stdout.strip())
    assert lines == [
        f"ui RUN= RUNS={run.parent}",
        f"evaluate RUN=mein Lauf RUNS={run.parent}",
        f"publish RUN=mein Lauf RUNS={run.parent}",
    ]


@pytest.mark.parametrize(
    ("cases", "part"),
    [
        ({"train": ["a"], "val": ["b"], "test": []}, "val"),
        ({"train": ["a"], "val": ["b"], "test": ["c"]}, "test"),
    ],
)
def test_a_run_without_a_test_part_is_scored_on_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cases: dict[str, list[str]], part: str
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "ce-f0"
    run.mkdir(parents=True)
    (run / "split.json").write_text(json.dumps({"cases": cases}))
    _, score, _ = next_commands(run, tmp_path)
    assert score.endswith("--run_name ce-f0 --part val" if part == "val" else "--run_name ce-f0")
    (tmp_path / "Makefile").write_text("")
    _, score, _ = next_commands(run, tmp_path)
    assert score == ("make evaluate RUN=ce-f0 PART=val" if part == "val" else "make evaluate RUN=ce-f0")


def test_make_takes_the_part_that_is_scored() -> None:
    words = ["make", "-n", "--no-print-directory", "-o", ".venv/.installed", "evaluate", "RUN=r", "PART=val"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--part 'val'" in done.stdout.replace('"', "")


def test_a_built_bundle_without_makefile_names_monais_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    look, score, publish = next_commands(tmp_path / "runs" / "ce-f0", tmp_path)
    assert look == "python -m scripts.tracking.pages"
    assert score == "python -m monai.bundle run evaluating --config_file configs/evaluate.yaml --run_name ce-f0"
    assert publish == "python -m monai.bundle run publishing --config_file configs/publish.yaml --run_name ce-f0"
    _, score, _ = next_commands(tmp_path / "o" / "ce-f0", tmp_path)
    assert score.endswith(f"--run_name ce-f0 --output_dir {tmp_path}/o")


@pytest.mark.parametrize("given", [["INPUT=in"], ["OUTPUT=out"], []])
def test_make_segment_asks_for_images_and_a_place(tmp_path: Path, given: list[str]) -> None:
    done = subprocess.run(
        ["make", "-o", ".venv/.installed", "BIN=/nowhere", "segment", *given], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "make segment INPUT=FOLDER OUTPUT=FOLDER" in done.stdout


@pytest.mark.parametrize(
    ("target", "option"),
    [
        ("evaluate", "--output_dir '/a b'"),
        ("publish", "--output_dir '/a b'"),
        ("export", "--output_dir '/a b'"),
        ("segment", "--runs_dir '/a b'"),
        ("ui", "--output_dir /a b"),
    ],
)
def test_make_takes_the_folder_of_the_runs(target: str, option: str) -> None:
    """As ``make -n`` prints what it would run; the quotes are for the command line of MONAI."""
    options = ["--no-print-directory", "-o", ".venv/.installed"]
    done = subprocess.run(
        ["make", "-n", *options, target, "RUN=r", "RUNS=/a b"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert option in done.stdout.replace('"', "")
