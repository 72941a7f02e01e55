"""A race of losses under a time budget: repeats are its blocks, and a loss is dropped only when a bound says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from .scores import ScoreTable

LOOKS = (2, 3, 5)


@dataclass(frozen=True)
class Look:
    """What was seen after some repeats.

    Args:
        repeats: number of repeats looked at, one of ``LOOKS``.
        leader: the loss that no other alive exceeds in the estimates.
        bounds: by (loss, other): upper bound of loss - other for all pairs alive, 95 % for all looks and losses.
        dropped: losses whose bound over the leader is at most the margin, worst first.
    """

    repeats: int
    leader: str
    bounds: Mapping[tuple[str, str], float]
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class Race:
    """State of a race after its looks so far.

    Args:
        losses: all that began.
        alive: those still run, in the order of ``losses``.
        looks: oldest first.
        chosen: the leader so far; None before the first look.
        regret_bound: with 95 % confidence no loss, dropped ones included, is better than the chosen one by more than
            this; None before the first look.
    """

    losses: tuple[str, ...]
    alive: tuple[str, ...]
    looks: tuple[Look, ...]
    chosen: str | None
    regret_bound: float | None


@dataclass(frozen=True)
class Step:
    """What to do next: run one more repeat of the losses alive, or stop and why."""

    action: Literal["repeat", "stop"]
    losses: tuple[str, ...]
    reason: str


def watch(table: ScoreTable, losses: Sequence[str], margin: float, repeats_done: int) -> Race:
    """Hold the looks that are due, on the first 2, 3 and 5 repeats of the table.

    Args:
        table: scores of the whole study; a dropped loss has none in later repeats.
        losses: all that began, at least two.
        margin: > 0.
        repeats_done: number of repeats that every loss alive has finished.

    Raises:
        UserError: a loss alive lacks a run of a repeat that is looked at.
    """
    raise NotImplementedError


def next_step(race: Race, repeats_done: int, hours_left: float, hours_a_repeat: Mapping[str, float]) -> Step:
    """Decide whether another repeat is begun.

    Args:
        race: the state after ``repeats_done`` repeats.
        repeats_done: number of repeats that every loss alive has finished.
        hours_left: what is left of the budget; infinite: no budget.
        hours_a_repeat: by loss, hours for the F runs of one repeat.
    """
    raise NotImplementedError
