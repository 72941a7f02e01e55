"""Which cases of a study's winner are shown."""

from __future__ import annotations

import math
from pathlib import Path

from scripts.runs.run_files import case_picture
from scripts.studies.example_cases import find_overlays
from scripts.studies.grid import PlannedRun
from scripts.studies.report.record import CaseScore


def finished(folder: Path, loss: str, repeat: int, pictured: str) -> PlannedRun:
    """A run that has kept pictures of some cases, each named by a letter."""
    run = PlannedRun(f"{loss}-r{repeat}-f0", loss, repeat, 0, "run", None, ("train.yaml",))
    for case in pictured:
        path = case_picture(folder / run.name, "test", case)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return run


def scored(loss: str, repeat: int, scores: dict[str, float]) -> list[CaseScore]:
    return [CaseScore(loss, repeat, 0, case, score) for case, score in scores.items()]


def test_the_best_the_median_and_the_worst_test_of_the_winner_are_shown(tmp_path: Path) -> None:
    runs = [
        finished(tmp_path, "ce", 1, "abc"),
        finished(tmp_path, "adfl", 1, "abc"),
        finished(tmp_path, "adfl", 2, "abc"),
    ]
    scores = scored("ce", 1, {"a": 1.0, "b": 0.0, "c": 0.5})
    scores += scored("adfl", 1, {"a": 0.7, "b": 0.2, "c": math.nan})
    scores += scored("adfl", 2, {"a": 0.6, "b": 0.9, "c": 0.5})
    best, median, worst = find_overlays(tmp_path, runs, scores, "adfl")
    assert (best.rank, best.case, best.picture) == ("best", "b", case_picture(tmp_path / "adfl-r2-f0", "test", "b"))
    assert best.caption == "adfl, repeat 2: 0.900, place 1 of 5 tests."
    assert (median.case, median.picture) == ("a", case_picture(tmp_path / "adfl-r2-f0", "test", "a"))
    assert (worst.case, worst.caption) == ("b", "adfl, repeat 1: 0.200, place 5 of 5 tests.")


def test_where_a_run_has_not_kept_the_wanted_case_the_nearest_is_shown_with_its_place(tmp_path: Path) -> None:
    runs = [finished(tmp_path, "ce", 1, "bd")]
    scores = scored("ce", 1, {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6, "e": 0.5})
    found = find_overlays(tmp_path, runs, scores, "ce")
    assert [(overlay.rank, overlay.case) for overlay in found] == [("best", "b"), ("median", "d")]
    assert "place 2 of 5" in found[0].caption


def test_without_pictures_or_a_winner_there_is_nothing_to_show(tmp_path: Path) -> None:
    scores = scored("ce", 1, {"a": 0.9, "b": 0.8})
    assert find_overlays(tmp_path, [finished(tmp_path, "ce", 1, "")], scores, "ce") == []
    assert find_overlays(tmp_path, [finished(tmp_path, "adfl", 1, "ab")], scores, None) == []
