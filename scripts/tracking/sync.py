"""Bring over to MLflow what earlier runs could not."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from ..errors import MissingFileError, UserError
from ..runs.file_kinds import refuse_other_kinds
from ..runs.lock import is_free
from ..runs.run_files import TRACKING
from .addresses import given_address
from .mirror import MlflowMirror
from .refusals import explain, reason

logger = logging.getLogger(__name__)


def sync_runs(output_dir: str | Path, tracking_uri: str | None = None) -> list[str]:
    """Bring the journals of all runs below ``output_dir`` to MLflow; nothing is brought over twice.

    A run that never said how it ended, and whose process is gone, gets the status KILLED. What MLflow has refused
    before is tried again.

    Args:
        output_dir: the folder of all runs.
        tracking_uri: MLflow's address; each run's own where none was given (the configuration's default is none).

    Returns:
        The names of the runs that lacked something and are complete now.

    Raises:
        FileNotFoundError: there is no recorded run below ``output_dir``.
        ValueError: MLflow can't be reached or takes nothing of a run; the others are brought over.
    """
    root, tracking_uri = Path(output_dir), given_address(tracking_uri)
    found = _recorded(root)
    if not found:
        raise MissingFileError(f"no recorded run under {root.resolve()}; name the folder of your runs by --output_dir")
    done: list[str] = []
    failed: dict[str, str] = {}
    for run_dir in found:
        try:
            if _sync(run_dir, tracking_uri, look=not failed):
                done.append(run_dir.name)
        except Exception as error:
            failed[run_dir.name] = explain(error)
    complete = len(found) - len(done) - len(failed)
    logger.info("MLflow: of %d run(s), %d brought over now, %d complete before", len(found), len(done), complete)
    if failed:
        name, why = next(iter(failed.items()))
        raise UserError(f"{len(failed)} run(s) wait for MLflow, such as {name} ({why}); put it right and sync again")
    return done


def sync_others(run_dir: Path) -> None:
    """Bring over what the runs beside ``run_dir`` left whose processes are gone; what fails waits for the next time."""
    for other in _recorded(run_dir.parent):
        if other != run_dir and is_free(other):
            try:
                if _sync(other, None, retry=False, look=False):
                    logger.info("MLflow: brought over what %s had left", other.name)
            except Exception as error:
                logger.debug("MLflow: %s waits (%s)", other.name, reason(error))


def _recorded(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("*") if os.path.lexists(path / TRACKING) and not path.is_symlink())


def _sync(run_dir: Path, tracking_uri: str | None, retry: bool = True, look: bool = True) -> bool:
    """Bring a run over; returns whether MLflow lacked anything.

    Args:
        run_dir: folder of the run.
        tracking_uri: see ``sync_runs``.
        retry: try again what MLflow has refused.
        look: ask MLflow whether it still has a run of which all was brought over; one that it has lost is again.
    """
    refuse_other_kinds(run_dir)
    mirror = MlflowMirror(run_dir, tracking_uri=tracking_uri)
    if retry:
        mirror.retry_refused()
    if mirror.unfinished and is_free(run_dir):
        mirror.finish("KILLED")
    lacked, run_id = mirror.pending, mirror.state["run_id"]
    if not lacked and not look:
        return False
    mirror.push()
    return lacked or mirror.state["run_id"] != run_id
