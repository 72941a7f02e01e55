"""What a study tells MLflow of its conditions."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from scripts.runs.run_files import TRACKING
from scripts.studies import mlflow_study
from scripts.studies.blocks import all_runs
from scripts.studies.collect import collect_scores
from scripts.studies.decision import analyse
from scripts.studies.score_rows import score_table
from tests.studies.test_blocks import finish
from tests.studies.tiny_study import tiny_study


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The conditions that MLflow would be told of."""
    conditions: list[Any] = []
    monkeypatch.setattr(mlflow_study, "record_study", lambda _client, _name, found, *_, **__: conditions.extend(found))
    for name in ("prepare_client", "require_answer", "open_client"):
        monkeypatch.setattr(mlflow_study, name, lambda *_: None)
    monkeypatch.setattr(mlflow_study, "store_lock", lambda _uri: contextlib.nullcontext())
    return conditions


@pytest.mark.parametrize("folds", [3, {"number": 3, "run": 1}])
def test_a_condition_has_its_estimate_and_the_mean_curve_of_its_trainings(
    tmp_path: Path, told: list[Any], folds: Any
) -> None:
    study = tiny_study(tmp_path, folds=folds)
    runs = all_runs(study)
    for number, run in enumerate(runs):
        finish(study, run, score=0.8 + 0.01 * number)
        (study.output_dir / run.name / TRACKING).write_text(json.dumps({"run_id": run.name}))
    analysis = analyse(score_table(collect_scores(study.output_dir, runs, "dice")), study.margin, None)
    mlflow_study.track_study(study, analysis, runs)
    first = told[0]
    own = [0.8 + 0.01 * number for number, run in enumerate(runs) if run.condition == first.name]
    mean = sum(own) / len(own)
    assert first.curves == {"val/dice/mean": {1: pytest.approx(mean - 0.1), 2: pytest.approx(mean)}}
    assert first.scores["dice"] == pytest.approx(analysis.loss(first.name).estimate.mean)
    # one training a condition says nothing of how sure its mean is: no interval, no bound
    assert ("dice/low" in first.scores, "regret_bound" in first.scores) == (folds == 3, folds == 3)
