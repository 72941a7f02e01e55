"""``runs.json`` and ``cases.csv`` of saved runs as they are read back: all of it checked before anything is written."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UserError
from .history import is_launch
from .run_record import KINDS, read_json

REMEDY = "take both files from the same place again"
PLANNED = ("condition", "repeat", "fold", "role", "learning_rate", "files", "overrides")


def _is_number(value: Any, highest: float = float("inf")) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not value > highest


def _is_table_of_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


# What a finished run has beside its plan; a validation score is a Dice.
FINISHED = {
    "split": lambda v: v == {} or (_is_table_of_texts(v) and {"sha256", "fingerprint"} <= set(v)),
    "validation": lambda v: isinstance(v, list) and all(_is_number(score, 1.0) for score in v),
    "class_weights": lambda v: (
        isinstance(v, dict) and all(isinstance(path, list) and all(map(_is_number, path)) for path in v.values())
    ),
    "cases": lambda v: isinstance(v, int) and v >= 0,
}
FAILED = {"last_line": lambda v: isinstance(v, str)}


def read_saved(path: Path) -> dict[str, Any]:
    """The content of ``runs.json``.

    Raises:
        UserError: it is no such file, or damaged; names the run and the value.
    """
    content = read_json(path, REMEDY) or {}
    if not {"launches", "patients", "runs"} <= set(content):
        raise UserError(f"{path} is not what a study saves of its runs; name the folder of that study's saved runs")
    launches, patients = content["launches"], content["patients"]
    content.setdefault("failed", [])
    if not isinstance(launches, list) or not all(map(is_launch, launches)):
        raise UserError(f"{path} is damaged: launches is {str(launches)[:60]}; {REMEDY}")
    if not KINDS["patients"](patients):
        raise UserError(f"{path} is damaged: patients is {str(patients)[:60]}; {REMEDY}")
    if not isinstance(content.get("cases_sha256"), str):
        raise UserError(f"{path} is damaged: cases_sha256 is {content.get('cases_sha256')!r}; {REMEDY}")
    names: set[str] = set()
    for key, kinds in (("runs", FINISHED), ("failed", FAILED)):
        records = content[key]
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise UserError(f"{path} is damaged: {key} is {str(records)[:60]}; {REMEDY}")
        for record in records:
            _refuse_odd_run(path, record, kinds, names)
    return content


def read_cases(path: Path, records: Mapping[str, Mapping[str, Any]], sha256: str) -> dict[str, list[dict[str, str]]]:
    """Rows of ``cases.csv`` by run, once there are as many of each as the run had and none was changed.

    Raises:
        UserError: it can't be read, lacks rows, or was changed since.
    """
    rows: dict[str, list[dict[str, str]]] = {}
    try:
        text = path.read_bytes().decode("utf-8")
        for row in csv.DictReader(io.StringIO(text, newline="")):
            rows.setdefault(row.pop("run", ""), []).append(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} can't be read ({type(error).__name__}); {REMEDY}") from None
    for name, record in records.items():
        if len(rows.get(name, [])) != record["cases"]:
            raise UserError(
                f"{path} has {len(rows.get(name, []))} cases of run {name} and runs.json beside it says "
                f"{record['cases']}; {REMEDY}"
            )
    if text_sha256(text) != sha256:
        raise UserError(
            f"{path} was changed after runs.json beside it was written; take both from the same place again"
        )
    return rows


def text_sha256(text: str) -> str:
    """Hash of a text, whatever its line ends are."""
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()


def _refuse_odd_run(path: Path, record: dict[str, Any], kinds: Mapping[str, Any], names: set[str]) -> None:
    name = record.get("name")
    if not isinstance(name, str) or name in names:
        fault = f"run {name} is in it twice" if name in names else f"the name of a run is {name!r}"
        raise UserError(f"{path} is damaged: {fault}; {REMEDY}")
    names.add(name)
    scored = ("score_labels",) if kinds is FINISHED and record.get("role") == "run" else ()
    for key in (*PLANNED, *kinds, *scored):
        if key not in record:
            raise UserError(f"{path} is damaged: run {name} has no {key}; {REMEDY}")
    for key, is_sound in {**KINDS, **kinds}.items():
        if key in record and not is_sound(record[key]):
            raise UserError(f"{path} is damaged: {key} of run {name} is {str(record[key])[:60]}; {REMEDY}")
