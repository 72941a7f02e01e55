"""A report, a plan and a methods paragraph speak of what a study compares and of what is independent in it."""

from __future__ import annotations

import csv
import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from scripts.errors import UserError
from scripts.studies.assemble import study_record
from scripts.studies.blocks import all_runs
from scripts.studies.compared import study_terms
from scripts.studies.plan_text import describe_plan
from scripts.studies.report.build import build_report
from scripts.studies.report.from_table import report_scores
from scripts.studies.report.record import CaseScore, StudyRecord
from scripts.studies.terms import Terms, noun
from tests.studies.report.made_up import made_up_scores
from tests.studies.report.test_build import full_study
from tests.studies.test_blocks import finish
from tests.studies.tiny_study import tiny_study

LOSS, PATIENT = r"\bloss(?:es)?\b", r"\bpatients?\b"
TOPIC = r"(?m:^Loss$|^Loss,|^\| Loss \||^ +Loss &)"  # of the checklist: with which loss the networks are trained, say
PRECISIONS = {
    "loss": {"adfl": {"loss": "adfl", "learning_rate": 0.009}},
    "precision": {"float32": {"precision": "float32"}, "bfloat16": {"precision": "bfloat16"}},
}
SPOKEN = ("aria-label", "alt", "title")  # attributes that are read aloud or shown


class Words(HTMLParser):
    """All that a reader of a page sees or hears."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        self.said += [value or "" for name, value in attrs if name in SPOKEN]

    def handle_endtag(self, _tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.said.append(data)


def everything(page: Path) -> str:
    """The words of a report: of its page, its tables with their names, and the methods paragraph, but not BibTeX."""
    files = [path for path in sorted(page.parent.rglob("*")) if path.suffix in (".csv", ".md", ".tex", ".txt")]
    texts = ["\n".join(Words(page.read_text(encoding="utf-8")).said)]
    texts += [f"{path.stem}\n{path.read_text(encoding='utf-8')}" for path in files]
    literature = (page.parent / "methods.bib").read_text(encoding="utf-8").strip()
    return "\n".join(texts).replace(literature, "").replace("\u00a0", " ")


def found(text: str, word: str, but: str = r"(?!)") -> list[str]:
    """The places where a word stands, with what is around it; ``but``: where it belongs."""
    text = re.sub(but, "", text)
    return [text[max(0, place.start() - 60) : place.end() + 30] for place in re.finditer(word, text, re.IGNORECASE)]


def report(folder: Path, **changes: Any) -> tuple[str, str, Terms]:
    """Plan and report of a study whose finished runs are written by hand, and its terms."""
    study = tiny_study(folder, **{"repeats": 2, "question": "", **changes})
    before = describe_plan(study)
    for role in ("tuning", "run"):  # those choose the rates of these
        for run in all_runs(study):
            if run.role == role:
                finish(study, run)
    page = build_report(study_record(study, "study.yaml", ["the command"]), folder / "report")
    return f"{before}\n{describe_plan(study)}", everything(page), study_terms(study)


def test_a_study_of_precisions_speaks_of_conditions(tmp_path: Path) -> None:
    plan, text, terms = report(tmp_path, factors=PRECISIONS)
    assert terms == Terms("condition", "patient", losses_differ=False)
    assert found(plan, LOSS) == []
    assert found(text, LOSS, but=f"loss: adfl|{TOPIC}") == []
    assert "tuning       none: equal learning rates can favour one of the conditions" in plan
    assert "the other condition" in text
    assert "Which condition should I train with?" in text
    assert "We compared 2 conditions (adfl+float32 and adfl+bfloat16) on 30 patients" in text
    assert "loss: adfl" in text  # the same for all is no secret


def test_losses_crossed_with_optimisers_are_conditions(tmp_path: Path) -> None:
    factors = {"loss": ["ce", "adfl"], "optimizer": ["adam", "sgdm"]}
    plan, text, terms = report(tmp_path, factors=factors, reference="ce+adam")
    assert (terms.thing, terms.losses_differ) == ("condition", True)
    favoured = r"favour losses with larger gradients"
    compared = "loss: differs, see what is compared"
    assert found(plan, LOSS, but=favoured) == []
    assert found(text, LOSS, but=f"{favoured}|{compared}|{TOPIC}") == []
    assert favoured in plan
    assert "optimizer: differs, see what is compared" in text


@pytest.mark.parametrize(
    ("factors", "thing", "things"),
    [
        ({"loss": ["ce", "adfl"]}, "loss", "losses"),
        ({"loss": ["ce"], "optimizer": ["adam", "sgdm"]}, "optimiser", "optimisers"),
        ({"network": ["unet", "deeplabv3plus"]}, "network", "networks"),
        ({"batch_size": [2, 4]}, "condition", "conditions"),
        ({"loss": {"a": "adfl", "b": {"loss": "adfl", "acw_positive": True}}}, "condition", "conditions"),
        ({"loss": {"a": {"loss": "fl", "loss::gamma": 1.0}, "b": "fl"}}, "loss", "losses"),
        ({"variant": {"a": {"loss": "ce"}, "b": {"loss": "dfl"}}}, "condition", "conditions"),
    ],
)
def test_what_is_compared_has_its_name(tmp_path: Path, factors: dict[str, Any], thing: str, things: str) -> None:
    terms = study_terms(tiny_study(tmp_path, factors=factors))
    assert (terms.thing, terms.things) == (thing, things)


def test_another_unit_is_named_in_plan_and_report(tmp_path: Path) -> None:
    plan, text, _ = report(tmp_path, unit="drive")
    assert found(f"{plan}\n{text}", PATIENT) == []
    assert "30 drives" in plan or "200 drives" in plan
    assert "Drive by drive" in text


def test_a_leaky_study_deals_images(tmp_path: Path) -> None:
    folds = {"number": 4, "run": 4}
    plan, text, terms = report(tmp_path, protocol="random_images_leaky", folds=folds, tune=True, unit="drive")
    assert terms.parts == "images"
    assert found(f"{plan}\n{text}", PATIENT) == []
    assert "Images of one drive lie in training and test parts" in text
    assert "one partition of the images that has no part in the comparison" in text
    assert found(text, r"partitions? of the drives") == []


def test_a_leaky_study_whose_units_are_images_says_that_it_leaks(tmp_path: Path) -> None:
    plan, text, _ = report(tmp_path, protocol="random_images_leaky", folds={"number": 4, "run": 4}, unit="image")
    leak = "nearly equal images may be in training and test part"
    assert f"LEAKY, as in the paper: {leak}" in plan
    assert f"images dealt at random, so that {leak}" in text
    assert "of one image" not in plan


def test_a_score_of_all_classes_is_not_called_one_of_the_foreground(tmp_path: Path) -> None:
    plain, street = (
        report(tmp_path / str(scored), settings={"include_background": scored})[1] for scored in (False, True)
    )
    assert "The primary score was mean foreground Dice;" in plain
    assert "The primary score was mean Dice;" in street


def test_everything_that_a_report_can_hold_is_said_of_what_is_compared(tmp_path: Path) -> None:
    study = dataclasses.replace(full_study(tmp_path), question="", terms=Terms("network", "drive"))
    text = everything(build_report(study, tmp_path / "out"))
    assert found(text, LOSS, but=TOPIC) == []
    assert found(text, PATIENT) == []
    for said in (
        "The race: when each network was dropped",
        "for the networks dropped",
        "How far apart are the networks?",
    ):
        assert said in text


def fixed(scores: list[CaseScore], folds: int) -> list[CaseScore]:
    return [dataclasses.replace(score, fold=int(score.case[4:]) % folds) for score in scores]


GAPS = {"a": 0.0, "b": 0.001, "c": 0.03}
RECORDS = {
    "one run": made_up_scores(GAPS, repeats=1, folds=1),
    "one repeat": made_up_scores(GAPS, repeats=1, noise=0.04),
    "fixed folds": fixed(made_up_scores(GAPS), 5),
    "one training set": made_up_scores(GAPS, folds=1),
    "few units": made_up_scores(GAPS, patients=20, noise=0.05),
    "too few units": made_up_scores(GAPS, patients=5, folds=2),
    "skewed": made_up_scores(GAPS, missed=["Case03", "Case04"], noise=0.002),
    "a run is missing": [s for s in made_up_scores(GAPS) if (s.loss, s.repeat, s.fold) != ("b", 2, 3)],
    "leaky": [dataclasses.replace(s, patient=f"p{int(s.case[4:]) // 2}") for s in made_up_scores(GAPS)],
    "two conditions": made_up_scores({"a": 0.0, "b": 0.03}),
}


@pytest.mark.parametrize("name", RECORDS)
def test_whatever_limits_a_study_is_said_in_its_words(tmp_path: Path, name: str) -> None:
    study = StudyRecord("s", RECORDS[name], terms=Terms("optimiser", "drive"), leaky=name == "leaky", tuning=())
    text = everything(build_report(study, tmp_path / "out"))
    assert found(text, LOSS, but=TOPIC) == []
    assert found(text, PATIENT) == []
    assert "optimiser" in text
    assert "drives" in text


def table(folder: Path, scores: list[CaseScore], *columns: str) -> str:
    names = ("loss", "repeat", "fold", "case", "score", *columns)
    with (folder / "theirs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([names, *([getattr(score, name) for name in names] for score in scores)])
    return str(folder / "theirs.csv")


def test_of_a_table_nothing_is_said_that_it_does_not_tell(tmp_path: Path) -> None:
    text = everything(report_scores(table(tmp_path, RECORDS["few units"]), tmp_path / "out"))
    assert found(text, LOSS, but=TOPIC) == []
    assert found(text, PATIENT, but="no column patient") == []
    assert "Which condition should I train with?" in text
    assert "20 cases" in text
    assert "first weights and a new order" not in text


def test_a_table_is_reported_in_the_words_that_its_owner_gives(tmp_path: Path) -> None:
    path = table(tmp_path, RECORDS["leaky"], "patient")
    text = everything(report_scores(path, tmp_path / "a", leaky=True))
    assert "30 patients" in text
    assert "Cases of one patient lie in training and test parts" in text
    assert "at random" not in text
    text = everything(report_scores(path, tmp_path / "b", leaky=True, compared="strategy", unit="biopsy"))
    assert "30 biopsies" in text
    assert "We compared 3 strategies (a, b and c)" in text
    assert found(text, PATIENT) == []


@pytest.mark.parametrize("given", [None, 3, " ", ["loss"]])
def test_a_word_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(UserError, match="unit must be a noun in the singular, such as patient or drive, got"):
        noun(given, "unit")
