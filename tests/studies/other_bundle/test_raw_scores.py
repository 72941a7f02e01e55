"""Tables of cases as MONAI's MetricsSaver writes them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from monai.handlers.utils import write_metrics_reports

from scripts.errors import UserError
from scripts.studies.grid import PlannedRun
from scripts.studies.other_bundle.raw_scores import collect_scores, read_table
from scripts.studies.other_bundle.report_record import _exclusions, cases_table
from scripts.studies.report.cases_file import read_cases

NAN = float("nan")


def run(loss: str, fold: int) -> PlannedRun:
    return PlannedRun(f"{loss}-r1-f{fold}", loss, 1, fold, "run", None, ())


def save(folder: Path, files: list[str] | None, **metrics: list[list[float]]) -> Path:
    """Let MONAI write its tables; returns the folder."""
    details = {name: torch.tensor(values) for name, values in metrics.items()}
    write_metrics_reports(str(folder), files, {}, details, None)
    return folder


def evaluation(study: Path, of: PlannedRun) -> Path:
    return study / of.name / "evaluation" / "test"


def test_every_case_column_and_metric_is_read(tmp_path: Path) -> None:
    runs = [run("ce", 0), run("dfl", 0)]
    for of, scores in zip(runs, ([[0.5, 0.7], [NAN, 0.9]], [[0.6, 0.8], [0.2, 0.4]]), strict=True):
        save(evaluation(tmp_path, of), ["/data/a.nii.gz", "/data/b,c.nii.gz"], dice=scores, hd95=[[3.0], [4.0]])
    found = collect_scores(tmp_path, runs, ("dice", "mean"))
    assert [(one.loss, one.case) for one in found] == [(loss, case) for loss in ("ce", "dfl") for case in ("a", "b,c")]
    assert [one.score for one in found] == pytest.approx(
        [0.6, 0.9, 0.7, 0.3], abs=1e-4
    )  # means of classes that are there
    assert found[0].metrics == pytest.approx({"dice/class0": 0.5, "dice/class1": 0.7, "hd95/class0": 3.0}, abs=1e-4)
    assert math.isnan(found[1].metrics["dice/class0"])
    assert [one.score for one in collect_scores(tmp_path, runs, ("dice", "class1"))] == pytest.approx(
        [0.7, 0.9, 0.8, 0.4]
    )
    path = tmp_path / "cases.csv"
    path.write_text(cases_table(found))
    again, _ = read_cases(path)  # what reporting --from reads
    assert [(one.loss, one.case, one.score) for one in again] == [(one.loss, one.case, one.score) for one in found]


@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning")  # of MONAI's mean of the classes
def test_a_case_without_a_score_is_told_without_a_guess_at_the_reason(tmp_path: Path) -> None:
    of = run("ce", 0)
    save(evaluation(tmp_path, of), ["/a.nii", "/b.nii"], dice=[[NAN], [0.5]])
    (one,) = _exclusions(collect_scores(tmp_path, [of], ("dice", "mean")))
    assert (one.case, one.reason) == ("a", "no score in the bundle's table in 1 of the tests")


def test_cases_are_told_apart_by_as_much_of_their_path_as_it_takes(tmp_path: Path) -> None:
    of = run("ce", 0)
    save(evaluation(tmp_path, of), ["/data/p1/flair.nii.gz", "/data/p2/flair.nii.gz"], dice=[[0.5], [0.7]])
    assert [one.case for one in collect_scores(tmp_path, [of], ("dice", "mean"))] == ["p1/flair", "p2/flair"]


def test_a_case_in_the_bundles_own_folder_has_one_name_in_all_runs(tmp_path: Path) -> None:
    runs = [run("ce", 0), run("dfl", 0)]
    for of in runs:
        save(evaluation(tmp_path, of), [f"/moved/{of.name}/bundle/data/a.nii.gz"], dice=[[0.5]])
    assert {one.case for one in collect_scores(tmp_path, runs, ("dice", "mean"))} == {"a"}


@pytest.mark.parametrize(
    ("files", "told"),
    [(["None", "None"], "line 2 does not say which case"), (["/a.nii", "/a.nii"], "line 3: /a.nii comes twice")],
)
def test_scores_of_unknown_or_doubled_cases_are_refused(tmp_path: Path, files: list[str], told: str) -> None:
    save(tmp_path, files, dice=[[0.5], [0.6]])
    with pytest.raises(UserError, match=told):
        read_table(tmp_path / "dice_raw.csv")


def test_a_table_that_is_none_and_a_score_that_is_not_there_are_refused(tmp_path: Path) -> None:
    of = run("ce", 0)
    save(evaluation(tmp_path, of), ["/a.nii"], dice=[[0.5]])
    with pytest.raises(UserError, match="ce-r1-f0 has saved no score iou of its cases; there are dice"):
        collect_scores(tmp_path, [of], ("iou", "mean"))
    with pytest.raises(UserError, match="no score dice/class7"):
        collect_scores(tmp_path, [of], ("dice", "class7"))
    table = evaluation(tmp_path, of) / "dice_raw.csv"
    table.write_text("filename,class0,mean\n/a.nii,good,0.5\n")
    with pytest.raises(UserError, match="line 2 holds what is no number"):
        read_table(table)
    table.write_text("loss,1.0\n")
    with pytest.raises(UserError, match="is no table of MONAI's MetricsSaver"):
        read_table(table)
