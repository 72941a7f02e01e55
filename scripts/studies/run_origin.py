"""Where the runs of a study come from: the software that made them, and files of runs that were done elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..runs.provenance import software_versions
from ..runs.run_files import SUMMARY, evaluation_folder
from .collect import record_of
from .grid import PlannedRun
from .run_record import read_json
from .status import PART


def run_versions(folder: Path, role: str) -> str:
    """The software that made a run's scores, as ``software_versions`` says it; empty where that is not known."""
    known = record_of(folder).get("versions")
    if known:
        return str(known)
    summary = read_json(evaluation_folder(folder, PART[role]) / SUMMARY) or {}
    return str(summary.get("computed_with", {}).get("versions", ""))


def versions_of(study_dir: Path, runs: Sequence[PlannedRun]) -> dict[str, str]:
    """The versions by package that made some runs, every one where they differ; those here where no run says it."""
    said = dict.fromkeys(filter(None, (run_versions(study_dir / run.name, run.role) for run in runs)))
    found: dict[str, list[str]] = {}
    for entry in dict.fromkeys(", ".join(said or [software_versions()]).split(", ")):
        name, version = entry.rsplit(" ", 1)
        found.setdefault(name, []).append(version)
    return {name: " and ".join(versions) for name, versions in found.items()}


def restored_note(study_dir: Path, runs: Sequence[PlannedRun]) -> str:
    """How many of some runs were restored from saved ones; empty where none was."""
    restored = sum(bool(record_of(study_dir / run.name).get("restored")) for run in runs)
    return f"{restored} of {len(runs)} finished runs, without their networks" if restored else ""
