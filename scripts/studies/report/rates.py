"""What the report says of the learning rates of a study that has tried none."""

from __future__ import annotations

from collections.abc import Mapping

from .record import StudyRecord
from .words import listed

RATE = "learning rate"


def rates_in_words(study: StudyRecord) -> str | None:
    """One rate for all, one of its own for each, or part of what is compared; None where it is unknown or was tuned.

    >>> rates_in_words(StudyRecord("s", [], tuning=[], settings={RATE: "0.001"}))
    'all conditions at one learning rate'
    """
    if study.tuning is None or study.tuning:
        return None
    if RATE in study.differing:
        return f"learning rates as given: {by_value(study.differing[RATE])}"
    if RATE in study.settings:
        return f"all {study.terms.things} at one learning rate"
    return "the learning rate is part of what is compared" if RATE in study.varied else None


def rates_caution(study: StudyRecord) -> str | None:
    """What the rates mean for the comparison; None where it is unknown or they were tuned."""
    words = rates_in_words(study)
    if words is None:
        return None
    things, equal = study.terms.things, f" Equal rates {study.terms.equal_rates}." if RATE in study.settings else ""
    return (
        f"No learning rates were tried: {words}.{equal} The comparison is of {things} at these rates, not of each "
        f"{study.terms.thing} at its best."
    )


def by_value(values: Mapping[str, str]) -> str:
    """The names that share a value.

    >>> by_value({"ce": "0.003", "dfl": "0.009", "wce": "0.003"})
    '0.003 for ce and wce, 0.009 for dfl'
    """
    names: dict[str, list[str]] = {}
    for name, value in values.items():
        names.setdefault(value, []).append(name)
    return ", ".join(f"{value} for {listed(found)}" for value, found in names.items())
