"""A run of another bundle: in this process by its parts, and in one of its own, where ``scripts`` is the bundle's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.utils import set_determinism

from scripts.errors import UserError
from scripts.studies.other_bundle import commands
from scripts.studies.other_bundle.bundle_study import read_bundle_study
from scripts.studies.other_bundle.child import train_and_score
from scripts.studies.other_bundle.launch import START, do_run_in_bundle
from scripts.studies.other_bundle.plan import plan_runs
from scripts.studies.other_bundle.raw_scores import collect_scores
from scripts.studies.run_record import read_json, update_record, write_plan
from scripts.studies.status import read_status
from tests.studies.other_bundle.zoo_bundle import study_config, write_bundle, write_volumes

pytestmark = pytest.mark.filterwarnings("ignore")  # of MONAI's, about configurations that are code


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_bundle(folder / "bundle")
    write_volumes(folder / "data")
    return folder


def config(folder: Path, **changes: Any) -> dict[str, Any]:
    return {**study_config(folder / "bundle", folder / "data", folder / "study"), **changes}


def test_a_run_trains_and_is_scored_by_the_bundles_own_workflows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "")
    threads = torch.get_num_threads()
    study = read_bundle_study(config(folder, factors={"epochs": [1, 2]}, folds=1, repeats=2))
    first, second, again, _ = plan_runs(study)
    try:
        for run in (first, second, again):
            place = study.output_dir / run.name
            place.mkdir(parents=True)
            update_record(place, **run.record())
            train_and_score(place, run, 1)
    finally:
        torch.set_num_threads(threads)
        set_determinism(seed=None)
    scores = collect_scores(study.output_dir, [first, second, again], study.score)
    assert {one.case for one in scores} == {"spleen_4", "spleen_5"}
    assert all(0 <= one.score <= 1 for one in scores)
    assert [status.state for status in read_status(study.output_dir, plan_runs(study))] == ["done"] * 3 + ["missing"]
    weights = {run.name: torch.load(study.output_dir / run.name / "bundle/models/model.pt") for run in (first, again)}
    one, other = (next(iter(kept.values())) for kept in weights.values())
    assert not torch.equal(one, other)  # each repeat has a seed of its own
    assert (folder / "bundle/models/model.pt").read_bytes() == b"the weights that it was handed out with"
    assert not (folder / "bundle/eval").exists()


def test_scores_that_an_evaluation_has_not_saved_are_no_scores(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "")
    evaluate = {"settings": {"validate::handlers::1::metric_details": ["val_iou"]}}
    study = read_bundle_study(config(folder, evaluate=evaluate, folds=1, output_dir=str(folder / "unsaved")))
    run = plan_runs(study)[0]
    place = study.output_dir / run.name
    place.mkdir(parents=True)
    update_record(place, **run.record())
    with pytest.raises(UserError, match="has saved no \\*_raw.csv"):
        train_and_score(place, run)
    assert read_status(study.output_dir, [run])[0].state == "stopped"


def test_in_a_process_of_its_own_scripts_are_the_bundles_and_the_loss_is_ours(folder: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    (bundle / "scripts").mkdir()
    (bundle / "scripts/__init__.py").write_text("")
    (bundle / "scripts/own.py").write_text("import torch\n\nclass Rate(float):\n    pass\n")
    settings = {"dataset_dir": str(folder / "data"), "optimizer::lr": "$Rate(0.01)", "epochs": 1}
    path = bundle / "configs/train.json"
    given = json.loads(path.read_text())
    given["imports"].append("$from scripts.own import Rate")
    path.write_text(json.dumps(given))
    study = read_bundle_study(
        {
            **config(folder),
            "bundle": str(bundle),
            "settings": settings,
            "output_dir": str(tmp_path / "study"),
            "folds": 1,
        }
    )
    own, ours = plan_runs(study)
    write_plan(study.output_dir, [own, ours])
    command = [sys.executable, str(START), "run", str(study.output_dir), ours.name, "1"]
    done = subprocess.run(command, check=False, timeout=240, cwd=tmp_path, capture_output=True, text=True)
    log = (study.output_dir / ours.name / "log.txt").read_text()
    assert done.returncode == 0, log[-2000:]
    assert [status.state for status in read_status(study.output_dir, [own, ours])] == ["missing", "done"]


def test_a_failed_run_is_named_with_its_last_line_and_stops_no_other(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = []

    def locally(study_dir: Path, runs: Any, jobs: int, threads: int | None, child: Any) -> None:
        assert child is do_run_in_bundle
        for run in runs:  # what the processes of two runs leave behind
            place = study_dir / run.name
            if read_status(study_dir, [run])[0].state == "done":
                continue
            started.append(run.name)
            place.mkdir(parents=True, exist_ok=True)
            update_record(place, **run.record())
            if run.name == "own-r1-f0" and len(started) == 1:
                (place / "failed.json").write_text('{"last_line": "RuntimeError: out of memory"}')
                continue
            (place / "failed.json").unlink(missing_ok=True)
            (place / "evaluation/test").mkdir(parents=True)
            cases = [f"/d/spleen_{2 * run.fold + n}.nii.gz,0.{5 + n + run.fold},0.{5 + n + run.fold}" for n in (0, 1)]
            table = place / "evaluation/test/val_mean_dice_raw.csv"
            table.write_text("\n".join(["filename,class0,mean", *cases]))
            (place / "evaluation/test/summary.json").write_text("{}")

    monkeypatch.setattr(commands, "run_locally", locally)
    monkeypatch.setattr(commands, "check_in_bundle", lambda runs: {"cases": 6})
    given = config(folder, output_dir=str(tmp_path / "study"), factors={"loss": {"own": {}, "CE": {"lr": 1}}})
    given["factors"]["loss"]["CE"] = {"optimizer::lr": 0.1}
    commands.studying(given, "study.yaml", "python")
    assert "5 done, 1 failed" in capsys.readouterr().out
    commands.planning(given)
    assert "own-r1-f0: RuntimeError: out of memory" in capsys.readouterr().out
    commands.studying(given, "study.yaml", "python")  # does what is missing, and that alone
    assert len(started) == 7
    assert started[-1] == "own-r1-f0"
    assert "6 done" in capsys.readouterr().out
    page = (tmp_path / "study/report/report.html").read_text()
    assert "Each case counts as independent" in page
    assert (tmp_path / "study/cases.csv").read_text().startswith("loss,repeat,fold,case,score")
    assert read_json(tmp_path / "study/own-r1-f0/failed.json") is None
    with pytest.raises(UserError, match="run own-r1-f0 was made with evaluate, epochs None and the study now says 5"):
        commands.planning({**given, "settings": {**given["settings"], "epochs": 5}})
