"""From a study over another bundle to the record that its report is built from, and to a table of its scores."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence

from ...storage.atomic_files import write_text
from ..compared import terms_of
from ..history import read_history
from ..report.rates import RATE
from ..report.record import CaseScore, Exclusion, Failure, Provenance, StudyRecord
from ..run_origin import versions_of
from ..run_record import RECORD, read_json
from ..status import RunStatus
from .bundle_config import load_config
from .bundle_study import BundleStudy
from .raw_scores import collect_scores

CASES = "cases.csv"
NOTES = (
    "Trainings, checkpoints and scores are those of the bundle {bundle}. The study sets the seed of each run, the same "
    "for every condition, after the bundle's own initialisation; what the bundle builds before that has its own seed.",
    "Where the bundle chooses its checkpoint by the cases that it then evaluates, as those of the model zoo do, the "
    "scores are higher than on new cases.",
    "A case without a score in the bundle's table has no part in the comparison. MONAI's Dice leaves out an image "
    "without the object, also where something is found in it.",
    "Each case counts as independent: the bundle's tables do not say which cases belong together.",
)
ONE_RATE = "Conditions share the bundle's learning rate, which can favour one of them."


def bundle_record(
    study: BundleStudy, statuses: Sequence[RunStatus], study_file: str, commands: Sequence[str]
) -> StudyRecord:
    """Everything that is known of a study now, in the middle of it too; also writes its scores as ``cases.csv``."""
    finished = [status.run for status in statuses if status.state == "done"]
    scores = collect_scores(study.output_dir, finished, study.score)
    if scores:
        write_text(study.output_dir / CASES, cases_table(scores))
    history = read_history(study)
    settings, varied = _settings(study)
    devices = {(read_json(study.output_dir / run.name / RECORD) or {}).get("device", "") for run in finished} - {""}
    return StudyRecord(
        name=study.name,
        scores=scores,
        question=study.question,
        primary="/".join(study.score),
        margin=study.margin,
        reference=study.reference,
        terms=terms_of(study.conditions, [condition.settings for condition in study.conditions], study.unit),
        planned_repeats=len(study.repeats),
        settings=settings,
        varied=varied,
        tuning=[],
        failures=[Failure(s.run.name, s.last_line, s.run.condition) for s in statuses if s.state == "failed"],
        exclusions=_exclusions(scores),
        hours=sum(status.seconds for status in statuses) / 3600,
        provenance=Provenance(
            study_file=study_file,
            sha256_at_launch=history.sha256,
            later_changes=history.changes,
            versions=versions_of(study.output_dir, finished),
            device=", ".join(sorted(devices)),
            commands=commands,
        ),
        notes=[
            *(note.format(bundle=study.bundle.name) for note in NOTES),
            *([] if RATE in varied else [ONE_RATE]),
        ],
    )


def cases_table(scores: Sequence[CaseScore]) -> str:
    """Scores as CSV, as ``reporting --from`` reads them."""
    further = sorted({name for score in scores for name in score.metrics})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["loss", "repeat", "fold", "case", "score", *further])
    for one in scores:
        values = [one.score, *(one.metrics.get(name, float("nan")) for name in further)]
        shown = ["" if value != value else repr(float(value)) for value in values]
        writer.writerow([one.loss, one.repeat, one.fold, one.case, *shown])
    return text.getvalue()


def _exclusions(scores: Sequence[CaseScore]) -> list[Exclusion]:
    """Cases without a score; why, only the bundle's metric knows."""
    counts = Counter(score.case for score in scores if math.isnan(score.score))
    return [
        Exclusion(case, f"no score in the bundle's table in {count} of the tests")
        for case, count in sorted(counts.items())
    ]


def _settings(study: BundleStudy) -> tuple[dict[str, str], list[str]]:
    """What all runs share, by the names that the methods paragraph looks for, and of these names what is compared."""
    parser = load_config(study.bundle, study.train.files)
    for key, value in {**study.settings, **study.train.settings}.items():
        if key in parser:
            parser[key] = value
    compared = {key for condition in study.conditions for key in condition.settings}
    wanted = {
        "network": "network_def::_target_", "loss": "loss::_target_", "optimizer": "optimizer::_target_",
        RATE: "optimizer::lr", "epochs": "train::trainer::max_epochs", "batch size": "train::dataloader::batch_size",
    }  # fmt: skip
    found = {"data": f"of the bundle {study.bundle.name}"}
    varied = []
    for name, place in wanted.items():
        value = parser.get(place) if place in parser else None
        places = [place]
        if isinstance(value, str) and value.startswith("@"):
            places.append(value[1:])
            value = parser.get(value[1:])
        if any(one == key or one.startswith(f"{key}::") for one in places for key in compared):
            varied.append(name)
        elif value is not None and not str(value).startswith(("$", "@")):
            found[name] = str(value)
    return found, varied
