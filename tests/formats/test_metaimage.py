from __future__ import annotations

import resource
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import itk
import numpy as np
import pytest
from monai.transforms import LoadImaged

from scripts.formats.metaimage import MetaImageReader, check_metaimage
from tests.synthetic import ELEMENT_TYPES, random_volume, write_mhd


def read(path):
    reader = MetaImageReader()
    return reader.get_data(reader.read(path))


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("dtype", sorted(ELEMENT_TYPES))
def test_what_is_written_is_read_x_first(tmp_path, dtype, compress):
    array = random_volume(0)[0].astype(dtype)
    found, meta = read(write_mhd(tmp_path / "a.mhd", array, compress=compress))
    np.testing.assert_array_equal(found, array)
    np.testing.assert_allclose(np.abs(np.diag(meta["affine"])), [0.5, 0.5, 3.0, 1.0])


def test_big_endian_numbers_are_turned(tmp_path):
    array = random_volume(0)[0]
    path = write_mhd(tmp_path / "a.mhd", array, BinaryDataByteOrderMSB="True")
    (tmp_path / "a.raw").write_bytes(np.ascontiguousarray(array.T).astype(">i2").tobytes())
    np.testing.assert_array_equal(read(path)[0], array)


LOADERS_OWN_WARNING = "ignore:NvImgCodecPydicomReader:UserWarning"  # LoadImage makes every reader that MONAI has


@pytest.mark.filterwarnings(LOADERS_OWN_WARNING)
def test_monais_loader_does_not_fall_back_on_a_reader_that_accepts_the_fault(tmp_path):
    path = write_mhd(tmp_path / "a.mhd", random_volume(0)[0], ElementSpacing=None)
    load = LoadImaged("image", reader=MetaImageReader)
    with pytest.raises(ValueError, match=r"a\.mhd has no ElementSpacing"):
        load({"image": str(path)})


@pytest.mark.filterwarnings(LOADERS_OWN_WARNING)
def test_the_reader_works_in_monais_loader(tmp_path):
    array = random_volume(0)[0]
    path = write_mhd(tmp_path / "a.mhd", array)
    loaded = LoadImaged("image", reader=MetaImageReader, ensure_channel_first=True)({"image": str(path)})["image"]
    np.testing.assert_array_equal(loaded.numpy()[0], array)


def test_threads_may_read_at_once(tmp_path):
    array = random_volume(0)[0]
    path = write_mhd(tmp_path / "a.mhd", array, compress=True)
    with ThreadPoolExecutor(4) as pool:
        for found, _ in pool.map(read, [path] * 40):
            np.testing.assert_array_equal(found, array)


FAULTS = {
    "no ElementSpacing": ({"ElementSpacing": None}, "has no ElementSpacing"),
    "no DimSize": ({"DimSize": None}, "has no DimSize"),
    "no ElementType": ({"ElementType": None}, "has no ElementType"),
    "no ElementDataFile": ({"ElementDataFile": None}, "has no ElementDataFile"),
    "no NDims": ({"NDims": None}, "has no NDims"),
    "four dimensions": ({"NDims": "4", "DimSize": "40 32 5 1"}, "NDims must be 2 or 3, got 4"),
    "fractional NDims": ({"NDims": "2.5"}, "NDims must be 2 or 3, got 2.5"),
    "two sizes of three": ({"DimSize": "40 32"}, "DimSize must be 3 finite number(s), got '40 32'"),
    "size zero": ({"DimSize": "40 32 0"}, "DimSize must be 3 whole numbers >= 1"),
    "negative size": ({"DimSize": "40 32 -5"}, "DimSize must be 3 whole numbers >= 1"),
    "fractional size": ({"DimSize": "40 32 5.5"}, "DimSize must be 3 whole numbers >= 1"),
    "size in words": ({"DimSize": "40 32 five"}, "DimSize must be 3 finite number(s)"),
    "infinite size": ({"DimSize": "40 32 inf"}, "DimSize must be 3 finite number(s)"),
    "absurd size": ({"DimSize": "400000 320000 50000"}, "at most 2147483648 are read"),
    "too large a size": ({"DimSize": "40 32 6"}, "is truncated: DimSize 40 x 32 x 6 of MET_SHORT needs 15360 bytes"),
    "too small a size": ({"DimSize": "40 32 4"}, "is too long: DimSize 40 x 32 x 4 of MET_SHORT needs 10240 bytes"),
    "narrower type": ({"ElementType": "MET_UCHAR"}, "is too long"),
    "wider type": ({"ElementType": "MET_FLOAT"}, "is truncated"),
    "unknown type": ({"ElementType": "MET_OTHER"}, "ElementType must be one of"),
    "array of vectors": ({"ElementNumberOfChannels": "3"}, "ElementNumberOfChannels must be 1, got 3"),
    "skipped bytes": ({"HeaderSize": "-1"}, "HeaderSize must be 0, got -1"),
    "spacing zero": ({"ElementSpacing": "0.5 0.5 0"}, "ElementSpacing must be > 0"),
    "negative spacing": ({"ElementSpacing": "0.5 -0.5 3"}, "ElementSpacing must be > 0"),
    "spacing not a number": ({"ElementSpacing": "0.5 0.5 nan"}, "ElementSpacing must be 3 finite number(s)"),
    "spacing of a plane": ({"ElementSpacing": "0.5 0.5"}, "ElementSpacing must be 3 finite number(s)"),
    "short offset": ({"Offset": "0 0"}, "Offset must be 3 finite number(s)"),
    "short matrix": ({"TransformMatrix": "1 0 0 1"}, "TransformMatrix must be 9 finite number(s)"),
    "sheared matrix": ({"TransformMatrix": "1 0 0 1 1 0 0 0 1"}, "TransformMatrix must be of length 1 at right angles"),
    "flat matrix": ({"TransformMatrix": "1 0 0 0 1 0 0 0 0"}, "TransformMatrix must be of length 1 at right angles"),
    "parent folder": ({"ElementDataFile": "../a.raw"}, "leaves the folder of the header"),
    "deep parent folder": ({"ElementDataFile": "x/../../a.raw"}, "leaves the folder of the header"),
    "absolute path": ({"ElementDataFile": "/etc/passwd"}, "leaves the folder of the header"),
    "drive": ({"ElementDataFile": "C:\\a.raw"}, "leaves the folder of the header"),
    "numbers inside": ({"ElementDataFile": "LOCAL"}, "must name one .raw or .zraw file, got 'LOCAL'"),
    "list of files": ({"ElementDataFile": "LIST"}, "must name one .raw or .zraw file, got 'LIST'"),
    "pattern of files": ({"ElementDataFile": "a%03d.raw 1 5 1"}, "must name one .raw or .zraw file"),
    "empty name": ({"ElementDataFile": ""}, "must name one .raw or .zraw file, got ''"),
    "absent file": ({"ElementDataFile": "b.raw"}, "b.raw does not exist"),
    "compressed, it says": ({"CompressedData": "True"}, "is no zlib stream"),
    "perhaps compressed": ({"CompressedData": "maybe"}, "CompressedData must be True or False, got 'maybe'"),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_faulty_header_is_refused_in_one_line_with_its_name(tmp_path, fault):
    header, message = FAULTS[fault]
    path = write_mhd(tmp_path / "a.mhd", random_volume(0)[0], **header)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        read(path)
    assert message in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no NDims"),
        (b"NDims = 3\nNDims = 3\n", "repeats 'NDims = 3'"),
        (b"NDims 3\n", "a line that is not 'key = value': 'NDims 3'"),
        (b"NDims = 3\n\0\0\0", "is not a MetaImage header"),
        (b"A = " + b"x" * 70_000, "is not a MetaImage header"),
    ],
)
def test_a_file_that_is_no_header_is_refused(tmp_path, content, message):
    path = tmp_path / "a.mhd"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.mhd") as error:
        check_metaimage(path)
    assert message in str(error.value)


def test_a_missing_header_and_another_format_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.mhd does not exist"):
        check_metaimage(tmp_path / "a.mhd")
    with pytest.raises(ValueError, match=r"a\.nii is not a \.mhd file"):
        check_metaimage(tmp_path / "a.nii")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda stream: stream[: len(stream) // 2], "is truncated"),
        (lambda stream: stream[:-2], "is truncated"),
        (lambda stream: stream + b"tail", "is too long"),
        (lambda stream: zlib.compress(zlib.decompress(stream) + b"x"), "is too long"),
        (lambda stream: zlib.compress(zlib.decompress(stream)[:-1]), "is truncated"),
        (lambda stream: stream[:50] + bytes(20) + stream[70:], "is no zlib stream, or a damaged one"),
        (lambda stream: b"", "is truncated"),
    ],
)
def test_a_damaged_zraw_is_refused(tmp_path, change, message):
    path = write_mhd(tmp_path / "a.mhd", random_volume(0)[0], compress=True)
    data = tmp_path / "a.zraw"
    data.write_bytes(change(data.read_bytes()))
    with pytest.raises(ValueError, match=r"a\.zraw") as error:
        check_metaimage(path)
    assert message in str(error.value)


def test_a_zraw_of_zeros_longer_than_one_block_is_accepted(tmp_path):
    # 4 MB of zeros shrink to 4 kB: the stream's input ends long before its output.
    path = write_mhd(tmp_path / "a.mhd", np.zeros((200, 100, 100), dtype=np.int16), compress=True)
    assert check_metaimage(path).num_bytes == 4_000_000


def test_a_zip_bomb_takes_neither_time_nor_memory(tmp_path):
    path = write_mhd(tmp_path / "a.mhd", random_volume(0)[0], compress=True)
    packer = zlib.compressobj()
    million = bytes(1_000_000)
    (tmp_path / "a.zraw").write_bytes(b"".join(packer.compress(million) for _ in range(300)) + packer.flush())
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(ValueError, match="too long"):
        check_metaimage(path)
    assert time.monotonic() - start < 1.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_itk_alone_would_accept_these(tmp_path):
    """The reason for the check; when ITK refuses them itself, the check can go."""
    for header in ({"ElementType": "MET_UCHAR"}, {"ElementSpacing": None}, {"DimSize": "40 32 4"}):
        itk.imread(str(write_mhd(tmp_path / "a.mhd", random_volume(0)[0], **header)))
