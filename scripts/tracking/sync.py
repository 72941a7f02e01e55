"""Bring over to MLflow what earlier runs could not."""

from __future__ import annotations

import logging
from pathlib import Path

from scripts.tracking.mirror import STATE_NAME, MlflowMirror

logger = logging.getLogger(__name__)


def sync_runs(output_dir: str | Path, tracking_uri: str | None = None) -> list[str]:
    """Bring the journals of all runs below ``output_dir`` to MLflow; nothing is brought over twice.

    Args:
        output_dir: the folder of all runs.
        tracking_uri: MLflow's address; by default each run's own.

    Returns:
        The names of the runs that lacked something and are complete now.

    Raises:
        FileNotFoundError: there is no recorded run below ``output_dir``.
    """
    root = Path(output_dir)
    found = sorted(path for path in root.glob(f"*/{STATE_NAME}") if not path.parent.is_symlink())
    if not found:
        raise FileNotFoundError(f"no recorded run under {root.resolve()}; name the folder of your runs by --output_dir")
    done = []
    for path in found:
        mirror = MlflowMirror(path.parent, tracking_uri=tracking_uri)
        if mirror.pending:
            mirror.push()
            done.append(path.parent.name)
    logger.info("MLflow: %d run(s) brought up to date of %d", len(done), len(found))
    return done
