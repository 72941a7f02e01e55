"""What every section of a report reads: the study, its analysis and the style of each loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..analysis import Analysis
from ..terms import Terms
from .palette import Style
from .record import StudyRecord
from .verdict import chosen_and_bound, closest_rival


@dataclass(frozen=True)
class Context:
    """A study and what its scores say."""

    study: StudyRecord
    analysis: Analysis
    styles: Mapping[str, Style]

    @property
    def chosen(self) -> str:
        """The loss to train with."""
        return chosen_and_bound(self.study, self.analysis)[0]

    @property
    def rival(self) -> str:
        """The loss that the chosen one is looked at beside: the reference, or the nearest one."""
        reference = self.analysis.reference
        return reference if reference and reference != self.chosen else closest_rival(self.analysis, self.chosen)

    @property
    def folds_of(self) -> int:
        """Folds of a partition, of which the scores may hold some alone."""
        return max(self.study.partition_folds or 0, self.analysis.table.num_folds)

    @property
    def missing_runs(self) -> tuple[tuple[str, int, int], ...]:
        """Runs that another loss has and this one lacks, without those that the race spared by dropping their loss."""
        race = self.study.race
        dropped = {loss for loss in race.losses if loss not in race.alive} if race is not None else set()
        last = {loss: look.repeats for look in (race.looks if race is not None else ()) for loss in look.dropped}
        repeats = self.analysis.table.repeats
        spared = {loss: set(repeats[last.get(loss, len(repeats)) :]) for loss in dropped}
        return tuple(run for run in self.analysis.table.missing_runs if run[1] not in spared.get(run[0], ()))

    @property
    def terms(self) -> Terms:
        """What the texts call that which is compared and that which is independent."""
        return self.study.terms
