"""What the processes of a study over another bundle do: one run, or a look at all before the first."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path

import torch
from monai.bundle import ConfigWorkflow
from monai.utils import set_determinism

from ...errors import UserError
from ...runs.run_files import SUMMARY, evaluation_folder
from ...storage.atomic_files import write_text
from ..grid import PlannedRun
from ..run_one import do_run
from ..run_record import RECORD, read_json, update_record
from ..status import PART
from .bundle_study import Workflow
from .check import check_plan
from .plan import EVALUATE, TRAIN, read_workflow
from .raw_scores import RAW, saved_tables
from .tree import TREE, make_tree, written_folders


def main(words: list[str]) -> int:
    """Do what the command line says: ``run STUDY_FOLDER RUN [THREADS]`` or ``check PLAN_FILE``."""
    command, place, *rest = words
    if command == "check":
        logging.disable(logging.WARNING)
        try:
            print(json.dumps(check_plan(json.loads(Path(place).read_text(encoding="utf-8")))))
        except UserError as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
        return 0
    return do_run(Path(place), rest[0], int(rest[1]) if rest[1:] else None, train_and_score)


def train_and_score(folder: Path, run: PlannedRun, threads: int | None = None) -> None:
    """Train by the bundle's own training, score by its own evaluation, and keep the scores of every case.

    A training that was stopped begins again: how a bundle goes on, if it can, is its own affair.

    Args:
        folder: of the run.
        run: the run.
        threads: None: as many as torch takes.

    Raises:
        UserError: the bundle would write into its own folder, or its evaluation saved no scores of cases.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    tree = folder.resolve() / TREE
    if not (read_json(folder / RECORD) or {}).get("trained"):
        make_tree(tree, Path(run.overrides["bundle"]))
        _run_workflow(tree, read_workflow(TRAIN, run.overrides), run.overrides["seed"])
        update_record(folder, trained=True, device="cuda" if torch.cuda.is_available() else "cpu")
    places = _run_workflow(tree, read_workflow(EVALUATE, run.overrides), run.overrides["seed"])
    _keep_tables(places, evaluation_folder(folder, PART[run.role]))


def _run_workflow(tree: Path, plan: Workflow, seed: int) -> dict[str, Path]:
    """Run a workflow in the run's folder; returns the folders that its components write into."""
    environment = [str(tree), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(environment))  # for processes that the bundle starts
    if str(tree) not in sys.path:
        sys.path.insert(0, str(tree))
    with chdir(tree):
        files = [str(tree / file) for file in plan.files]
        workflow = ConfigWorkflow(files, run_id=plan.run_id, bundle_root=str(tree), **plan.settings)
        places = written_folders(workflow.parser, tree)
        for table in saved_tables(places.values()):  # of an earlier attempt, or of the training's validations
            table.unlink()
        workflow.initialize()
        set_determinism(seed)  # behind the bundle's own, which is the same in every run
        workflow.run()
        workflow.finalize()
    return places


def _keep_tables(places: Mapping[str, Path], folder: Path) -> None:
    """Copy the tables of cases that the evaluation has saved into the run's folder, and say that it is done."""
    tables = saved_tables(places.values())
    if not tables:
        raise UserError(
            f"the bundle's evaluation has saved no *{RAW}: none of the metrics of metric_details is computed"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        shutil.copyfile(table, folder / table.name)
    write_text(folder / SUMMARY, json.dumps({"tables": sorted(table.name for table in tables)}, indent=1))
