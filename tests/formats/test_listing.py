from __future__ import annotations

import unicodedata

import pytest

from scripts.formats.listing import find_spelled, list_folder, spell, walk_folder

LEFT = [
    "@eaDir", "__MACOSX", ".DS_Store", "Thumbs.db", ".snapshot", "#recycle", "@Recycle", "~snapshot", "._p1.png",
    "desktop.ini", "$RECYCLE.BIN", "lost+found", "System Volume Information",
]  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_what_storage_systems_leave_is_not_seen_as_file_or_folder(tmp_path, name):
    (tmp_path / "file" / "p1.png").parent.mkdir()
    (tmp_path / "file" / "p1.png").touch()
    (tmp_path / "file" / name).touch()
    (tmp_path / "folder" / name).mkdir(parents=True)
    (tmp_path / "folder" / name / "p1.png").touch()
    assert [path.name for path in list_folder(tmp_path / "file")] == ["p1.png"]
    assert list_folder(tmp_path / "folder") == []
    assert list(walk_folder(tmp_path)) == [tmp_path / "file" / "p1.png"]


def test_a_link_that_leads_back_up_ends(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "p1.png").touch()
    assert [path.name for path in walk_folder(tmp_path)] == ["p1.png"]


@pytest.mark.parametrize(("form", "other"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_file_is_found_in_either_spelling_of_its_name(tmp_path, form, other):
    name = "M\u00fcller \u00c5se.raw"
    path = tmp_path / unicodedata.normalize(form, name)
    path.touch()
    asked = tmp_path / unicodedata.normalize(other, name)
    assert asked.name != path.name
    assert spell(asked.name) == spell(path.name)
    assert find_spelled(asked) == path
    assert find_spelled(tmp_path / "none" / "none") == tmp_path / "none" / "none"
