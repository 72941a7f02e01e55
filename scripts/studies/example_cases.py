"""The best, the median and the worst case of a condition, as pictures that its runs have kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ..runs.run_files import case_picture
from .grid import PlannedRun
from .report.record import CaseScore, Overlay
from .status import PART


def find_overlays(
    study_dir: Path, runs: Sequence[PlannedRun], scores: Sequence[CaseScore], condition: str | None
) -> list[Overlay]:
    """Pictures of the best, the median and the worst test of a condition; a test is a case in a repeat.

    A run keeps pictures of a few cases (``CasePictures``). Where the wanted test has none, the nearest in rank that has
    one is shown; the caption gives its place.

    Args:
        study_dir: folder of the study.
        runs: finished ones.
        scores: of all conditions.
        condition: whose tests are shown; None: nobody's.
    """
    folders = {(run.repeat, run.fold): study_dir / run.name for run in runs if run.condition == condition}
    tests = [score for score in scores if score.loss == condition and not math.isnan(score.score)]
    tests.sort(key=lambda test: (-test.score, test.case, test.repeat))
    pictures = {}
    for place, test in enumerate(tests):
        folder = folders.get((test.repeat, test.fold))
        if folder is not None and case_picture(folder, PART["run"], test.case).is_file():
            pictures[place] = case_picture(folder, PART["run"], test.case)
    found: list[Overlay] = []
    wanted = {"best": 0, "median": (len(tests) - 1) // 2, "worst": len(tests) - 1}
    for rank, aim in wanted.items():
        if not pictures:
            break
        place = min(pictures, key=lambda here: (abs(here - aim), here))
        test, picture = tests[place], pictures.pop(place)
        caption = f"{condition}, repeat {test.repeat}: {test.score:.3f}, place {place + 1} of {len(tests)} tests."
        found.append(Overlay(rank, test.case, picture, caption))
    return found
