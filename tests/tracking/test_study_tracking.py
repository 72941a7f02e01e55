"""A study in MLflow: conditions with their numbers, trainings below them, and a view that one link opens."""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import mlflow
import pytest

from scripts.tracking.colours import HUES, run_colour
from scripts.tracking.study_tracking import Condition, record_study
from scripts.tracking.views import link
from tests.tracking.fake_mlflow import FakeMlflow


@pytest.fixture
def server() -> Iterator[FakeMlflow]:
    with FakeMlflow() as server:
        yield server


def tags_of(entry: list[dict[str, str]]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in entry}


def parents(server: FakeMlflow) -> dict[str, dict[str, Any]]:
    active = [run for run in server.runs.values() if run["info"]["lifecycle_stage"] == "active"]
    return {run["info"]["run_name"]: run for run in active if "adfl.condition" in tags_of(run["data"]["tags"])}


def trained(client: Any, study: str, names: list[str]) -> list[str]:
    experiment = client.get_experiment_by_name(study)
    identity = experiment.experiment_id if experiment else client.create_experiment(study)
    return [client.create_run(identity, run_name=name).info.run_id for name in names]


def conditions(client: Any) -> list[Condition]:
    made = []
    for loss, dice in (("ce", 0.7), ("adfl", 0.8)):
        scores = {"dice": dice, "dice/lower": dice - 0.1, "regret_bound": 0.8 - dice, "hd95 (mm)": math.nan}
        curves = {"val/dice/mean": {10: dice / 2, 20: dice}}
        runs = trained(client, "s", [f"{loss}-0", f"{loss}-1"])
        made.append(Condition(loss, loss, {"network": "unet"}, scores, curves, runs))
    return made


def test_conditions_hold_their_numbers_and_trainings_lie_below(server: FakeMlflow) -> None:
    client = mlflow.MlflowClient(server.uri)
    given = conditions(client)
    record_study(client, "s", given, "dice", bars=["regret_bound"])
    found = parents(server)
    assert set(found) == {"ce", "adfl"}
    for condition in given:
        parent = found[condition.name]["info"]["run_id"]
        points = {(name, step): value for run, name, value, step, _ in server.points if run == parent}
        scores = {(n, 0): v for n, v in condition.scores.items() if not math.isnan(v)}
        assert points == scores | {("val/dice/mean", s): v for s, v in condition.curves["val/dice/mean"].items()}
        for run_id in condition.run_ids:
            assert tags_of(server.runs[run_id]["data"]["tags"])["mlflow.parentRunId"] == parent
            assert tags_of(server.runs[run_id]["data"]["params"]) == {"network": "unet"}


def test_recording_again_changes_only_what_has_changed(server: FakeMlflow) -> None:
    client = mlflow.MlflowClient(server.uri)
    first, second = conditions(client)
    before = record_study(client, "s", [first, second], "dice")
    ids = {name: run["info"]["run_id"] for name, run in parents(server).items()}
    assert record_study(client, "s", [first, second], "dice") == before
    assert {name: run["info"]["run_id"] for name, run in parents(server).items()} == ids
    assert record_study(client, "s", [first, replace(second, scores={"dice": 0.9})], "dice") == before
    again = {name: run["info"]["run_id"] for name, run in parents(server).items()}
    assert again["ce"] == ids["ce"]
    assert again["adfl"] != ids["adfl"]
    child = tags_of(server.runs[second.run_ids[0]]["data"]["tags"])
    assert child["mlflow.parentRunId"] == again["adfl"]


def test_the_view_lists_conditions_and_draws_what_people_compare_first(server: FakeMlflow) -> None:
    client = mlflow.MlflowClient(server.uri)
    address = record_study(client, "s", conditions(client), "dice", bars=["regret_bound"])
    (experiment,) = server.experiments.values()
    key = re.search(r"viewStateShareKey=([0-9a-f]{64})&", address)
    assert key is not None
    packed = tags_of(experiment["tags"])[f"mlflow.sharedViewState.{key[1]}"]
    state = json.loads(zlib.decompress(base64.b64decode(packed.removeprefix("deflate;"))))
    drawn = [(chart["type"], chart["metricKey"]) for chart in state["compareRunCharts"]]
    assert drawn == [("BAR", "dice"), ("BAR", "regret_bound"), ("LINE", "val/dice/mean")]
    assert state["searchFilter"] == "tags.`adfl.kind` = 'condition'"
    assert [s["name"] for s in state["compareRunSections"] if s["display"]] == ["Scores", "Learning curves"]
    assert [s["name"] for s in state["compareRunSections"] if not s["display"]] == ["Model metrics", "dice"]


def test_a_hundred_conditions_fit_a_view(server: FakeMlflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.tracking.study_tracking._condition_run", lambda *_: "1")  # the view alone counts here
    many = [Condition(f"c{i}", "ce", {}, {"dice": i / 100}, {f"val/dice/class {i}": {1: 0.5}}) for i in range(100)]
    record_study(mlflow.MlflowClient(server.uri), "s", many, "dice")
    (experiment,) = server.experiments.values()
    assert max(len(tag["value"]) for tag in experiment["tags"]) < 20_000


def test_conditions_beyond_the_first_page_of_runs_are_not_recorded_twice(
    server: FakeMlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.tracking.study_tracking.PAGE", 2)
    client = mlflow.MlflowClient(server.uri)
    five = [Condition(f"c{i}", "ce", {}, {"dice": i / 100}) for i in range(5)]
    for _ in range(2):
        record_study(client, "s", five, "dice")
        assert len(server.runs) == 5


def test_a_study_without_the_score_is_refused(server: FakeMlflow) -> None:
    with pytest.raises(ValueError, match="no condition of study s has the score iou; evaluate its runs first"):
        record_study(mlflow.MlflowClient(server.uri), "s", [Condition("a", "ce", scores={"dice": 1.0})], "iou")
    assert not server.experiments


def test_links_hold_no_password() -> None:
    assert link("http://me:pw@host:5/", "3", "k").startswith("http://host:5/#/experiments/3/runs?viewStateShareKey=k")
    assert link("sqlite:////a/mlflow.db", "3", "k").startswith("http://127.0.0.1:5000/#/experiments/3/")


def test_losses_and_runs_have_colours_of_their_own() -> None:
    assert len({run_colour(loss) for loss in HUES}) == len(HUES)
    assert len({run_colour("ce", f"run {i}") for i in range(40)}) > 3
    assert run_colour("my loss") == run_colour("my loss") != run_colour("her loss")
    assert re.fullmatch("#[0-9a-f]{6}", run_colour("ce", "x"))
