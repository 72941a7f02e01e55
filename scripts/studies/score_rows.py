"""From long rows, one a score, to the table that a study is analysed from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from .scores import ScoreTable


class ScoreRow(Protocol):
    """One score: what ``score_table`` reads of a row."""

    @property
    def loss(self) -> str:
        """Name of the condition that is compared."""

    @property
    def repeat(self) -> int:
        """Number of the repeat."""

    @property
    def fold(self) -> int:
        """Fold within the repeat whose run tested the case."""

    @property
    def case(self) -> str:
        """Name of the case."""

    @property
    def score(self) -> float:
        """The score, higher is better; NaN: none, since truth and prediction are both empty."""

    @property
    def patient(self) -> str:
        """The independent unit of the case; empty: the case."""


def score_table(
    rows: Iterable[ScoreRow], *, bounds: tuple[float, float] = (0.0, 1.0), leaky: bool = False
) -> ScoreTable:
    """Check rows and arrange them.

    Args:
        rows: in any order.
        bounds: lowest and highest possible score.
        leaky: accept a patient whose cases lie in several folds of a repeat, and mark the table.

    Raises:
        UserError: there are fewer than two losses or two patients; a row comes twice; a case is in two folds of a
            repeat, in another fold for another loss, or of two patients; a run lacks some of the cases that another
            loss has in it; a score lies outside the bounds; a patient lies in two folds of a repeat and ``leaky`` is
            not set; a loss has no score at all.
    """
    raise NotImplementedError
