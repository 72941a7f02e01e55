from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from scripts.datasets import find_nifti
from scripts.datasets.splits import read_split_file
from scripts.errors import MissingFileError
from scripts.formats.limits import MAX_JSON_BYTES
from scripts.formats.reading import bit_depth, read_image
from scripts.formats.regular_files import check_regular_file, read_json
from tests.synthetic import random_picture, random_volume, write_decathlon, write_mhd, write_nifti, write_picture


def write_image(folder: Path, name: str) -> Path:
    image = random_volume(0)[0]
    if name.endswith(".mhd"):
        return write_mhd(folder / name, image)
    return write_nifti(folder / name, image) if ".nii" in name else write_picture(folder / name, random_picture(0)[0])


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize("make", [make_pipe, make_socket, Path.mkdir])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.bmp", "a.nii", "a.nii.gz", "a.mhd", "a.mha"])
def test_no_reader_opens_what_is_no_regular_file(tmp_path, monkeypatch, name, make):
    monkeypatch.chdir(tmp_path)  # a socket's path may not be long
    make(Path(name))
    for read in (read_image, bit_depth):
        with pytest.raises(ValueError, match=rf"{name} is a (pipe, device or socket|folder), not a file; remove it"):
            read(Path(name))


def test_the_numbers_of_a_metaimage_must_be_a_regular_file_too(tmp_path):
    path = write_mhd(tmp_path / "a.mhd", random_volume(0)[0])
    (tmp_path / "a.raw").unlink()
    make_pipe(tmp_path / "a.raw")
    with pytest.raises(ValueError, match=r"a\.raw is a pipe, device or socket"):
        read_image(path)


def test_a_device_is_no_file():
    with pytest.raises(ValueError, match="/dev/zero is a pipe, device or socket"):
        check_regular_file("/dev/zero")


@pytest.mark.parametrize("name", ["a.png", "a.nii.gz", "a.mhd"])
def test_a_link_to_a_regular_file_is_read_and_one_to_nothing_missing(tmp_path, name):
    write_image(tmp_path / "real", name)
    shutil.copytree(tmp_path / "real", tmp_path / "linked")
    (tmp_path / "linked" / name).unlink()
    (tmp_path / "linked" / name).symlink_to(tmp_path / "real" / name)
    np.testing.assert_array_equal(
        read_image(tmp_path / "linked" / name).array, read_image(tmp_path / "real" / name).array
    )
    (tmp_path / "real" / name).unlink()
    with pytest.raises(MissingFileError, match=rf"{name} does not exist"):
        read_image(tmp_path / "linked" / name)
    (tmp_path / "real" / name).symlink_to(tmp_path / "linked" / name)
    with pytest.raises(ValueError, match=rf"{name} can't be looked at"):
        read_image(tmp_path / "linked" / name)


def test_pipes_in_place_of_a_data_sets_json_are_refused(tmp_path):
    root = write_decathlon(tmp_path / "data")
    make_pipe(root / "dataset.json")
    with pytest.raises(ValueError, match=r"dataset\.json is a pipe"):
        find_nifti(root)
    with pytest.raises(ValueError, match=r"dataset\.json is a pipe"):
        read_split_file(root / "dataset.json", [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_is_read_in_every_encoding_with_or_without_a_mark(tmp_path, encoding):
    (tmp_path / "a.json").write_text('{"name": "M\u00fcller"}', encoding=encoding)
    assert read_json(tmp_path / "a.json", "write it") == {"name": "M\u00fcller"}


def test_a_json_that_gives_a_key_twice_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [{"b": 1, "c": 2, "b": 3}]}')
    with pytest.raises(ValueError, match=r"a\.json holds the key 'b' twice; leave the right one"):
        read_json(tmp_path / "a.json", "write it")


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\xff", b"[" * 200_000, b'{"a": NaN}', b"[-Infinity]"])
def test_what_is_no_json_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json is no readable JSON; write it$"):
        read_json(tmp_path / "a.json", "write it")


def test_a_json_that_is_too_long_is_not_read(tmp_path):
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(MAX_JSON_BYTES + 1)
    with pytest.raises(ValueError, match=r"a\.json has more than"):
        read_json(tmp_path / "a.json", "write it")
