"""What a study was when it was first launched, and how its file has changed since.

<study>/launches.json    every content that was launched: its hash, the content, what had changed
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..errors import UserError
from ..runs.resume import flatten
from ..storage.atomic_files import write_text

LAUNCHES = "launches.json"


class Launched(Protocol):
    """What is remembered of a study, of this bundle's or of another's."""

    @property
    def output_dir(self) -> Path:
        """Its folder."""

    @property
    def sha256(self) -> str:
        """Hash of its content."""

    @property
    def content(self) -> Mapping[str, Any]:
        """The keys that make it, as given."""


@dataclass(frozen=True)
class History:
    """The hash at the first launch, and one line for each change since."""

    sha256: str
    changes: tuple[str, ...]


def record_launch(study: Launched) -> None:
    """Remember what the study is; does nothing where that is known already."""
    launches = _read(study.output_dir)
    if launches and launches[-1]["sha256"] == study.sha256:
        return
    before = flatten(launches[-1]["content"]) if launches else None
    now = flatten(dict(study.content))
    changes = [] if before is None else _changes(before, now)
    launches.append({"sha256": study.sha256, "changes": changes, "content": dict(study.content)})
    study.output_dir.mkdir(parents=True, exist_ok=True)
    write_text(study.output_dir / LAUNCHES, json.dumps(launches, indent=1))


def read_history(study: Launched) -> History:
    """What was launched first and what has changed since, changes that are not launched yet included."""
    launches = _read(study.output_dir)
    if not launches:
        return History("", ())
    changes = [change for launch in launches for change in launch["changes"]]
    pending = _changes(flatten(launches[-1]["content"]), flatten(dict(study.content)))
    return History(launches[0]["sha256"], tuple(changes + pending))


def _changes(before: dict[str, str], now: dict[str, str]) -> list[str]:
    return [
        f"{place}: {before.get(place, 'absent')} became {now.get(place, 'absent')}"
        for place in sorted(set(before) | set(now))
        if before.get(place) != now.get(place)
    ]


def is_launch(launch: Any) -> bool:
    """Whether a value is what is written of a launch."""
    return (
        isinstance(launch, dict)
        and isinstance(launch.get("sha256"), str)
        and isinstance(launch.get("changes"), list)
        and all(isinstance(change, str) for change in launch["changes"])
        and isinstance(launch.get("content"), dict)
    )


def _read(folder: Path) -> list[dict[str, Any]]:
    path = folder / LAUNCHES
    if not os.path.lexists(path):
        return []
    try:
        launches: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        whole = isinstance(launches, list) and all(map(is_launch, launches))
    except (ValueError, RecursionError, OSError):
        whole = False
    if not whole:
        raise UserError(
            f"{path} is damaged, which says how the study was changed; put it back, or delete it, and the history "
            "begins anew"
        )
    return launches
