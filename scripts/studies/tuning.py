"""Learning rates with an equal budget: each condition at a third, once and three times its default rate.

The trials run at full length on one partition of the patients that is never analysed, and the validation part decides.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import UserError
from ..runs.run_files import JOURNAL
from .collect import read_progress
from .grid import plan_tuning
from .report.record import TuningTrial
from .status import read_status
from .study_file import Study


def tuning_trials(study: Study, study_dir: Path) -> list[TuningTrial]:
    """What the trials gave so far; of each condition whose trials are all done or failed, the best is chosen.

    Where two rates are equal, the one nearer to the default is taken.
    """
    trials: list[TuningTrial] = []
    statuses = read_status(study_dir, plan_tuning(study))
    for condition in study.conditions:
        own = [status for status in statuses if status.run.condition == condition.name]
        scored = []
        for status in own:
            scores, _ = read_progress(study_dir / status.run.name) if status.state == "done" else ([], {})
            if status.state == "done" and not scores:
                raise UserError(
                    f"{study_dir / status.run.name / JOURNAL} holds no validation score of a trial that has finished; "
                    f"put the run's own file back, or delete {status.run.name} beside it and start the study again"
                )
            if scores and status.run.learning_rate is not None:
                scored.append((max(scores), status.run.learning_rate))
        complete = all(status.state in ("done", "failed") for status in own)
        rates = sorted(rate for _, rate in scored)
        middle = rates[len(rates) // 2] if rates else 0.0
        best = max(scored, key=lambda entry: (entry[0], -abs(entry[1] - middle)), default=None) if complete else None
        trials += [TuningTrial(condition.name, rate, score, (score, rate) == best) for score, rate in scored]
    return trials


def chosen_rates(trials: list[TuningTrial]) -> dict[str, float]:
    """The learning rate of each condition that has one."""
    return {trial.loss: trial.learning_rate for trial in trials if trial.chosen}
