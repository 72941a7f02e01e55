"""What has been segmented already, so that a second call goes on and nothing of another origin is overwritten."""

from __future__ import annotations

import glob
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..runs.lock import THIS_PROCESS, holder, try_lock, unlock_run
from ..runs.provenance import file_sha256
from ..storage.atomic_files import write_text
from .inputs import MASK, Input

REPORT = "report"  # in the folder of the outputs: tables, page, pictures and records
RECORDS, OVERLAYS = "records", "overlays"
PROBABILITIES = "_probabilities"
TEMPORARY = ".inference.tmp-"  # begins the name of a folder whose files are not whole yet


class CaseRecords:
    """A file for each image that was segmented: what it was made from, with which settings, and what was written.

    Args:
        output_dir: the folder of the outputs.
        settings: all that a mask depends on besides its image: weights, sizes, options.

    Raises:
        ValueError: ``output_dir`` is a file, or holds a folder ``report`` of another origin.
    """

    def __init__(self, output_dir: str | Path, settings: Mapping[str, Any]) -> None:
        self.output_dir = Path(output_dir).expanduser().resolve()
        self.settings = dict(settings)
        report = self.output_dir / REPORT
        if self.output_dir.exists() and not self.output_dir.is_dir():
            raise UserError(f"output_dir {self.output_dir} is a file; choose another --output_dir")
        if report.exists() and not (report / RECORDS).is_dir():
            raise UserError(f"{report} was not written by inference; choose another --output_dir")

    def open_folder(self) -> None:
        """Make the folder of the outputs and take it for this process, until ``close_folder`` or its end.

        What a process that was killed has left half-written is removed.

        Raises:
            ValueError: it can't be written, or another process writes into it.
        """
        report = self.output_dir / REPORT
        try:
            (report / RECORDS).mkdir(parents=True, exist_ok=True)
            other = try_lock(report)
            if holder(report) == THIS_PROCESS:  # and not on a file system without locks
                for stale in self.output_dir.rglob(f"{TEMPORARY}*"):
                    shutil.rmtree(stale, ignore_errors=True)
        except OSError as error:
            raise UserError(
                f"output_dir {self.output_dir} can't be written: {error.strerror}; choose another --output_dir"
            ) from error
        if other is not None:
            raise UserError(
                f"output_dir {self.output_dir} is in use by {other}; wait for it, or choose another --output_dir"
            )

    def close_folder(self) -> None:
        """Let other processes write into the folder of the outputs."""
        unlock_run(self.output_dir / REPORT)

    def finished(self, case: Input) -> dict[str, Any] | None:
        """What was recorded of an image, where its outputs are those that would be written again; else None.

        Raises:
            ValueError: a file in the place of its outputs is of another origin, or was changed since.
        """
        record = self._read(case)
        written, earlier = record.get("files", {}), record.get("earlier", {})
        for path in self._in_the_way(case):
            name = path.relative_to(self.output_dir).as_posix()
            known = [*earlier.get(name, []), *([written[name]] if name in written else [])]
            if not known:
                raise UserError(f"{path} exists and inference did not write it; move it or choose another --output_dir")
            if file_sha256(path) not in known:
                raise UserError(f"{path} was changed since inference wrote it; move it or choose another --output_dir")
        whole = bool(written) and all((self.output_dir / name).is_file() for name in written)
        result: dict[str, Any] | None = record["result"] if whole and record.get("key") == self._key(case) else None
        return result

    def write(self, case: Input, files: Mapping[str, str], result: Mapping[str, Any]) -> None:
        """Record an image that was segmented, just before its files are moved into their place.

        Args:
            case: the image.
            files: hash of each file, by its path below the folder of the outputs.
            result: what the report says of it.
        """
        path, before = self._path(case), self._read(case)
        path.parent.mkdir(parents=True, exist_ok=True)
        earlier: dict[str, list[str]] = before.get("earlier", {})  # by a killed process, or with other settings
        for name, sha256 in before.get("files", {}).items():
            earlier[name] = sorted({*earlier.get(name, []), sha256})
        record = {"key": self._key(case), "files": dict(files), "earlier": earlier, "result": dict(result)}
        write_text(path, json.dumps(record, indent=1, default=float))

    def _path(self, case: Input) -> Path:
        return self.output_dir / REPORT / RECORDS / f"{case.name}.json"

    def _read(self, case: Input) -> dict[str, Any]:
        try:
            record = json.loads(self._path(case).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return record if _is_record(record) else {}

    def _in_the_way(self, case: Input) -> list[Path]:
        """Every file in the place of an image's outputs."""
        stems = [glob.escape(case.name + ending) for ending in (MASK, PROBABILITIES)]
        found = [path for stem in stems for end in (".*", "") for path in self.output_dir.glob(stem + end)]
        return [file for path in found for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]

    def _key(self, case: Input) -> str:
        """Hash of the image's files, by size and time of change, and of the settings."""
        files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in case.files()]
        text = json.dumps([str(case.path), case.series_uid, files, self.settings], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def _is_record(record: Any) -> bool:
    """Whether a record is one that ``CaseRecords.write`` wrote, as far as it is used."""
    if not isinstance(record, dict):
        return False
    files, earlier, result = (record.get(name, {}) for name in ("files", "earlier", "result"))
    return (
        all(isinstance(table, dict) for table in (files, earlier, result))
        and all(isinstance(sha256, str) for sha256 in files.values())
        and all(isinstance(hashes, list) for hashes in earlier.values())
        and all(isinstance(result.get(name, []), list) for name in ("outputs", "flags", "notes", "classes"))
    )
