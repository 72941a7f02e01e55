from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.storage.atomic_files import write_text


def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    path.write_text("old")
    events: list[str] = []
    flush, replace = os.fsync, Path.replace

    def note_flush(descriptor: int) -> None:
        same = os.fstat(descriptor).st_ino == tmp_path.stat().st_ino
        events.append("folder flushed" if same else f"file flushed, {path.read_text()} in place")
        flush(descriptor)

    def note_replace(self: Path, target: Path) -> Path:
        events.append("renamed")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", note_flush)
    monkeypatch.setattr(Path, "replace", note_replace)
    write_text(path, "new")
    assert events == ["file flushed, old in place", "renamed", "folder flushed"]
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
