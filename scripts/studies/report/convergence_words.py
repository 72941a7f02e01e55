"""What a report says of trainings that were too short."""

from __future__ import annotations

from collections import Counter

from ..convergence import LOST, Convergence, find_convergence
from .record import StudyRecord
from .tables import number
from .words import count, listed

REMEDY = "the comparison is of {things} after this many epochs, not of each at its best: train longer and ask again"


def convergence_of(study: StudyRecord) -> Convergence:
    """What the runs of a study say of their length."""
    return find_convergence(study.scores, study.curves, study.margin, study.primary)


def convergence_sentence(study: StudyRecord) -> str:
    """The warning that belongs beside the verdict; empty where there is none."""
    found = convergence_of(study)
    parts = []
    if found.lost:
        by_loss = Counter(loss for loss, _, _ in found.lost)
        named = listed([f"{loss} {runs}" for loss, runs in by_loss.items()])
        parts.append(f"{len(found.lost)} of {found.runs} trainings lost a class (mean Dice below {LOST:g}: {named})")
    if found.rising:
        rising = f"the validation of {listed(list(found.rising))} still rose by more than {number(study.margin)}"
        parts.append(f"{rising} over the last third of the epochs")
    if not parts:
        return ""
    text = " and ".join(parts)
    return f"But the trainings have not converged: {text}; {REMEDY.format(things=study.terms.things)}."


def convergence_points(study: StudyRecord) -> list[str]:
    """The runs that have lost a class, and whether the number of epochs can be judged, for the list of what failed."""
    found = convergence_of(study)
    points = []
    if found.lost:
        named = [f"{loss} repeat {repeat} fold {fold}{f' ({label})' if label else ''}"
                 for (loss, repeat, fold), label in found.lost.items()]  # fmt: skip
        more = f" and {len(named) - 12} more" if len(named) > 12 else ""
        shown = f"{', '.join(named[:12])}{more}" if more else listed(named)
        points.append(
            f"{count(len(named), 'run')} lost a class (mean Dice below {LOST:g}), scored and counted: {shown}."
        )
    if study.curves and not found.judged:
        points.append("Whether the validation still rose at the end can't be told: it takes three validations a run.")
    return points
