"""A look at all that a study over another bundle would do, before the first run: losses, folders, cases."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from ...configuration.error_report import causes
from ...errors import UserError
from .bundle_study import Workflow
from .plan import EVALUATE, TRAIN, read_workflow
from .tree import make_tree, written_folders

TRAINED, TESTED = "train::dataset::data", "validate::dataset::data"


def check_plan(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Build each condition's loss, and look at the cases of each fold; nothing is trained and nothing kept.

    Args:
        runs: records of the planned runs.

    Returns:
        ``{"cases": number of cases that are tested in a repeat, None where that can't be known}``.

    Raises:
        UserError: a loss can't be built, runs would write into a shared folder, or cases that are tested are trained on
            too, or tested in two folds, or conditions test different ones; one line.
    """
    first = runs[0]
    tested: dict[tuple[int, int], set[str] | None] = {}
    by_condition: dict[str, set[str] | None] = {}
    for run in runs:
        place = run["repeat"], run["fold"]
        new_condition = (first["repeat"], first["fold"]) == place
        if not new_condition and place in tested:
            continue
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder).resolve() / "bundle"
            make_tree(tree, Path(run["overrides"]["bundle"]))
            sys.path.insert(0, str(tree))
            try:
                with chdir(tree):
                    cases = _check_run(run, tree)
            finally:
                sys.path.remove(str(tree))
        tested.setdefault(place, cases)
        if new_condition:
            by_condition[run["condition"]] = cases
    _refuse_other_cases(by_condition)
    _refuse_shared_cases(tested)
    counts = [sum(len(cases) for (r, _), cases in tested.items() if r == first["repeat"] and cases is not None)]
    return {"cases": counts[0] if all(cases is not None for cases in tested.values()) else None}


def _check_run(run: Mapping[str, Any], tree: Path) -> set[str] | None:
    """Check a run; returns the cases that it tests, None where that can't be known."""
    name = f"condition {run['condition']}, repeat {run['repeat']}, fold {run['fold']}"
    try:
        training, evaluation = (_parser(tree, read_workflow(part, run["overrides"])) for part in (TRAIN, EVALUATE))
        for parser in (training, evaluation):
            written_folders(parser, tree)
        if "loss" in training:
            training.get_parsed_content("loss")
        trained, tested = _cases(training, TRAINED), _cases(evaluation, TESTED)
    except UserError:
        raise
    except Exception as error:  # whatever a component of the bundle raises
        cause = causes(error)[-1]
        said = " ".join(str(cause).split())[:300]
        raise UserError(f"{name}: the bundle's configuration fails: {type(cause).__name__}: {said}") from error
    for place, cases in ((TRAINED, trained), (TESTED, tested)):
        if cases is not None and not cases:
            raise UserError(f"{name}: {place} holds no cases; is the bundle's data where its settings say?")
    both = sorted((trained or set()) & (tested or set()))
    if both:
        raise UserError(f"{name}: {len(both)} of the cases that are tested are trained on too, such as {both[0]}")
    return tested if trained is not None else None


def _parser(tree: Path, plan: Workflow) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config([str(tree / file) for file in plan.files])
    parser.update({"bundle_root": str(tree), **plan.settings})
    return parser


def _cases(parser: ConfigParser, place: str) -> set[str] | None:
    """Names of a data set's cases, by their images; None where the data set is no list of them."""
    if place not in parser:
        return None
    data = parser.get_parsed_content(place)
    if not isinstance(data, Sequence) or not all(isinstance(item, Mapping) and "image" in item for item in data):
        return None
    return {str(item["image"]) for item in data}


def _refuse_other_cases(tested: Mapping[str, set[str] | None]) -> None:
    (first, cases), *others = tested.items()
    for name, own in others:
        if own is not None and cases is not None and own != cases:
            odd = min(own ^ cases)
            raise UserError(
                f"conditions {first} and {name} test different cases, such as {odd}, so that their scores can't be "
                "compared; part the cases by folds or repeats, not by factors"
            )


def _refuse_shared_cases(tested: Mapping[tuple[int, int], set[str] | None]) -> None:
    seen: dict[tuple[int, str], int] = {}
    for (repeat, fold), cases in tested.items():
        for case in sorted(cases or ()):
            other = seen.setdefault((repeat, case), fold)
            if other != fold:
                raise UserError(
                    f"repeat {repeat}: folds {other} and {fold} both test {case}; let the overrides of folds part the "
                    "cases"
                )
