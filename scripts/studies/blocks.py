"""What a study does next: trials of learning rates, all repeats, or the next repeat of a race.

Everything is found out from the run folders, so that a study goes on from wherever it was stopped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from .collect import collect_scores, split_cases
from .grid import PlannedRun, plan_pilot, plan_repeats, plan_tuning
from .race import LOOKS, Race, next_step, watch
from .report.words import count
from .score_rows import score_table
from .status import RunStatus, read_status
from .study_file import Study
from .tuning import chosen_rates, tuning_trials


@dataclass(frozen=True)
class Block:
    """Runs that may go on side by side, and why they come now."""

    runs: tuple[PlannedRun, ...]
    reason: str


@dataclass(frozen=True)
class RaceState:
    """How far a race has come.

    Args:
        race: after the looks so far.
        repeats_done: repeats that every loss alive has finished.
        begun: whether the next repeat has been begun.
    """

    race: Race
    repeats_done: int
    begun: bool


def next_block(study: Study, tried: Collection[str] = ()) -> tuple[Block | None, str]:
    """The next runs of a study, or None and why there are none.

    Args:
        study: the study.
        tried: names of runs that this start has tried already; failed ones of them are left.
    """
    if study.hours is not None:
        block = _unfinished(study, [plan_pilot(study)], tried, "a pilot, to know how long a run takes")
        if block is not None:
            return block, ""
    if study.tune:
        block = _unfinished(study, plan_tuning(study), tried, "learning rates, on a partition that is not analysed")
        if block is not None:
            return block, ""
    rates = chosen_rates(tuning_trials(study, study.output_dir)) if study.tune else {}
    if study.hours is None:
        runs = plan_repeats(study, range(1, study.repeats + 1), rates)
        return _unfinished(
            study, runs, tried, f"{count(study.repeats, 'repeat')} of {len(study.conditions)} conditions"
        ), ""
    return _race_block(study, rates, tried)


def analysed_runs(study: Study) -> list[PlannedRun]:
    """Every run that may be analysed, with the learning rates chosen so far."""
    rates = chosen_rates(tuning_trials(study, study.output_dir)) if study.tune else {}
    return plan_repeats(study, range(1, study.repeats + 1), rates)


def all_runs(study: Study) -> list[PlannedRun]:
    """Every run of the study, the pilot and the trials of learning rates included."""
    pilot = [plan_pilot(study)] if study.hours is not None else []
    return [*pilot, *(plan_tuning(study) if study.tune else []), *analysed_runs(study)]


def race_state(study: Study, rates: Mapping[str, float], tried: Collection[str] = ()) -> RaceState:
    """Hold the looks that are due."""
    losses = tuple(condition.name for condition in study.conditions)
    race, done = Race(losses, losses, (), None, None), 0
    while done < LOOKS[-1] and len(race.alive) > 1:
        statuses = read_status(study.output_dir, plan_repeats(study, [done + 1], rates, race.alive))
        if any(_is_open(status, tried) for status in statuses):
            return RaceState(race, done, any(status.state != "missing" for status in statuses))
        done += 1
        if done in LOOKS:
            race = _look(study, rates, losses, done)
    return RaceState(race, done, False)


def hours_used(statuses: Sequence[RunStatus], parallel: int) -> float:
    """Hours that runs took, so many at a time."""
    return sum(status.seconds for status in statuses) / 3600 / parallel


def hours_a_repeat(study: Study, statuses: Sequence[RunStatus]) -> dict[str, float]:
    """Hours that a repeat of each condition takes; the mean of all where a condition has not run yet."""
    seconds: dict[str, list[float]] = {}
    for status in statuses:
        if status.state == "done":
            seconds.setdefault(status.run.condition, []).append(status.seconds)
    every = [fmean(values) for values in seconds.values()]
    typical = fmean(every) if every else 0.0
    return {
        condition.name: fmean(seconds.get(condition.name, [typical])) * study.run_folds / 3600 / parallel_runs(study)
        for condition in study.conditions
    }


def parallel_runs(study: Study) -> int:
    """How many runs go on at a time."""
    return int(study.slurm.get("at_once", 8)) if study.slurm is not None else study.jobs


def _race_block(study: Study, rates: Mapping[str, float], tried: Collection[str]) -> tuple[Block | None, str]:
    state = race_state(study, rates, tried)
    statuses = read_status(study.output_dir, all_runs(study))
    left = (study.hours or 0.0) - hours_used(statuses, parallel_runs(study))
    step = next_step(state.race, state.repeats_done, left, hours_a_repeat(study, statuses))
    if step.action == "stop" and not state.begun:
        return None, step.reason
    runs = plan_repeats(study, [state.repeats_done + 1], rates, state.race.alive)
    return _unfinished(study, runs, tried, step.reason), step.reason


def _look(study: Study, rates: Mapping[str, float], losses: Sequence[str], repeats: int) -> Race:
    """Look at the first repeats; a loss without a score in one of them, since its runs failed, is out."""
    statuses = read_status(study.output_dir, plan_repeats(study, range(1, repeats + 1), rates))
    finished = [status.run for status in statuses if status.state == "done"]
    scores = split_cases(collect_scores(study.output_dir, finished, study.score))
    first = {loss for loss in losses if any(run.condition == loss and run.repeat == 1 for run in finished)}
    there = tuple(loss for loss in losses if loss in first)
    if len(there) < 2:
        return Race(there, there, (), None, None)
    table = score_table([score for score in scores if score.loss in there], leaky=study.leaky)
    return watch(table, there, study.margin, repeats)


def _unfinished(study: Study, runs: Sequence[PlannedRun], tried: Collection[str], reason: str) -> Block | None:
    statuses = read_status(study.output_dir, runs)
    rest = tuple(status.run for status in statuses if _is_open(status, tried))
    return Block(rest, reason) if rest else None


def _is_open(status: RunStatus, tried: Collection[str]) -> bool:
    """Whether a run is still to be done; one that failed in this start is not tried again."""
    return status.state != "done" and status.run.name not in tried
