"""What a study would do and show, in plain text, before it runs or in the middle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import UserError
from ..runs.run_files import SPLIT
from .blocks import all_runs, hours_a_repeat, hours_used, parallel_runs
from .collect import collect_scores, lost_in_validation, read_progress, split_cases
from .compared import study_terms
from .components import Components
from .convergence import LOST, late_rise
from .decision import analyse
from .grid import RATE_FACTORS, PlannedRun, configured
from .power import smallest_difference
from .race import most_repeats
from .report.rates import by_value
from .report.words import count
from .run_record import read_json
from .score_rows import score_table
from .status import RunStatus, count_states, read_status
from .study_file import Study
from .terms import Terms

# Variances of the difference of two conditions on one patient, until the study's own are known: standard deviations of
# .04 between patients, .022 between runs, .02 of the rest.
ASSUMED = {"patient": 0.0016, "training": 0.00047, "residual": 0.0004}
PATIENTS = (40, 100, 200)  # shown where the number of patients is not known yet
FAILURES_SHOWN = 10


def describe_plan(study: Study) -> str:
    """The grid, how far it is, how long it takes and the smallest difference that it can show."""
    statuses, terms = read_status(study.output_dir, all_runs(study)), study_terms(study)
    parts = _grid(study, len(statuses), terms), _progress(study, statuses), _epochs(study, statuses)
    return "\n".join(line for part in (*parts, _power(study, statuses, terms)) for line in part)


def _grid(study: Study, runs: int, terms: Terms) -> Iterator[str]:
    yield f"study {study.name}: {study.question}" if study.question else f"study {study.name}"
    names = [condition.name for condition in study.conditions]
    yield f"  {'conditions':<12} {len(names)}: {', '.join(names)}"
    yield f"  {'data':<12} {_data(study)}"
    most = "at most " if study.hours is not None else ""
    partition = f"a new partition into {study.num_folds} folds" if study.num_folds > 1 else "the data set's own parts"
    yield f"  {'repeats':<12} {most}{study.repeats}, each with {partition}"
    if study.run_folds < study.num_folds:
        yield f"  {'folds':<12} {study.run_folds} of {study.num_folds} are run"
    if study.tune:
        yield f"  {'tuning':<12} {len(RATE_FACTORS)} learning rates a condition, on a partition that is not analysed"
    else:
        rates = {condition.name: str(configured(study, condition)["learning_rate"]) for condition in study.conditions}
        equal = f"equal learning rates {terms.equal_rates}"
        yield f"  {'tuning':<12} none: {equal if len(set(rates.values())) == 1 else by_value(rates)}"
    if study.leaky:
        yield f"  {'protocol':<12} LEAKY, as in the paper: {terms.leak}"
    yield f"  {'runs':<12} {most}{runs}, in {study.output_dir}"


def _data(study: Study) -> str:
    """Which data, and where; the phantom is named for what it is."""
    configs = [configured(study, condition) for condition in study.conditions]
    names = list(dict.fromkeys(str(config["data_name"]) for config in configs))
    if names == ["phantom"]:
        return "phantom: made-up volumes, a demonstration"
    places = dict.fromkeys(str(config.get("dataset_dir", "")) for config in configs)
    shown = [place for place in places if place and not place.startswith(("$", "@"))]
    missing = [place for place in shown if not Path(place).expanduser().is_dir()]
    told = f", in {', '.join(shown)}" if shown else ""
    return f"{', '.join(names)}{told}{f'; {missing[0]} is not there' if missing else ''}"


def _progress(study: Study, statuses: Sequence[RunStatus]) -> Iterator[str]:
    counts = count_states(statuses)
    yield f"  {'so far':<12} {', '.join(f'{number} {state}' for state, number in counts.items())}"
    failed = [status for status in statuses if status.state == "failed"]
    for status in failed[:FAILURES_SHOWN]:
        yield f"    {status.run.name}: {status.last_line}"
    if len(failed) > FAILURES_SHOWN:
        yield f"    and {len(failed) - FAILURES_SHOWN} more"
    at_once = parallel_runs(study)
    used = hours_used(statuses, at_once)
    if not counts.get("done"):
        yield f"  {'hours':<12} not known before the first run is done"
        return
    each = hours_a_repeat(study, statuses)
    left = sum(each[status.run.condition] / study.run_folds for status in statuses if status.state != "done")
    yield f"  {'hours':<12} {used:.2g} used, {left:.2g} to go, {count(at_once, 'run')} at a time"
    if study.hours is not None:
        yield f"  {'budget':<12} {study.hours:g} hours: {most_repeats(study.hours - used, each)} more repeats of all"


def _epochs(study: Study, statuses: Sequence[RunStatus]) -> Iterator[str]:
    """Whether the epochs are enough, by the validation of the pilot and of each condition's best trial."""
    curves: dict[str, tuple[PlannedRun, list[float]]] = {}
    for status in statuses:
        if status.state == "done" and status.run.role != "run":
            scores, _ = read_progress(study.output_dir / status.run.name)
            best = curves.get(status.run.condition)
            if scores and (best is None or max(scores) > max(best[1])):
                curves[status.run.condition] = status.run, scores
    if not curves:
        return
    rises = {name: late_rise(scores) for name, (_, scores) in curves.items()}
    rising = [name for name, rise in rises.items() if rise is not None and rise > study.margin]
    lost = [name for name, (run, _) in curves.items() if lost_in_validation(study.output_dir / run.name)]
    if rising:
        said = f"too few for {', '.join(rising)}: validation rises by more than {study.margin:g} over the last third"
        yield f"  {'epochs':<12} {said}; set more, --settings::max_epochs"
    elif all(rise is None for rise in rises.values()):
        yield f"  {'epochs':<12} can't be judged: it takes three validations a run; lower --settings::val_interval"
    else:
        yield f"  {'epochs':<12} enough by the validation of {len(rises)} conditions, which no longer rises"
    if lost:
        yield f"  {'caution':<12} {', '.join(lost)} lost a class in validation (Dice below {LOST:g}): set more epochs"


def _power(study: Study, statuses: Sequence[RunStatus], terms: Terms) -> Iterator[str]:
    """The smallest difference shown with 80 % power, by the study's own noise as soon as it is known."""
    known = _patients(study, statuses)
    pairs = len(study.conditions) * (len(study.conditions) - 1) // 2
    family = len(study.conditions) - 1 if study.reference is not None else pairs
    if study.run_folds * study.repeats < 2:
        yield f"  {'can show':<12} nothing: one run of each condition says nothing about the condition"
        return
    components, source = _noise(study, statuses)
    for patients in [known] if known else PATIENTS:
        one, all_of_them = (smallest_difference(components, patients, study.repeats, n) for n in (1, family))
        yield (
            f"  {'can show':<12} with {patients} {terms.units} a difference of {one:.3f} (one pair alone), "
            f"{all_of_them:.3f} (any of {count(family, 'pair')}), power 80 %, {source}"
        )
    if study.repeats == 1:
        yield f"  {'caution':<12} one repeat can't tell the noise of training from that of {terms.units}"


def _noise(study: Study, statuses: Sequence[RunStatus]) -> tuple[Components, str]:
    """The noise of a difference, and where it is known from: the finished runs, or what is usual before two repeats."""
    assumed = Components(**ASSUMED, folds=study.run_folds), "at the usual sizes of noise"
    done = [status.run for status in statuses if status.state == "done" and status.run.role == "run"]
    if len({run.repeat for run in done}) < 2:
        return assumed
    try:
        table = score_table(split_cases(collect_scores(study.output_dir, done, study.score)), leaky=study.leaky)
    except UserError:  # the report says it; a plan can be made without
        return assumed
    components = analyse(table, study.margin, study.reference).components
    if components is None:
        return assumed
    return replace(components, folds=study.run_folds), f"at the noise of the {len(done)} finished runs"


def _patients(study: Study, statuses: Sequence[RunStatus]) -> int | None:
    """Number of patients, where a run has written down its split."""
    from .run_record import RECORD

    for status in statuses:
        record = read_json(study.output_dir / status.run.name / RECORD) or {}
        split = read_json(study.output_dir / status.run.name / SPLIT)
        if split is not None and record.get("patients"):
            return len(set(record["patients"].values()))
    return None
