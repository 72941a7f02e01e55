"""The end of a training: the result said in plain words."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from ignite.engine import Engine

from ..configuration.reading import BASE_CONFIG
from ..datasets.splits import IMAGE_LEAKY
from ..errors import UserError
from ..evaluation.score_line import score_line
from ..runs.processes import is_first
from ..runs.resume import read_table
from ..runs.run_files import CONFIG, JOURNAL, MODEL, SPLIT
from ..tracking import read_curve
from ..tracking.views import pages_command


def finish_training(run_dir: str | Path, evaluator: Engine, labels: Sequence[str]) -> None:
    """Print the result, the run folder, how to look at it and how to make its weights the bundle's own.

    Args:
        run_dir: folder of the run.
        evaluator: the validation engine.
        labels: class names, index = class value.
    """
    if not is_first():
        return
    run_dir = Path(run_dir)
    if not (run_dir / MODEL).is_file():
        print(f"No validation took place, so there is no best network. Run folder: {_shown(run_dir)}")
        return
    journal = run_dir / JOURNAL
    names = [f"{kind}/{label}" for kind in ("dice", "iou") for label in (*labels, "mean")]
    curves = {name: list(read_curve(journal, f"best/{name}").values()) for name in names}
    best = {name: values[-1] for name, values in curves.items() if values}
    said = score_line(best, labels) if "dice/mean" in best else "no score"
    print(f"Best validation (epoch {evaluator.state.best_metric_epoch}, {_unseen(run_dir)}): {said}")
    print(f"Run folder: {_shown(run_dir)} (figures, metrics, checkpoints; best weights in {MODEL})")
    look, score, publish = next_commands(run_dir)
    print(f"Curves and pictures: {look}")
    part = "test part" if _tested_part(run_dir) == "test" else "validation part (there is no test part)"
    print(f"Scores of the {part}: {score}")
    print(f"The bundle's own weights, which inference takes, become these by: {publish}")


def _tested_part(run_dir: Path) -> str:
    """The part of the split that a run is scored on: the validation part where there is no test part."""
    try:
        cases = read_table(run_dir / SPLIT)["cases"]
    except (OSError, UserError, KeyError):  # of a client of others, or damaged since: evaluating will tell
        return "test"
    return "val" if cases.get("val") and not cases.get("test") else "test"


def _unseen(run_dir: Path) -> str:
    """What the validation part is to the training part."""
    try:
        leaky = read_table(run_dir / CONFIG).get("split_unit") == IMAGE_LEAKY
    except (OSError, UserError):
        leaky = False
    return "other images of cases that were trained on" if leaky else "cases not trained on"


def next_commands(run_dir: Path, bundle: Path = BASE_CONFIG.parents[1]) -> tuple[str, str, str]:
    """Commands that work where the training was started: to look at the run, to score it, to publish its weights.

    A built bundle has no Makefile; a run on official parts, or on what MONAI Label hands over, may have no test part.
    """
    part = _tested_part(run_dir)
    runs, here = run_dir.resolve().parent, Path.cwd().resolve() == bundle
    name = shlex.quote(run_dir.name)
    if (bundle / "Makefile").is_file():
        make = "make" if here else f"make -C {shlex.quote(str(bundle))}"
        place = "" if runs == bundle / "runs" else f" RUNS={shlex.quote(str(runs))}"
        tested = "" if part == "test" else f" PART={part}"
        return (
            pages_command(runs, bundle),
            f"{make} evaluate RUN={name}{tested}{place}",
            f"{make} publish RUN={name}{place}",
        )
    place = "" if runs == bundle / "runs" else f" --output_dir {shlex.quote(str(runs))}"
    tested = "" if part == "test" else f" --part {part}"
    configs = Path("configs") if here else bundle / "configs"
    score, publish = (shlex.quote(str(configs / file)) for file in ("evaluate.yaml", "publish.yaml"))
    return (
        pages_command(runs, bundle),
        f"python -m monai.bundle run evaluating --config_file {score} --run_name {name}{tested}{place}",
        f"python -m monai.bundle run publishing --config_file {publish} --run_name {name}{place}",
    )


def _shown(path: Path) -> str:
    """A path as a person in the working folder would type it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
