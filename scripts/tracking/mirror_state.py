"""``tracking.json`` of a run: the run's place in MLflow, and what MLflow has of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..runs.run_files import JOURNAL
from .addresses import sqlite_address, sqlite_file

KINDS: dict[str, type | tuple[type, ...]] = {
    "tracking_uri": str,
    "experiment_name": str,
    "run_name": str,
    "uid": str,
    "output_dir": str,
    "params": dict,
    "tags": dict,
    "offset": int,
    "run_id": (str, type(None)),
    "told": (str, type(None)),
    "refused": dict,
}


def nothing_there() -> dict[str, Any]:
    """What is known of a run that MLflow has not."""
    return {"run_id": None, "offset": 0, "told": None, "refused": {}}


def read_state(path: Path) -> dict[str, Any]:
    """What ``tracking.json`` says; a database in an output folder that was moved is looked for in its new place.

    Where the journal is shorter than what MLflow had of it, it is another one, and is brought over from its start.

    Raises:
        ValueError: it is damaged; names it.
    """
    now = path.parent.resolve().parent
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        state: dict[str, Any] = {**nothing_there(), "output_dir": str(now), **kept}
        whole = all(isinstance(state.get(key), kind) for key, kind in KINDS.items()) and _is_sound(state)
    except (ValueError, TypeError, RecursionError, IsADirectoryError):
        whole = False
    if not whole:
        raise UserError(
            f"{path} is damaged; put the run's own file back, or delete it: resumed, the run gets a new one in MLflow, "
            "in whole"
        )
    journal = path.with_name(JOURNAL)
    if state["offset"] > (journal.stat().st_size if journal.is_file() else 0):
        state["offset"] = 0
    database, before = sqlite_file(state["tracking_uri"]), Path(state["output_dir"])
    if database is not None and before != now and before in database.parents:
        state["tracking_uri"] = sqlite_address(now / database.relative_to(before))
    return {**state, "output_dir": str(now)}


def _is_sound(state: dict[str, Any]) -> bool:
    """Whether values of the right kinds can be what was written."""
    refused = state["refused"].values()
    return (
        state["offset"] >= 0
        and all(state[name] for name in ("uid", "run_name", "experiment_name", "tracking_uri"))
        and "/" not in state["run_name"]
        and all(isinstance(entry, dict) and {"reason", "offset"} <= set(entry) for entry in refused)
        and all(isinstance(entry["offset"], int) and entry["offset"] >= 0 for entry in refused)
    )
