"""What limits the answer of a study, in sentences for the page and the checklist."""

from __future__ import annotations

from .context import Context
from .words import count


def cautions(context: Context) -> list[str]:
    """What limits the answer."""
    study, repeats = context.study, len(context.analysis.table.repeats)
    spared = bool(context.analysis.table.missing_runs) and not context.missing_runs
    found = [each.text for each in context.analysis.cautions if not (spared and each.code == "missing runs")]
    texts = [*study.notes, *found]
    if study.leaky and not context.analysis.table.leaky:  # each case counts as a unit, whatever it shares with others
        texts.append(
            f"{study.terms.parts.capitalize()} were dealt at random: {study.terms.leak}. The scores are too high, for "
            f"some {study.terms.things} perhaps more than for others."
        )
    if study.planned_repeats and study.planned_repeats > repeats:
        texts.insert(0, f"The study is not finished: {repeats} of {count(study.planned_repeats, 'repeat')} are here.")
    if study.race is not None:
        texts.append(
            f"The study was a race. The bound in the verdict allows for its looks and for the {study.terms.things} "
            "dropped; intervals and verdicts of single pairs do not allow for the looks, and a dropped "
            f"{study.terms.thing} has fewer repeats."
        )
    if study.race is not None and study.race.chosen not in (None, context.analysis.chosen):
        texts.append(
            f"Over all scores {context.analysis.chosen} has the higher mean, which the race had not seen at its last "
            f"look: figures are drawn against {context.analysis.chosen}, the verdict is the race's."
        )
    return texts
