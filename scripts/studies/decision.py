"""The decision of a study: which loss is best, how sure that is, and what stays undecided."""

from __future__ import annotations

from .analysis import Analysis
from .scores import ScoreTable

DEFAULT_MARGIN = 0.01


def analyse(table: ScoreTable, margin: float = DEFAULT_MARGIN, reference: str | None = None) -> Analysis:
    """Compare the losses of a study.

    Args:
        table: scores of at least two losses.
        margin: smallest difference that matters, > 0, in the score's unit.
        reference: name of the loss that the others are compared with; None: all pairs are tested. With a reference the
            other pairs are exploratory.

    Raises:
        UserError: the margin is not positive, the reference is no loss of the table, or two losses have no cell in
            common.
    """
    raise NotImplementedError
