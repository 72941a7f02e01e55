from __future__ import annotations

import hashlib
import os

import pytest

from scripts.datasets import content_hashes
from scripts.datasets.content_hashes import HASHES_JSON, ContentHashes, hash_content


@pytest.fixture
def files(tmp_path):
    (tmp_path / "CANARY").mkdir()
    paths = [tmp_path / "CANARY" / f"{index}.raw" for index in range(3)]
    for index, path in enumerate(paths):
        path.write_bytes(bytes([index]) * 3_000_000)
    return paths


@pytest.fixture
def read(monkeypatch):
    """The files that were read."""
    seen = []
    monkeypatch.setattr(content_hashes, "hash_content", lambda path: seen.append(path) or hash_content(path))
    return seen


def test_the_hash_is_that_of_all_bytes(files):
    assert hash_content(files[1]) == hashlib.blake2b(b"\1" * 3_000_000, digest_size=16).hexdigest()


def test_a_file_is_read_once_until_its_size_or_time_changes(tmp_path, files, read):
    first = ContentHashes(tmp_path / "out")
    found = first.of(files)
    first.save()
    assert sorted(read) == files
    assert ContentHashes(tmp_path / "out").of(files) == found
    assert sorted(read) == files
    os.utime(files[0], (1, 1))
    files[1].write_bytes(b"x")
    changed = ContentHashes(tmp_path / "out").of(files)
    assert changed[0] == found[0]
    assert changed[1] != found[1]
    assert sorted(read[3:]) == files[:2]


def test_what_is_kept_names_no_file(tmp_path, files):
    hashes = ContentHashes(tmp_path / "out")
    hashes.of(files)
    hashes.save()
    assert "CANARY" not in (tmp_path / "out" / HASHES_JSON).read_text()


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', ""])
def test_a_damaged_file_of_hashes_is_as_good_as_none(tmp_path, files, content):
    (tmp_path / HASHES_JSON).write_text(content)
    hashes = ContentHashes(tmp_path)
    assert hashes.of(files) == [hash_content(path) for path in files]
    hashes.save()
    assert len((tmp_path / HASHES_JSON).read_text().splitlines()) == 5


def test_a_folder_that_can_not_be_written_to_costs_time_alone(tmp_path, files):
    (tmp_path / "file").touch()
    hashes = ContentHashes(tmp_path / "file")
    assert len(hashes.of(files)) == 3
    hashes.save()
