"""``reporting --from cases.csv``: anyone's scores through the bundle's command."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from scripts.errors import UserError
from scripts.studies.report.from_table import report_scores
from tests.studies.report.made_up import made_up_scores
from tests.workflows import run_workflow

COLUMNS = ("loss", "repeat", "fold", "case", "score")


def table(folder: Path) -> Path:
    path = folder / "theirs.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for score in made_up_scores({"nnunet": 0.0, "mist": 0.08}, patients=20):
            writer.writerow([getattr(score, column) for column in COLUMNS])
    return path


def test_the_command_reports_a_table_of_scores(tmp_path: Path) -> None:
    settings = {"from": str(table(tmp_path)), "output_dir": str(tmp_path / "out"), "reference": "nnunet"}
    run_workflow("report.yaml", run_id="reporting", **settings)
    text = (tmp_path / "out" / "theirs" / "report.html").read_text(encoding="utf-8")
    assert "Train with mist." in text
    assert "mist is better than the reference nnunet" in text
    assert "no column patient" in text


def test_an_output_dir_that_is_no_path_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="output_dir must be the path of a folder, got 3"):
        report_scores(str(table(tmp_path)), 3)  # type: ignore[arg-type]


def test_scores_that_cannot_be_compared_name_their_file(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("loss,case,score\nce,a,0.5\nce,b,0.6\n")
    with pytest.raises(UserError, match=r"theirs\.csv: .*conditions"):
        report_scores(str(path), tmp_path / "out")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scores": None}, "no scores are named; add --from FILE"),
        ({"name": "../up"}, "name must be a plain folder name, got '../up'"),
        ({"margin": "small"}, "margin must be a number above 0 and below 1, got 'small'"),
        ({"margin": 0}, "margin must be a number above 0 and below 1, got 0"),
        ({"margin": 1}, "margin must be a number above 0 and below 1, got 1"),  # in percent
        ({"scores": 3}, "from must be a path, got 3"),
        ({"name": 20241124}, "name must be a text, got 20241124; put it in quotes"),
        ({"question": ["a"]}, "question must be a text, got"),
        ({"primary": None}, "primary must say what the column score holds"),
        ({"leaky": "no"}, "leaky must be true or false, got 'no'"),  # a text counts as true
        ({"reference": "other"}, "the reference other is no condition of the study"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    arguments = {"scores": str(table(tmp_path)), "output_dir": tmp_path / "out", **settings}
    with pytest.raises(UserError, match=message):
        report_scores(**arguments)
    assert not (tmp_path / "out").exists()
