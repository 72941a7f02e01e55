"""A checklist of what a publication must say, filled from the runs or left to the author.

Its topics follow CLAIM (Mongan, Moy and Kahn 2020, doi:10.1148/ryai.2020200029; update 2024,
doi:10.1148/ryai.240300) and MICCAI's reproducibility checklist; the wording is our own.
"""

from __future__ import annotations

from .context import Context
from .exploratory import zeros_by_class
from .limits import cautions
from .rates import by_value, rates_in_words
from .tables import Cell, Table, number
from .words import count, listed

AUTHOR = "for the author to answer"
Item = tuple[str, str]


def checklist_table(context: Context) -> Table:
    """Every topic, and what the runs say of it."""
    items = [
        *_aim(context),
        *_data(context),
        *_model(context),
        *_training(context),
        *_evaluation(context),
        *_sharing(context),
    ]
    rows: list[list[Cell]] = [[topic, answer or AUTHOR] for topic, answer in items]
    answered = sum(bool(answer) for _topic, answer in items)
    return Table(
        "checklist",
        "Checklist after CLAIM and MICCAI's reproducibility checklist",
        ["topic", "answer"],
        rows,
        note=f"{answered} of {len(items)} topics are answered from the study; the others are the author's to answer.",
    )


def _aim(context: Context) -> list[Item]:
    study, analysis = context.study, context.analysis
    return [
        ("Question of the study", study.question),
        ("Clinical role and intended use", ""),
        ("Primary score, fixed before the runs", study.primary),
        ("Smallest difference that matters", number(analysis.margin)),
        ("Ethics approval, consent, de-identification", ""),
    ]


def _data(context: Context) -> list[Item]:
    study, table, terms = context.study, context.analysis.table, context.terms
    left_out = f"{count(len(study.exclusions), 'case')} left out; see the report" if study.exclusions else ""
    parted = (
        f"{terms.parts} of one {terms.unit} lie in training and test parts"
        if table.leaky
        else f"{terms.parts} dealt at random: {terms.leak}"
        if study.leaky
        else f"parted by {terms.unit}, whole ones kept together"
    )
    return [
        ("Source, period and sites of the data", _setting(context, "data")),
        ("Who was included and who was not", left_out),
        ("Demographic and clinical characteristics", ""),
        ("Scanners and acquisition", ""),
        ("Preparation of the images", _setting(context, "preprocessing", "image size", "pixel spacing")),
        ("Reference standard: who annotated, how, how well they agree", ""),
        ("Number of independent units", count(table.num_patients, terms.unit)),
        ("Parts for training, validation and test", f"{parted}; {_folds(context)}"),
        ("Test on data from elsewhere", ""),
        ("Reason for the sample size", ""),
    ]


def _model(context: Context) -> list[Item]:
    terms = context.terms
    single = [(name.capitalize(), _setting(context, name)) for name in ("network", "loss") if name != terms.thing]
    return [
        *single,
        ("First weights", _setting(context, "initial weights", "weights")),
        (f"{terms.things.capitalize()} compared", listed(list(context.analysis.table.losses))),
    ]


def _training(context: Context) -> list[Item]:
    study = context.study
    trials = len(study.tuning or ())
    tuned = f"{trials} trials on a partition that is not analysed" if trials else ""
    if rates := rates_in_words(study):
        tuned = f"none: {rates}"
    return [
        (
            "Optimiser, learning rate, batch size, epochs",
            _setting(context, "optimizer", "learning rate", "batch size", "epochs"),
        ),
        ("Augmentation", _setting(context, "augmentation")),
        ("Choice of settings, the same effort for all", tuned),
        ("Choice of the epoch that is tested", _setting(context, "model selection")),
        ("Number of trainings and random seeds", f"{_runs(context)}; {_folds(context)}"),
        ("Hardware and hours", _hardware(context)),
    ]


def _evaluation(context: Context) -> list[Item]:
    study, table = context.study, context.analysis.table
    further = list(dict.fromkeys(name for score in study.scores for name in score.metrics))
    return [
        ("Further scores", listed(further)),
        (
            "Uncertainty of every result",
            f"95 % intervals over {context.terms.units} and trainings, corrected for multiple comparison",
        ),
        (
            "Missing results and failed runs",
            f"{count(len(study.failures), 'failed run')}, {len(context.missing_runs)} missing{_unfinished(context)}",
        ),
        ("Missed objects", f"{sum(table.missed)} scores of 0{_of_classes(context)}, all counted"),
        ("Failure analysis", "pictures of the best, median and worst cases" if study.overlays else ""),
        ("Limits of the study", " ".join(cautions(context))),
        ("Registration or protocol", _protocol(context)),
    ]


def _of_classes(context: Context) -> str:
    found = zeros_by_class(context.study.scores)
    return f", {sum(found.values())} of single classes" if found else ""


def _sharing(context: Context) -> list[Item]:
    source = context.study.provenance
    versions = ", ".join(f"{name} {version}" for name, version in sorted(source.versions.items()))
    return [
        ("Software and versions", versions),
        ("Exact commands", "in the report, under provenance" if source.commands else ""),
        ("Where code, weights and data can be had", ""),
        ("Funding and conflicts of interest", ""),
    ]


def _setting(context: Context, *names: str) -> str:
    differing = {name: by_value(values) for name, values in context.study.differing.items()}
    varied = dict.fromkeys(context.study.varied, "differs, see what is compared")
    known = {**context.study.settings, **differing, **varied}
    found = [f"{name}: {known[name]}" for name in names if name in known]
    return "; ".join(found)


def _folds(context: Context) -> str:
    table = context.analysis.table
    some = f"{table.num_folds} of " if context.folds_of > table.num_folds else ""
    return f"{count(len(table.repeats), 'repeat')} x {some}{count(context.folds_of, 'fold')}, {context.analysis.design}"


def _runs(context: Context) -> str:
    return count(sum(result.runs for result in context.analysis.losses), "run")


def _unfinished(context: Context) -> str:
    here, planned = len(context.analysis.table.repeats), context.study.planned_repeats or 0
    return f"; {planned - here} of {count(planned, 'repeat')} not done yet" if planned > here else ""


def _hardware(context: Context) -> str:
    hours = context.study.hours
    parts = [context.study.provenance.device, f"{hours:.3g} hours" if hours is not None else ""]
    return ", ".join(part for part in parts if part)


def _protocol(context: Context) -> str:
    source = context.study.provenance
    if not source.sha256_at_launch:
        return ""
    changes = count(len(source.later_changes), "later change")
    return f"study file fixed at launch, SHA-256 {source.sha256_at_launch}; {changes}"
