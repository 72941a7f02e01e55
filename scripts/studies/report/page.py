"""The report as one HTML page that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .blocks import Section
from .context import Context
from .limits import cautions
from .palette import css_variables
from .tables import number
from .verdict import verdict

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
        ("folds", str(table.num_folds) + (f" of {context.folds_of}" if context.folds_of > table.num_folds else "")),
        ("trainings", str(sum(result.runs for result in context.analysis.losses))),
        ("score", study.primary),
        ("margin", number(context.analysis.margin)),
    ]
    return [*shown, ("hours", f"{study.hours:.3g}")] if study.hours is not None else shown
