"""Scores of made-up losses on made-up patients, from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from scripts.studies.analysis import Analysis
from scripts.studies.decision import analyse
from scripts.studies.report.context import Context
from scripts.studies.report.palette import loss_styles
from scripts.studies.report.record import CaseScore, StudyRecord
from scripts.studies.score_rows import score_table
from scripts.studies.terms import Terms

LOSSES = Terms("loss", "patient", losses_differ=True)
DRIVES = Terms("loss", "drive", losses_differ=True)


def made_up_scores(
    gaps: dict[str, float],
    *,
    patients: int = 60,
    repeats: int = 3,
    folds: int = 5,
    noise: float = 0.02,
    missed: Sequence[str] = (),
    metrics: bool = False,
    seed: int = 0,
) -> list[CaseScore]:
    """Scores near .8 plus the gap of each loss; ``missed`` cases score 0 with the first loss in the first repeat."""
    random = np.random.default_rng(seed)
    level = random.normal(0.8, 0.03, patients)
    suits = random.normal(0, noise, (len(gaps), patients))
    scores = []
    for repeat in range(1, repeats + 1):
        parts = random.permutation(patients) % folds
        for number, (loss, gap) in enumerate(gaps.items()):
            runs = random.normal(0, noise / 3, folds)
            for patient in range(patients):
                case = f"Case{patient:02d}"
                value = level[patient] + gap + suits[number, patient] + runs[parts[patient]] + random.normal(0, noise)
                value = float(np.clip(value, 0.01, 0.99))
                if number == 0 and repeat == 1 and case in missed:
                    value = 0.0
                further = {"iou/prostate": value / (2 - value), "hd95_mm/prostate": 20 * (1 - value)} if metrics else {}
                scores.append(CaseScore(loss, repeat, int(parts[patient]), case, value, metrics=further))
    return scores


def made_up_context(gaps: dict[str, float], *, reference: str | None = None, **settings: Any) -> Context:
    """A study of made-up scores and nothing else, and its analysis, made once; settings of ``made_up_scores``."""
    return _context(tuple(gaps.items()), reference, tuple(settings.items()))


@cache
def _context(gaps: tuple[tuple[str, float], ...], reference: str | None, settings: tuple[Any, ...]) -> Context:
    scores = made_up_scores(dict(gaps), **dict(settings))
    return context_of(StudyRecord("made_up", scores, reference=reference, terms=LOSSES))


def context_of(study: StudyRecord) -> Context:
    """The analysis of a study."""
    table = score_table(study.scores, leaky=study.leaky)
    analysis: Analysis = analyse(table, study.margin, study.reference, study.terms)
    return Context(study, analysis, loss_styles(analysis.table.losses))
