"""From a study and its run folders to the record that its report is built from."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from ..runs.run_files import MODEL
from .blocks import RaceState, all_runs, analysed_runs, race_state
from .collect import (
    collect_curves,
    collect_scores,
    find_early_ends,
    find_exclusions,
    read_progress,
    record_of,
    split_cases,
)
from .compared import study_terms
from .example_cases import find_overlays
from .grid import PlannedRun, configured
from .history import read_history
from .paper_rows import paper_rows
from .primary_score import score_title
from .report.record import CaseScore, Failure, Provenance, StudyRecord
from .run_origin import restored_note, versions_of
from .same_data import split_hashes
from .status import RunStatus, read_status
from .study_file import Study
from .terms import Terms
from .tuning import chosen_rates, tuning_trials

SHARED = {
    "data": "data_name",
    "network": "network_name",
    "loss": "loss_name",
    "optimizer": "optimizer_name",
    "learning rate": "learning_rate",
    "batch size": "batch_size",
    "epochs": "max_epochs",
    "image size": "image_size",
    "pixel spacing": "pixel_spacing",
    "augmentation": "augmentation",
    "precision": "precision",
}


def study_record(study: Study, study_file: str, commands: Sequence[str]) -> StudyRecord:
    """Everything that is known of a study now, in the middle of it too.

    Args:
        study: the study.
        study_file: name of its file.
        commands: that made the runs and make the report.
    """
    folder = study.output_dir
    statuses = read_status(folder, all_runs(study))
    planned = {run.name for run in analysed_runs(study)}
    finished = [status.run for status in statuses if status.state == "done" and status.run.name in planned]
    tests = collect_scores(folder, finished, study.score)
    scores = split_cases(tests) if study.leaky else tests
    curves, paths = collect_curves(folder, finished)
    trials = tuning_trials(study, folder) if study.tune else []
    state = race_state(study, chosen_rates(trials), _failed(statuses)) if study.hours is not None else None
    winner = _winner(state, scores)
    terms = study_terms(study)
    shared, differing, varied = _settings(study, terms)
    return StudyRecord(
        name=study.name,
        scores=scores,
        question=study.question,
        primary=score_title(study.score, configured(study, study.conditions[0])["include_background"] is True),
        margin=study.margin,
        reference=study.reference,
        terms=terms,
        leaky=study.leaky,
        planned_repeats=None if state is not None else study.repeats,
        partition_folds=study.num_folds,
        settings=shared,
        differing=differing,
        varied=varied,
        curves=curves,
        weight_paths=paths,
        tuning=trials,
        failures=[Failure(s.run.name, s.last_line, s.run.condition) for s in statuses if s.state == "failed"],
        early_ends=find_early_ends(folder, finished),
        exclusions=find_exclusions(scores),
        overlays=find_overlays(folder, finished, tests, winner),
        hours=sum(status.seconds for status in statuses) / 3600,
        race=state.race if state is not None and state.race.chosen is not None else None,
        race_ended=_ended(state),
        paper_table=study.paper_table,
        paper_rows=paper_rows(study) if study.paper_table is not None else {},
        segment_command=segment_command(study, finished, winner),
        provenance=_provenance(study, study_file, finished, commands),
    )


def segment_command(study: Study, runs: Sequence[PlannedRun], condition: str | None) -> str:
    """The command that segments new images with the run of a condition that validated best."""
    own = [run for run in runs if run.condition == condition and (study.output_dir / run.name / MODEL).is_file()]
    best = max(own, key=lambda run: max(read_progress(study.output_dir / run.name)[0], default=0.0), default=None)
    if best is None:
        return ""
    runs_dir = shlex.quote(_shown(study.output_dir))
    words = f"--run_name {best.name} --runs_dir {runs_dir} --dataset_dir FOLDER --output_dir MASKS"
    return f"python -m monai.bundle run --config_file configs/inference.yaml {words}"


def _winner(state: RaceState | None, scores: Sequence[CaseScore]) -> str | None:
    """The condition that the report recommends or sees ahead."""
    from .decision import analyse
    from .score_rows import score_table

    if state is not None and state.race.chosen is not None:
        return state.race.chosen
    losses = {score.loss for score in scores}
    if len(losses) < 2:
        return next(iter(losses), None)
    return analyse(score_table(scores, leaky=True)).chosen


def _ended(state: RaceState | None) -> str:
    return (
        "" if state is None or len(state.race.alive) > 1 else f"every other condition than {state.race.alive[0]} is out"
    )


def _failed(statuses: Sequence[RunStatus]) -> set[str]:
    return {status.run.name for status in statuses if status.state == "failed"}


def _settings(study: Study, terms: Terms) -> tuple[dict[str, str], dict[str, dict[str, str]], list[str]]:
    """What all runs share, by the names of the methods paragraph, what levels set beside their factor, and factors."""
    configs = {condition.name: configured(study, condition) for condition in study.conditions}
    factors = set(study.conditions[0].levels)
    found: dict[str, str] = {}
    differing: dict[str, dict[str, str]] = {}
    varied: list[str] = []
    for name, key in SHARED.items():
        values = {condition: _word(config[key]) for condition, config in configs.items() if config[key] is not None}
        if len(set(values.values())) == 1 and len(values) == len(configs):
            found[name] = next(iter(values.values()))
        elif {name, key} & factors:
            varied.append(name)
        elif values:
            differing[name] = values
    if study.tune:
        differing.pop("learning rate", None)
        found["learning rate"] = f"chosen for each {terms.thing} from a third, once and three times the default"
    found["model selection"] = "the epoch with the best Dice of the validation part"
    found["initial weights"] = (
        "drawn again, as the order of the images, for every fold of every repeat, from the same seed for all "
        f"{terms.things}"
    )
    if study.leaky:
        found["protocol"] = f"images dealt at random, so that {terms.leak}"
    return found, differing, varied


def _word(value: object) -> str:
    """A setting's value as the report writes it."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _provenance(study: Study, study_file: str, runs: Sequence[PlannedRun], commands: Sequence[str]) -> Provenance:
    history = read_history(study)
    devices = {str(record_of(study.output_dir / run.name).get("device", "")) for run in runs} - {""}
    return Provenance(
        study_file=study_file,
        sha256_at_launch=history.sha256,
        later_changes=history.changes,
        versions=versions_of(study.output_dir, runs),
        restored_runs=restored_note(study.output_dir, runs),
        device=", ".join(sorted(devices)),
        split_sha256=split_hashes(study.output_dir, runs),
        commands=commands,
    )


def _shown(path: Path | str) -> str:
    """A path as a person in the working folder would type it."""
    absolute = Path(path)
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)
