"""Sections on the runs: how they learned, cases to look at, further scores, what failed, where it all comes from."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis import Analysis
from ..terms import Terms
from .blocks import Block, Caution, Code, Numbers, Picture, Points, Section, Text
from .context import Context
from .convergence_words import convergence_points
from .curves import draw_learning_curves, draw_weight_paths
from .exploratory import metric_tables, zeros_by_class
from .pictures import photos
from .rates import rates_caution
from .record import StudyRecord, TuningTrial
from .svg import to_svg
from .tables import Cell, Table
from .words import count, listed

OUTLINES = "The slice of each case with the largest true area. White lines: the truth. In colour: the prediction."


def learning_section(context: Context) -> Section | None:
    """Validation curves with bands, adaptive class weights, and the learning rates that were tried."""
    study, terms = context.study, context.terms
    blocks: list[Block] = []
    if any(len(curve.epochs) for curve in study.curves):
        drawing = draw_learning_curves(study.curves, context.styles)
        caption = (
            f"Line: mean over the runs of one {terms.thing}. Band: from its lowest to its highest run. "
            f"Grey: the other {terms.things}."
        )
        blocks.append(
            Picture(
                to_svg(drawing, "curves", f"Validation score over epochs, by {terms.thing}"),
                "Validation score.",
                caption,
            )
        )
    if study.weight_paths:
        losses = list(context.analysis.table.losses)
        drawing = draw_weight_paths(study.weight_paths, losses)
        caption = "Line: mean over the runs. Band: from the lowest to the highest run. One colour per class."
        blocks.append(
            Picture(to_svg(drawing, "weights", "Adaptive class weights over epochs"), "Class weights learned.", caption)
        )
    if study.tuning:
        blocks.append(Numbers(tuning_table(study.tuning, context.analysis, terms)))
    elif caution := rates_caution(study):
        blocks.append(Caution(caution))
    return Section("learning", "How the runs learned", blocks) if blocks else None


def tuning_table(trials: Sequence[TuningTrial], analysis: Analysis, terms: Terms) -> Table:
    """The learning rates tried for each loss, a row per loss, on a partition that is not analysed."""
    rates = sorted({trial.learning_rate for trial in trials})
    losses = dict.fromkeys([*analysis.table.losses, *(trial.loss for trial in trials)])
    scores = {(trial.loss, trial.learning_rate): trial.score for trial in trials}
    taken = {trial.loss: f"{trial.learning_rate:.3g}" for trial in trials if trial.chosen}
    tried = {trial.loss for trial in trials}
    rows: list[list[Cell]] = [
        [loss, *(scores.get((loss, rate)) for rate in rates), taken.get(loss)] for loss in losses if loss in tried
    ]
    return Table(
        "tuning",
        "Learning rates tried: validation score",
        [terms.thing, *(f"{rate:.3g}" for rate in rates), "taken"],
        rows,
        note=f"Tried at full length on one partition of the {terms.parts} that has no part in the comparison.",
    )


def examples_section(context: Context) -> Section | None:
    """Best, median and worst cases, and further scores."""
    study = context.study
    pictures = photos(study.overlays)
    tables = metric_tables(context.analysis, study.scores, context.terms)
    if not pictures and not tables:
        return None
    blocks: list[Block] = [Text(OUTLINES), *pictures] if pictures else []
    if not pictures and study.provenance.restored_runs:
        blocks.append(Text("Pictures of cases are in the folders of the runs; those here came as scores alone."))
    if tables:
        blocks.append(
            Text(
                "The scores below were not chosen beforehand to decide, and are not corrected for their number: read "
                "them as a description. An arrow shows where a score is better: up, down or near 0."
            )
        )
        blocks += [Numbers(tables[0]), Numbers(tables[1], folded=True)]
    else:
        blocks.append(Text("The scores hold no further metric (per class, distances, calibration)."))
    return Section("further", "Cases to look at, and further scores" if pictures else "Further scores", blocks)


def failures_section(context: Context) -> Section:
    """Crashed runs, runs that are missing, missed objects, cases left out."""
    study, table, thing = context.study, context.analysis.table, context.terms.thing
    points = [f"{count(len(study.failures), 'run')} failed." if study.failures else "No run is recorded as failed."]
    if study.early_ends:
        points.append(f"{count(len(study.early_ends), 'run')} ended early by a rule, scored and counted.")
    points += [*_missing(context), *convergence_points(study)]
    missed = [f"{loss} {number}" for loss, number in zip(table.losses, table.missed, strict=True) if number]
    points.append(f"Scores of 0, all counted: {', '.join(missed) or 'none'}.")
    by_class = zeros_by_class(study.scores)
    if by_class:
        named = [f"{loss} {by_class[loss]}" for loss in table.losses if by_class.get(loss)]
        points.append(f"Dice of a single class that is 0 in a case, all counted: {', '.join(named) or 'none'}.")
    without = [f"{loss} {number}" for loss, number in zip(table.losses, table.excluded, strict=True) if number]
    if without:
        points.append(f"Scores that do not exist since truth and prediction are both empty: {', '.join(without)}.")
    blocks: list[Block] = [Points(points)]
    if study.failures:
        rows: list[list[Cell]] = [[failure.run, failure.loss, failure.last_line] for failure in study.failures]
        blocks.append(Numbers(Table("failures", "Runs that failed", ["run", thing, "last line"], rows)))
    if study.early_ends:
        early: list[list[Cell]] = [[end.run, end.loss, end.how] for end in study.early_ends]
        title = "Runs that a rule ended early, scored and counted"
        blocks.append(Numbers(Table("early_ends", title, ["run", thing, "ended"], early)))
    if study.exclusions:
        excluded: list[list[Cell]] = [[exclusion.case, exclusion.reason] for exclusion in study.exclusions]
        blocks.append(Numbers(Table("exclusions", "Cases left out", ["case", "reason"], excluded)))
    return Section("failures", "What failed, was missed or left out", blocks)


def _missing(context: Context) -> list[str]:
    """Runs that are missing, and those that a race did not need."""
    missing, thing = context.missing_runs, context.terms.thing
    points = []
    if missing:
        names = [f"{loss} repeat {repeat} fold {fold}" for loss, repeat, fold in missing[:12]]
        more = f" and {len(missing) - 12} more" if len(missing) > 12 else ""
        named = f"{', '.join(names)}{more}" if more else listed(names)
        points.append(f"{count(len(missing), 'run')} that another {thing} has {_is(len(missing))} missing: {named}.")
    spared = len(context.analysis.table.missing_runs) - len(missing)
    if spared:
        points.append(f"{count(spared, 'run')} {_is(spared)} not there since the race had dropped the {thing}.")
    return points


def provenance_section(study: StudyRecord) -> Section:
    """Study file, its changes, versions, hardware, splits, commands."""
    source = study.provenance
    rows: list[list[Cell]] = [
        ["study file", source.study_file or "not recorded"],
        ["its SHA-256 at launch", source.sha256_at_launch or "not recorded"],
        ["changes since launch", "; ".join(source.later_changes) or ("none" if source.sha256_at_launch else "unknown")],
        ["hardware", source.device or "not recorded"],
    ]
    if source.restored_runs:
        rows.append(["runs taken from saved scores", source.restored_runs])
    rows += [[f"version of {name}", version] for name, version in sorted(source.versions.items())]
    rows += [[f"split {name}, SHA-256", digest] for name, digest in source.split_sha256.items()]
    blocks: list[Block] = [Numbers(Table("provenance", "Where the numbers come from", ["what", "value"], rows))]
    if source.commands:
        blocks.append(Code("Commands", "\n".join(source.commands)))
    if study.segment_command:
        blocks.append(Code(f"Segment new images with the recommended {study.terms.thing}", study.segment_command))
    return Section("provenance", "Where the numbers come from", blocks)


def race_table(study: StudyRecord) -> Table | None:
    """When the race dropped each condition."""
    if study.race is None:
        return None
    thing = study.terms.thing
    rows: list[list[Cell]] = []
    for look in study.race.looks:
        for loss in look.dropped:
            bound = float(look.bounds[look.losses.index(loss), look.losses.index(look.leader)])
            rows.append([loss, look.repeats, look.leader, bound])
    rows += [[loss, None, "still in the race", None] for loss in study.race.alive]
    return Table(
        "race",
        f"The race: when each {thing} was dropped",
        [thing, "dropped after repeats", "leader then", "could be better than it by at most"],
        rows,
        signed=["could be better than it by at most"],
        note="Dropped only when, with 95 % confidence for all looks together, it cannot beat the leader by more than "
        f"the margin. The bound at the head of the report counts the dropped {study.terms.things} too.",
    )


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
