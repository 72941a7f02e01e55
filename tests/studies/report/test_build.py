"""The whole report: order, one file that needs nothing, every name escaped, the same bytes for the same study."""

from __future__ import annotations

import csv
import dataclasses
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.errors import UserError
from scripts.studies.race import Look, Race
from scripts.studies.report.build import build_report, report_sections
from scripts.studies.report.checklist import checklist_table
from scripts.studies.report.limits import cautions
from scripts.studies.report.methods import methods
from scripts.studies.report.page import facts
from scripts.studies.report.record import (
    Curve,
    Exclusion,
    Failure,
    Overlay,
    Provenance,
    StudyRecord,
    TuningTrial,
    WeightPath,
)
from scripts.studies.report.run_sections import failures_section
from scripts.studies.terms import Terms
from tests.studies.report.made_up import DRIVES, LOSSES, context_of, made_up_context, made_up_scores

EVIL = '<script>alert("x")</script>'
AWKWARD = "a_b% & $x$"
ORDER = ["forest", "pairs", "scores", "patients", "noise", "learning", "further", "failures", "methods", "provenance"]


class Page(HTMLParser):
    """What a browser would load, and what it would find."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def full_study(folder: Path) -> StudyRecord:
    """Everything that a record can hold, names that must be escaped among it."""
    scores = made_up_scores({EVIL: 0.0, AWKWARD: 0.002, "adfl": 0.05}, metrics=True, missed=["Case03"], patients=20)
    picture = folder / "case.png"
    Image.fromarray(np.full((40, 120, 3), 90, dtype=np.uint8)).save(picture)
    epochs = [1, 2, 3]
    return StudyRecord(
        name="made_up",
        scores=scores,
        question=f"Which loss? {EVIL}",
        terms=LOSSES,
        planned_repeats=5,
        settings={"network": "U-Net", "data": EVIL},
        curves=[Curve("adfl", 1, fold, epochs, [0.1, 0.5, 0.6 + 0.01 * fold]) for fold in range(3)],
        weight_paths=[WeightPath("adfl", 1, 0, epochs, {AWKWARD: [0.1, 0.2, 0.3], "prostate": [0.9, 0.8, 0.7]})],
        tuning=[TuningTrial("adfl", 5e-4, 0.7, True), TuningTrial("adfl", 1.5e-3, 0.6)],
        failures=[Failure("run-7", f"RuntimeError {EVIL}", "adfl")],
        exclusions=[Exclusion(AWKWARD, "no object")],
        overlays=[Overlay("worst", EVIL, picture, "Dice 0.2"), Overlay("best", "Case01", picture)],
        hours=1.5,
        race=Race(
            (EVIL, AWKWARD, "adfl"),
            (AWKWARD, "adfl"),
            (Look(2, (EVIL, AWKWARD, "adfl"), "adfl", np.full((3, 3), -0.01), (EVIL,)),),
            "adfl",
            0.0,
        ),
        segment_command="python -m monai.bundle run --config_file configs/inference.yaml",
        provenance=Provenance(
            "study.yaml", "ab" * 32, ["repeats: 3 -> 5"], {"monai": "1.6.1"}, "CPU", {"1": "cd" * 32}
        ),
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return build_report(full_study(folder), folder / "out")


@pytest.fixture(scope="module")
def page(built: Path) -> Page:
    return Page(built.read_text(encoding="utf-8"))


def test_the_sections_stand_in_their_order(page: Page) -> None:
    assert [section["id"] for section in page.all("section") if "id" in section] == ORDER
    verdict = next(place for place, (_tag, attributes) in enumerate(page.tags) if attributes.get("class") == "verdict")
    assert verdict < next(
        place for place, (_tag, attributes) in enumerate(page.tags) if attributes.get("id") == "forest"
    )


def test_the_page_needs_nothing_from_elsewhere(built: Path, page: Page) -> None:
    text = built.read_text(encoding="utf-8")
    assert not page.all("script")
    assert not page.all("link")
    assert not re.findall(r"@import|url\((?!#)", text)
    loads = [value for _tag, attributes in page.tags for name, value in attributes.items() if name in ("src", "srcset")]
    assert loads
    assert all(value is not None and value.startswith("data:image/") for value in loads)
    links = [
        attributes.get("href") or attributes.get("xlink:href") for tag, attributes in page.tags if tag in ("a", "use")
    ]
    assert links
    assert all(link is not None and link.startswith("#") for link in links)
    assert len(text.encode()) < 5_000_000


def test_every_link_has_its_place_and_no_place_comes_twice(page: Page) -> None:
    places = [attributes["id"] for _tag, attributes in page.tags if "id" in attributes]
    assert len(places) == len(set(places))
    for tag, attributes in page.tags:
        link = attributes.get("href") or attributes.get("xlink:href")
        if tag in ("a", "use") and link:
            assert link[1:] in places


def test_names_are_text_and_never_markup(page: Page, built: Path) -> None:
    assert EVIL in page.text
    assert AWKWARD in page.text
    for path in [*built.parent.glob("tables/*.md"), built]:
        assert "<script" not in path.read_text(encoding="utf-8")
    latex = "".join(
        path.read_text(encoding="utf-8") for path in [*built.parent.glob("tables/*.tex"), built.parent / "methods.tex"]
    )
    assert r"a\_b\% \& \$x\$" in latex
    assert AWKWARD not in latex


def test_figures_and_images_say_what_they_show_and_tables_have_heads(page: Page) -> None:
    drawings = page.all("svg")
    assert len(drawings) == 7
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in drawings)
    assert all(image["alt"] for image in page.all("img"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert {head["scope"] for head in page.all("th")} == {"col", "row"}


def test_the_page_fits_telephone_paper_and_darkness(built: Path) -> None:
    text = built.read_text(encoding="utf-8")
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    for condition in ("(prefers-color-scheme: dark)", "@media print", "(max-width: 560px)"):
        assert condition in text


def test_the_page_says_what_failed_and_what_is_missing(page: Page) -> None:
    for text in (
        "The study is not finished: 3 of 5 repeats are here.",
        "1 run failed.",
        f"RuntimeError {EVIL}",
        f"Scores of 0, all counted: {EVIL} 1.",
        "repeats: 3 -> 5",
        "those dropped on the way included",
        "ab" * 32,
        "configs/inference.yaml",
    ):
        assert text in page.text.replace("\u00a0", " ")


def test_each_table_lies_beside_the_page_in_three_forms(built: Path) -> None:
    names = {path.name for path in (built.parent / "tables").iterdir()}
    stems = {name.split(".")[0] for name in names}
    assert names == {f"{stem}.{ending}" for stem in stems for ending in ("csv", "tex", "md")}
    assert {
        "scores",
        "pairs",
        "against_chosen",
        "noise",
        "tuning",
        "race",
        "failures",
        "checklist",
        "provenance",
    } <= stems
    assert all((built.parent / name).read_text() for name in ("methods.txt", "methods.tex", "methods.bib"))
    with (built.parent / "tables" / "checklist.csv").open(newline="") as file:
        answers = {row["topic"]: row["answer"] for row in csv.DictReader(file)}
    assert answers["Number of independent units"] == "20 patients"
    assert answers["Ethics approval, consent, de-identification"] == "for the author to answer"


def test_the_checklist_says_what_the_page_says_of_limits_and_of_repeats_to_come() -> None:
    study = dataclasses.replace(made_up_context({"ce": 0.0, "adfl": 0.01}, repeats=1).study, planned_repeats=3)
    context = context_of(study)
    answers = {str(topic): str(answer) for topic, answer in checklist_table(context).rows}
    assert answers["Limits of the study"] == " ".join(cautions(context))
    assert answers["Limits of the study"].startswith("The study is not finished: 1 of 3 repeats are here.")
    assert answers["Missing results and failed runs"] == "0 failed runs, 0 missing; 2 of 3 repeats not done yet"


def test_a_class_that_was_missed_is_counted_where_the_mean_of_the_classes_hides_it() -> None:
    plain = made_up_context({"ce": 0.0, "adfl": 0.01}, repeats=1).study
    dice = {"ce": {"dice/a": 0.9, "dice/b": 0.0, "dice/mean": 0.0}, "adfl": {"dice/a": 0.9, "dice/b": math.nan}}
    scores = [dataclasses.replace(score, metrics=dice[score.loss]) for score in plain.scores]
    context = context_of(dataclasses.replace(plain, scores=scores))
    tested = sum(score.loss == "ce" for score in scores)
    said = [str(point) for block in failures_section(context).blocks for point in getattr(block, "items", ())]
    assert "Scores of 0, all counted: none." in said
    assert f"Dice of a single class that is 0 in a case, all counted: ce {tested}." in said
    answers = {str(topic): str(answer) for topic, answer in checklist_table(context).rows}
    assert answers["Missed objects"] == f"0 scores of 0, {tested} of single classes, all counted"


def test_images_that_were_dealt_at_random_limit_the_answer_though_each_is_a_unit() -> None:
    plain = made_up_context({"ce": 0.0, "adfl": 0.01}, repeats=1).study
    context = context_of(dataclasses.replace(plain, leaky=True, terms=Terms("loss", "image", "image")))
    assert not context.analysis.table.leaky
    leak = "mages dealt at random: nearly equal images may be in training and test part"
    assert any(text.startswith("I" + leak.replace("dealt", "were dealt")) for text in cautions(context))
    answers = {str(topic): str(answer) for topic, answer in checklist_table(context).rows}
    assert "i" + leak in answers["Parts for training, validation and test"]


def test_folds_that_were_not_run_are_not_called_a_smaller_cross_validation() -> None:
    whole = made_up_context({"ce": 0.0, "adfl": 0.01}, repeats=1, folds=2).study
    for parted, said, short in ((None, "1 repeat of 2-fold cross-validation.", "2"), (2, "of 2-fold cross-", "2")):
        context = context_of(dataclasses.replace(whole, partition_folds=parted))
        assert said in methods(context).text
        assert ("folds", short) in facts(context)
    context = context_of(dataclasses.replace(whole, partition_folds=4))
    assert "trained in 1 repeat of 2 of the 4 folds of a cross-validation." in methods(context).text
    assert ("folds", "2 of 4") in facts(context)
    answers = {str(topic): str(answer) for topic, answer in checklist_table(context).rows}
    assert "; 1 repeat x 2 of 4 folds, one repeat" in answers["Parts for training, validation and test"]


def test_the_same_study_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    again = build_report(full_study(tmp_path), tmp_path / "out")
    for path in sorted(built.parent.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (again.parent / path.relative_to(built.parent)).read_bytes(), path.name


def test_a_citation_has_its_entry(built: Path) -> None:
    cited = set(re.findall(r"\\cite\{([^}]+)\}", (built.parent / "methods.tex").read_text()))
    keys = set(re.findall(r"@\w+\{(\w+),", (built.parent / "methods.bib").read_text()))
    assert {key for group in cited for key in group.split(",")} == keys


def test_scores_alone_make_a_report_without_empty_sections() -> None:
    context = made_up_context({"ce": 0.0, "dfl": 0.01, "adfl": 0.08})
    keys = [section.key for section in report_sections(context)]
    assert keys == [key for key in ORDER if key not in ("learning", "further")]


def test_untuned_losses_are_said_to_share_a_rate() -> None:
    context = made_up_context({"ce": 0.0, "dfl": 0.01, "adfl": 0.08})
    study = dataclasses.replace(context.study, tuning=(), settings={"learning rate": "0.001"})
    learning = next(
        section for section in report_sections(dataclasses.replace(context, study=study)) if section.key == "learning"
    )
    assert "Equal rates favour losses with larger gradients" in str(learning.blocks)


def test_a_race_tells_runs_that_it_spared_from_runs_that_are_missing() -> None:
    gaps = {"ce": 0.0, "dfl": 0.04, "adfl": 0.08}
    everything = made_up_context(gaps).study.scores
    kept = [s for s in everything if (s.loss, s.repeat) != ("ce", 3) and (s.loss, s.repeat, s.fold) != ("dfl", 3, 1)]
    look = Look(2, ("ce", "dfl", "adfl"), "adfl", np.full((3, 3), -0.01), ("ce",))
    race = Race(("ce", "dfl", "adfl"), ("dfl", "adfl"), (look,), "adfl", 0.0)
    context = context_of(dataclasses.replace(made_up_context(gaps).study, scores=kept, race=race))
    assert context.missing_runs == (("dfl", 3, 1),)
    failures = next(section for section in report_sections(context) if section.key == "failures")
    assert "1 run that another loss has is missing: dfl repeat 3 fold 1." in str(failures.blocks)
    assert "5 runs are not there since the race had dropped the loss." in str(failures.blocks)
    assert any("are missing" in text for text in cautions(context))
    complete = [score for score in everything if (score.loss, score.repeat) != ("ce", 3)]
    spared = context_of(dataclasses.replace(context.study, scores=complete))
    assert spared.missing_runs == ()
    assert not any("are missing" in text for text in cautions(spared))
    assert any("allows for its looks" in text for text in cautions(spared))


def test_one_repeat_says_that_the_noise_is_not_known() -> None:
    sections = report_sections(made_up_context({"ce": 0.0, "adfl": 0.01}, repeats=1))
    noise = next(section for section in sections if section.key == "noise")
    assert "can't be said" in str(noise.blocks)


def test_a_picture_that_is_none_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "case.png").write_text("no picture")
    study = dataclasses.replace(
        made_up_context({"ce": 0.0, "adfl": 0.05}).study, overlays=[Overlay("best", "Case01", tmp_path / "case.png")]
    )
    with pytest.raises(UserError, match="case.png is no picture that can be read"):
        build_report(study, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match="the report can't be written to"):
        build_report(made_up_context({"ce": 0.0, "adfl": 0.05}).study, tmp_path / "taken" / "out")


def test_another_unit_is_named_throughout() -> None:
    study = dataclasses.replace(made_up_context({"ce": 0.0, "adfl": 0.05}).study, terms=DRIVES)
    patients = next(section for section in report_sections(context_of(study)) if section.key == "patients")
    assert patients.title == "Drive by drive"
    assert "patient" not in str([getattr(block, "caption", "") for block in patients.blocks])
