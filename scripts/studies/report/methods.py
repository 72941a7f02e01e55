"""A methods paragraph that says what was done, as text and as LaTeX with its literature."""

from __future__ import annotations

from dataclasses import dataclass

from ..terms import Terms
from .blocks import Block, Code, Numbers, Section, Text
from .checklist import checklist_table
from .context import Context
from .rates import RATE, by_value, rates_in_words
from .sources import bibliography
from .tables import latex, number
from .words import count, listed

Sentence = tuple[str, tuple[str, ...]]  # text without its full stop, keys of its sources
DESIGNS = {
    "new partitions": "Each repeat drew a new partition of the {parts}, the same for every {thing}, so that {things} "
    "are compared in pairs",
    "one repeat": "There was one repeat, so that the noise of training is known only from the differences of its folds",
    "fixed folds": "All repeats shared one partition into folds",
    "one training set": "All runs shared one training and one test set and differed in their random seed",
    "one run": "Each {thing} was trained once, so that the noise of training is not known",
}
ERRORS = {
    "new partitions": "clustered two ways, by {unit} and by run, with Student's t and the smaller number of clusters "
    "less one as degrees of freedom",
    "one repeat": "the larger of those clustered by {unit} and by run; what is corrected for several comparisons takes "
    "the degrees of freedom of the runs",
    "fixed folds": "clustered by fold, with Student's t and the number of folds less one as degrees of freedom",
    "one training set": "clustered two ways, by {unit} and by run",
    "one run": "not available from a single run",
}


@dataclass(frozen=True)
class Methods:
    """The paragraph in its three forms."""

    text: str
    latex: str
    bibtex: str


def methods(context: Context) -> Methods:
    """Write the paragraph from the study and its analysis."""
    sentences = [*_design(context), *_training(context), *_statistics(context)]
    keys = list(dict.fromkeys(key for _text, sources in sentences for key in sources))
    plain = " ".join(f"{text}." for text, _sources in sentences)
    cited = " ".join(f"{latex(text)}{_cite(sources)}." for text, sources in sentences)
    return Methods(f"{plain}\n", f"{cited}\n", bibliography(keys))


def methods_section(context: Context) -> Section:
    """The paragraph, its LaTeX and BibTeX, and the checklist."""
    written = methods(context)
    blocks: list[Block] = [
        Text(written.text.strip()),
        Code("As LaTeX", written.latex.strip(), folded=True),
        Code("BibTeX", written.bibtex.strip(), folded=True),
        Numbers(checklist_table(context)),
    ]
    return Section("methods", "Methods paragraph and checklist", blocks)


def _design(context: Context) -> list[Sentence]:
    table, study, terms = context.analysis.table, context.study, context.terms
    losses = list(table.losses)
    named = {word for name in (*losses, study.settings.get("loss", "")) for word in name.lower().split("+")}
    sources = ("hossain2021",) if named & {"dfl", "adfl"} else ()
    repeats, folds = len(table.repeats), table.num_folds
    parts = count(repeats, "repeat")
    if context.folds_of > folds:
        parts += f" of {folds} of the {context.folds_of} folds of a cross-validation"
    elif folds > 1:
        parts += f" of {folds}-fold cross-validation"
    sentences: list[Sentence] = [
        (
            f"We compared {count(len(losses), terms.thing)} ({listed(losses)}) on "
            f"{count(table.num_patients, terms.unit)}",
            sources,
        ),
        (f"Each {terms.thing} was trained in {parts}", ()),
    ]
    if table.leaky:
        sentences.append((f"{terms.parts.capitalize()} of one {terms.unit} lie in training and test parts", ()))
    else:
        sentences.append((_filled(DESIGNS[context.analysis.design], terms), ()))
    if study.race is not None:
        looks = listed([str(look.repeats) for look in study.race.looks]) or "no"
        sentences.append(
            (
                f"{terms.things.capitalize()} that with 95 % confidence could not beat the leader by more than the "
                f"margin were dropped after looks at {looks} repeats; the bound counts them and is corrected for the "
                "looks",
                (),
            )
        )
    return sentences


def _training(context: Context) -> list[Sentence]:
    study, terms = context.study, context.terms
    sentences: list[Sentence] = []
    if study.settings:
        named = ", ".join(f"{name}: {value}" for name, value in study.settings.items())
        sentences.append((f"The same for all {terms.things} were {named}", ()))
    if study.tuning:
        tried = max(sum(trial.loss == loss for trial in study.tuning) for loss in {t.loss for t in study.tuning})
        rate = f"The learning rate of each {terms.thing} was chosen among {tried}"
        sentences.append((f"{rate} on a partition that was not analysed", ()))
    elif rates := rates_in_words(study):
        sentences.append((f"No learning rates were tried: {rates}", ()))
    for name in (name for name in study.differing if name != RATE):
        sentences.append((f"Not the same for all was {name}: {by_value(study.differing[name])}", ()))
    versions = ", ".join(f"{name} {version}" for name, version in sorted(study.provenance.versions.items()))
    if versions:
        on = f" on {study.provenance.device}" if study.provenance.device else ""
        sources = ("monai2022",) if "monai" in study.provenance.versions else ()
        sentences.append((f"Software: {versions}{on}", sources))
    return sentences


def _statistics(context: Context) -> list[Sentence]:
    analysis, study, terms = context.analysis, context.study, context.terms
    pairs = f"all comparisons with {analysis.reference}" if analysis.reference else f"all pairs of {terms.things}"
    error = _filled(ERRORS[analysis.design], terms)
    clustered = ("cameron2011",) if "two ways" in error else ()
    return [
        (f"The primary score was {study.primary}; a missed object scored 0 and was never left out", ()),
        (f"A difference of {number(analysis.margin)} was taken as the smallest that matters", ()),
        (f"Differences are means over {terms.units} and repeats, with standard errors {error}", clustered),
        (
            f"One {terms.thing} is called better than another when the p-value of their difference, corrected by "
            f"Holm's method over {pairs}, is below 0.05",
            ("holm1979",),
        ),
        (
            f"{terms.things.capitalize()} are called equivalent when the 90 % interval of their difference lies within "
            "the margin",
            ("schuirmann1987",),
        ),
        (
            f"{terms.things.capitalize()} that may be the best, and the bound on how much another {terms.thing} may be "
            "better, come from multiple comparison with the best at 95 % confidence",
            ("hsu1981",),
        ),
        ("Everything else is exploratory", ()),
    ]


def _filled(sentence: str, terms: Terms) -> str:
    return sentence.format(thing=terms.thing, things=terms.things, unit=terms.unit, parts=terms.parts)


def _cite(sources: tuple[str, ...]) -> str:
    return f"~\\cite{{{','.join(sources)}}}" if sources else ""
