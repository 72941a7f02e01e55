"""A race of losses under a time budget: repeats are its blocks, and a loss is dropped only when a bound says so.

The looks share the error: with K looks at L losses each one-sided bound holds at 1 - .05 / (K (L - 1)). So with 95 %
confidence the bounds of all losses over the best one hold at all looks, whichever loss is chosen in the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..errors import UserError
from .decision import differences, pair_estimates
from .design import find_design
from .multiplicity import leader, upper_bounds
from .scores import Floats, ScoreTable

LOOKS = (2, 3, 5)


@dataclass(frozen=True, eq=False)
class Look:
    """What was seen after some repeats.

    Args:
        repeats: number of repeats looked at, one of ``LOOKS``.
        losses: those alive when it was held.
        leader: the loss that no other of them exceeds in the estimates.
        bounds: (L, L) of ``losses``: upper bound of [k] - [b], which holds for all looks and losses together.
        dropped: losses whose bound over the leader is at most the margin, worst first.
    """

    repeats: int
    losses: tuple[str, ...]
    leader: str
    bounds: Floats
    dropped: tuple[str, ...]

    @property
    def alive(self) -> tuple[str, ...]:
        """The losses that go on."""
        return tuple(loss for loss in self.losses if loss not in self.dropped)


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
    """What to do next.

    Args:
        action: run one more repeat of ``losses``, or stop.
        losses: those alive.
        reason: why, for the reader.
    """

    action: Literal["repeat", "stop"]
    losses: tuple[str, ...]
    reason: str


def watch(table: ScoreTable, losses: Sequence[str], margin: float, repeats_done: int) -> Race:
    """Hold the looks that are due, each on the first repeats of the table.

    Args:
        table: scores of the whole study; a dropped loss has none in later repeats.
        losses: all that began, at least two.
        margin: smallest difference that matters, > 0.
        repeats_done: number of repeats that every loss alive has finished.

    Raises:
        UserError: a loss is not in the table, or one that is alive has no score in a repeat that is looked at.
    """
    unknown = [loss for loss in losses if loss not in table.losses]
    if unknown:
        raise UserError(f"condition {unknown[0]} has no scores: run it, or leave it out of the race")
    alive = tuple(losses)
    looks: list[Look] = []
    for repeats in LOOKS:
        if repeats > repeats_done or len(alive) < 2:
            break
        looks.append(_look(_part_of(table, alive, repeats), margin, len(losses)))
        alive = looks[-1].alive
    chosen = looks[-1].leader if looks else None
    bound = final_bound(looks, losses, chosen) if chosen else None
    return Race(tuple(losses), alive, tuple(looks), chosen, bound)


def final_bound(looks: Sequence[Look], losses: Sequence[str], chosen: str) -> float:
    """The largest, over all other losses, of the least upper bound over the chosen one that any look saw; >= 0."""
    least = {loss: np.inf for loss in losses if loss != chosen}
    for look in looks:
        for loss in look.losses:
            if loss != chosen:
                bound = look.bounds[look.losses.index(loss), look.losses.index(chosen)]
                least[loss] = min(least[loss], float(bound))
    return max(0.0, *least.values())


def next_step(race: Race, repeats_done: int, hours_left: float, hours_a_repeat: Mapping[str, float]) -> Step:
    """Decide whether another repeat is begun.

    Args:
        race: the state after ``repeats_done`` repeats.
        repeats_done: number of repeats that every loss alive has finished.
        hours_left: what is left of the budget; infinite: no budget.
        hours_a_repeat: by loss, hours that one repeat of it takes where the study runs.

    Returns:
        One more repeat, unless one loss is left, the last look was held, or the hours left do not suffice for all that
        are alive.
    """
    if len(race.alive) == 1:
        return Step("stop", race.alive, f"every condition but {race.alive[0]} is dropped")
    if repeats_done >= LOOKS[-1]:
        return Step("stop", race.alive, f"the last look, after {LOOKS[-1]} repeats, is held")
    hours = sum(hours_a_repeat[loss] for loss in race.alive)
    if hours > hours_left:
        return Step(
            "stop", race.alive, f"one more repeat takes {hours:.1f} hours and {max(hours_left, 0):.1f} are left"
        )
    return Step("repeat", race.alive, f"repeat {repeats_done + 1} of {len(race.alive)} conditions, {hours:.1f} hours")


def most_repeats(hours: float, hours_a_repeat: Mapping[str, float]) -> int:
    """How many repeats fit into a budget if no loss is dropped, at most the last look's."""
    total = sum(hours_a_repeat.values())
    return LOOKS[-1] if total <= 0 else int(min(LOOKS[-1], hours // total))


def _look(table: ScoreTable, margin: float, began: int) -> Look:
    """Look at a table that holds the losses alive and the repeats so far."""
    estimates = pair_estimates(table, find_design(table))
    bounds = np.minimum(upper_bounds(estimates, len(LOOKS) * (began - 1)), table.bounds[1] - table.bounds[0])
    first = leader(differences(estimates))
    over = bounds[:, first]
    drops = [k for k in np.argsort(over, kind="stable").tolist() if k != first and over[k] <= margin]
    dropped = tuple(table.losses[k] for k in drops)
    return Look(len(table.repeats), table.losses, table.losses[first], bounds, dropped)


def _part_of(table: ScoreTable, losses: tuple[str, ...], repeats: int) -> ScoreTable:
    """The first repeats of some losses."""
    places = [table.index(loss) for loss in losses]
    values = table.values[places, :repeats]
    for loss, of_loss in zip(losses, values, strict=True):
        empty = np.isnan(of_loss).all(axis=1)
        if len(of_loss) < repeats or empty.any():
            missing = table.repeats[int(np.argmax(empty))] if empty.any() else "that is due"
            raise UserError(f"condition {loss} has no score in repeat {missing}, which the race looks at: run it first")
    return replace(
        table,
        losses=losses,
        repeats=table.repeats[:repeats],
        values=values,
        folds=table.folds[:repeats],
        excluded=tuple(table.excluded[k] for k in places),
        missed=tuple(table.missed[k] for k in places),
        missing_runs=tuple(run for run in table.missing_runs if run[0] in losses and run[1] in table.repeats[:repeats]),
    )
