"""The folder of a run: who owns it, and what ran in it. ``run_files`` says where its files lie."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ..configuration.passwords import without_passwords
from ..configuration.paths import without_paths
from ..configuration.places import require_place
from ..configuration.workflow import executed_config
from ..errors import MissingFileError, UserError
from ..storage.atomic_files import remove_left_behind, write_text
from .checkpoint import load
from .file_kinds import refuse_other_kinds
from .lock import lock_run
from .processes import from_first
from .resume import read_table, refuse_more_epochs, refuse_other_config, refuse_other_split
from .run_files import CONFIG, LAST, LATEST, SPLIT, TRACKED_CONFIG
from .run_to_resume import find_run_to_resume

if TYPE_CHECKING:
    from ..datasets import PreparedDataset


logger = logging.getLogger(__name__)

LONGEST_NAME = 200  # bytes, so that a number and a temporary name still fit


def open_run_dir(output_dir: str | Path, run_name: str, resume: bool | str | None = None) -> Path:
    """Take the folder of a new run, or of an earlier one to go on with, for this process and those that share its work.

    Args:
        output_dir: the folder of all runs; made when it is missing.
        run_name: wanted name of a new run, a plain folder name. A number is added when it is taken.
        resume: true goes on with the newest run of that name, and begins one where there is none; a folder, or the name
            of one under ``output_dir``, goes on with that run; null or false begins a new run.

    Raises:
        FileNotFoundError: the folder to resume is not there.
        ValueError: ``run_name`` would leave ``output_dir``, ``output_dir`` can't be written, or another process uses
            the folder.
    """
    return from_first(lambda: _open(output_dir, run_name, resume))


def _open(output_dir: str | Path, run_name: str, resume: bool | str | None) -> Path:
    require_plain_name(run_name)
    root = Path(output_dir).resolve()
    path = find_run_to_resume(root, run_name, resume)
    if path is None and resume:
        logger.info("no run %s to go on with in %s: a new one begins", run_name, root)
    try:
        if path is None:
            root.mkdir(parents=True, exist_ok=True)
            path = _first_free(root, run_name)
        lock_run(path)
        remove_left_behind(path)
    except OSError as error:
        raise UserError(f"output_dir {root} can't be written: {error.strerror}; choose another --output_dir") from error
    return path


def find_run_dir(output_dir: str | Path, run_name: str | None = None, key: str = "output_dir") -> Path:
    """The folder of an earlier run: ``run_name``, or the newest one; ``key`` is what a user calls the folder of runs.

    Raises:
        FileNotFoundError: there is no such run.
        ValueError: ``run_name`` is no plain folder name, and might lie outside ``output_dir``; or see
            ``refuse_other_kinds``.
    """
    require_plain_name(run_name or LATEST)
    if not isinstance(output_dir, str | Path):
        raise UserError(
            f"{key} must be the path of a folder, got {output_dir!r}; put a name that looks like a number in quotes"
        )
    root = Path(output_dir).resolve()
    path = root / (run_name or LATEST)
    if not path.is_dir():
        known = run_names(root)
        there = (
            f"runs there: {', '.join(known)}" if known else f"train first, or name the folder of your runs by --{key}"
        )
        wanted = f"no run '{run_name}'" if run_name not in (None, LATEST) else "no finished or running training"
        raise MissingFileError(f"{wanted} under {root}; {there}")
    path = path.resolve()
    refuse_other_kinds(path)
    return path


def check_place(output_dir: str | Path, run_name: str, resume: bool | str | None = None) -> None:
    """Refuse, before anything is made, a place for runs, a run's name or a run to resume that can't be one.

    Raises:
        FileNotFoundError: the folder to resume is not there.
        ValueError: names the key.
    """
    if not isinstance(resume, bool | str | None):
        raise UserError(f"resume must be true, false, null or a run's folder, got {resume!r}; set another --resume")
    require_plain_name(run_name)
    if run_name == LATEST or len(os.fsencode(run_name)) > LONGEST_NAME:
        raise UserError(f"run_name '{run_name[:60]}' can't be the name of a new run; choose another --run_name")
    root = require_place(output_dir)
    latest = root / LATEST
    if latest.exists() and not latest.is_symlink():
        raise UserError(
            f"{latest} stands where the link to the newest run belongs; rename it, or choose an --output_dir"
        )
    find_run_to_resume(root, run_name, resume)


def run_names(root: Path) -> list[str]:
    """Names of the runs below a folder, in order."""
    return sorted(child.name for child in root.glob("*") if (child / CONFIG).is_file() and child.name != LATEST)


def require_plain_name(run_name: str) -> None:
    """Refuse a run's name that is no plain folder name, such as one that leads out of the folder of all runs."""
    if not isinstance(run_name, str) or run_name != Path(run_name).name or run_name.startswith(".") or not run_name:
        raise UserError(
            f"run_name must be a plain folder name, as text (in quotes where it is a number), got {run_name!r}"
        )


def record_run(run_dir: Path, dataset: PreparedDataset) -> None:
    """Write what runs into the run folder, the executed configuration and the split, and point ``latest`` at it.

    Raises:
        ValueError: the folder holds a run of another configuration or split; names the differences.
    """
    config = executed_config()
    from_first(lambda: _record(run_dir, dataset, config))


def _record(run_dir: Path, dataset: PreparedDataset, config: dict[str, Any]) -> None:
    split: dict[str, Any] = {"dataset": dataset.name, "fingerprint": dataset.fingerprint}
    split |= {"sha256": dataset.split_sha256, "fold": dataset.fold, "cases": dataset.split}
    if (run_dir / CONFIG).is_file() and (run_dir / SPLIT).is_file():
        before = read_table(run_dir / CONFIG)
        refuse_other_config(run_dir, before, config)
        refuse_other_split(run_dir, read_table(run_dir / SPLIT), split)
        if config.get("max_epochs") != before.get("max_epochs") and (run_dir / LAST).is_file():
            refuse_more_epochs(run_dir, load(run_dir / LAST), int(config["max_epochs"]))
    write_text(run_dir / SPLIT, json.dumps(split, indent=1))
    (run_dir / TRACKED_CONFIG).parent.mkdir(exist_ok=True)
    for name, content in ((TRACKED_CONFIG, without_paths(config)), (CONFIG, without_passwords(config))):
        write_text(run_dir / name, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    _point_latest(run_dir.parent, run_dir.name)


def _first_free(root: Path, name: str) -> Path:
    number = 1
    while True:
        path = root / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path


def _point_latest(root: Path, name: str) -> None:
    temporary = root / f".{LATEST}.{os.getpid()}.tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(name)
    temporary.replace(root / LATEST)
