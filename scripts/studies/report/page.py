"""The report as one HTML page that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .blocks import Section
from .context import Context
from .palette import css_variables
from .tables import number
from .verdict import verdict
from .words import count

FOLDER = Path(__file__).parent


def render(context: Context, sections: Sequence[Section]) -> str:
    """The page's HTML; every text in it is escaped."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    study = context.study
    page: str = environment.get_template("page.html.j2").render(
        title=f"{study.name}: report of a study",
        kicker=f"Report of the study {study.name}",
        heading=study.question or f"Which {study.terms.thing} should I train with?",
        verdict=verdict(study, context.analysis),
        facts=facts(context),
        cautions=cautions(context),
        sections=sections,
        light=css_variables(dark=False),
        dark=css_variables(dark=True),
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
    )
    return re.sub(r"(\d) %", "\\1\u00a0%", page)  # a number and its sign stay on one line


def facts(context: Context) -> list[tuple[str, str]]:
    """What the verdict rests on, in a few numbers."""
    table, study = context.analysis.table, context.study
    planned = (
        f" of {study.planned_repeats}" if study.planned_repeats and study.planned_repeats > len(table.repeats) else ""
    )
    shown = [
        (study.terms.things, str(len(table.losses))),
        (study.terms.units, str(table.num_patients)),
        ("repeats", f"{len(table.repeats)}{planned}"),
        ("folds", str(table.num_folds)),
        ("trainings", str(sum(result.runs for result in context.analysis.losses))),
        ("score", study.primary),
        ("margin", number(context.analysis.margin)),
    ]
    return [*shown, ("hours", f"{study.hours:.3g}")] if study.hours is not None else shown


def cautions(context: Context) -> list[str]:
    """What limits the answer."""
    study, repeats = context.study, len(context.analysis.table.repeats)
    spared = bool(context.analysis.table.missing_runs) and not context.missing_runs
    found = [each.text for each in context.analysis.cautions if not (spared and each.code == "missing runs")]
    texts = [*study.notes, *found]
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
