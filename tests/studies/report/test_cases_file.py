"""Reading anyone's scores: dialects of spreadsheets, and one line for each fault."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from scripts.errors import UserError
from scripts.studies.report.cases_file import read_cases
from scripts.studies.report.record import CaseScore

HEAD = "loss,repeat,fold,case,score\n"
ROW = "ce,1,0,Case00,0.875\n"


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "cases.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(tmp_path: Path, content: str | bytes) -> list[CaseScore]:
    return read_cases(written(tmp_path, content))[0]


@pytest.mark.parametrize(
    "content",
    [
        HEAD + ROW,
        HEAD.replace(",", ";") + ROW.replace(",", ";"),
        HEAD.replace(",", "\t") + ROW.replace(",", "\t"),
        HEAD.replace(",", ";") + "ce;1;0;Case00;0,875\n",
        HEAD + 'ce,1,0,Case00,"0,875"\n',
        "\ufeff" + HEAD + ROW,
        (HEAD + ROW).replace("\n", "\r\n"),
        "sep=;\n" + (HEAD + ROW).replace(",", ";"),
        "Loss, Repeat ,Fold,Case,Score\nce, 1,0,Case00, 0.875\n\n",
        ("\ufeff" + (HEAD + ROW).replace(",", "\t")).encode("utf-16-le"),
        HEAD.replace("repeat", "fold").replace("fold,fold", "fold,repeat") + "ce,0,1,Case00,8.75e-1\n",
    ],
    ids=["comma", "semicolon", "tab", "decimal comma", "quoted", "mark", "crlf", "sep", "spaces", "utf-16", "order"],
)
def test_every_spreadsheets_dialect_reads_the_same(tmp_path: Path, content: str | bytes) -> None:
    assert read(tmp_path, content) == [CaseScore("ce", 1, 0, "Case00", 0.875)]


def test_further_columns_of_numbers_are_further_scores_and_others_are_left_out(tmp_path: Path) -> None:
    text = "loss,case,score,patient,iou,hd95,comment\nce,a1,0.9,a,0.8,3.5,fine\nce,a2,,a,0.7,,\n"
    first, second = read(tmp_path, text)
    assert first.metrics == {"iou": 0.8, "hd95": 3.5}
    assert (first.patient, second.patient) == ("a", "a")
    assert math.isnan(second.score)
    assert math.isnan(second.metrics["hd95"])


def test_repeats_and_folds_may_have_names(tmp_path: Path) -> None:
    scores = read(tmp_path, "loss,repeat,fold,case,score\nce,first,fold_1,a,0.9\nce,second,fold_0,a,0.8\n")
    assert [(score.repeat, score.fold) for score in scores] == [(0, 1), (1, 0)]


def test_missing_columns_are_said(tmp_path: Path) -> None:
    _scores, notes = read_cases(written(tmp_path, "loss,case,score\nce,a,0.9\n"))
    assert [next(word for word in ("repeat", "fold", "patient") if f"no column {word}" in note) for note in notes] == [
        "repeat",
        "fold",
        "patient",
    ]
    assert len(read_cases(written(tmp_path, HEAD + ROW))[1]) == 1  # the patient


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("loss,case,scores\nce,a,0.9\n", "has no column 'score'; is it 'scores'? It has loss, case, scores"),
        ("a,b\n1,2\n", "has no column 'loss'; call what is compared so. It has a, b; needed are loss, case, score"),
        (
            "loss,case,dice\nce,a,0.9\n",
            "has no column 'score'; call the score that is compared so. It has loss, case, dice",
        ),
        ("loss,case,score,score\nce,a,0.9,0.9\n", "names the column 'score' twice"),
        (HEAD + ROW + ROW, "line 3 is the same loss, repeat, fold and case as line 2 (ce, 1, 0, Case00)"),
        (HEAD + "ce,1,0,Case00,good\n", "line 2: score 'good' is no number; leave it empty where there is none"),
        (HEAD + "ce,1,0,Case00,inf\n", "line 2: score 'inf' is no number"),
        (HEAD + "ce,1,0,Case00,1_0\n", "line 2: score '1_0' is no number"),
        (HEAD + ROW + "ce,1,0,Case01,87.5\n", "line 3: score 87.5 lies outside 0 to 1"),
        (HEAD + "ce,1,0,Case00,-0.1\n", "line 2: score -0.1 lies outside 0 to 1"),
        (
            HEAD + "ce,1,0,Case00,0,875\n",
            "line 2 has 6 cells and the header 5; with decimal commas, export with semicolons",
        ),
        (HEAD + "ce,1,0\n", "line 2 has 3 cells and the header 5"),
        (
            HEAD.replace(",", ";") + "ce;1;0;a;0,8\nce;1;0;b;0.9\n",
            "decimal comma in line 2 (score) and a point in line 3",
        ),
        (HEAD.replace(",", ";") + "ce;1;0;a;1.234,5\n", "score '1.234,5' is no number"),
        (HEAD + ",1,0,Case00,0.9\n", "line 2: loss is empty"),
        (HEAD + "ce,,0,Case00,0.9\n", "line 2: repeat is empty; fill every row, or leave the column out"),
        ("loss,case,score,patient\nce,a,0.9,\n", "line 2: patient is empty"),
        (HEAD, "holds column names and no row"),
        ("", "is empty"),
        (b"PK\x03\x04rest", "is a workbook; export the sheet as CSV"),
        ((HEAD + "cé,1,0,a,0.9\n").encode("latin-1"), "is not UTF-8 text"),
        (b"loss,case,score\nce,\0,1\n", "is no text file"),
        (HEAD + 'ce,1,0,"Case\x00', "is no text file"),
    ],
)
def test_a_fault_is_one_line_that_names_file_place_and_remedy(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        read_cases(written(tmp_path, content))
    text = str(caught.value)
    assert message in text
    assert str(tmp_path / "cases.csv") in text
    assert "\n" not in text


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere.csv is not there"):
        read_cases(tmp_path / "nowhere.csv")
