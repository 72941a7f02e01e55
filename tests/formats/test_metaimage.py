from __future__ import annotations

import os
import resource
import unicodedata
import zlib
from concurrent.futures import ThreadPoolExecutor

import itk
import numpy as np
import pytest
from monai.transforms import LoadImaged

from scripts.formats.metaimage import MetaImageReader, check_metaimage
from tests.synthetic import ELEMENT_TYPES, random_volume, write_mha, write_mhd


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
    "absurd size": ({"DimSize": "400000 320000 50000"}, "more than 2147483648 bytes"),
    "too large a size": ({"DimSize": "40 32 6"}, "is truncated: DimSize 40 x 32 x 6 of MET_SHORT needs 15360 bytes"),
    "too small a size": ({"DimSize": "40 32 4"}, "is too long: DimSize 40 x 32 x 4 of MET_SHORT needs 10240 bytes"),
    "narrower type": ({"ElementType": "MET_UCHAR"}, "is too long"),
    "wider type": ({"ElementType": "MET_FLOAT"}, "is truncated"),
    "unknown type": ({"ElementType": "MET_OTHER"}, "ElementType must be one of"),
    "array of vectors": ({"ElementNumberOfChannels": "3"}, "ElementNumberOfChannels must be 1, got 3; convert"),
    "skipped bytes": ({"HeaderSize": "-1"}, "HeaderSize must be 0, got -1"),
    "spacing zero": ({"ElementSpacing": "0.5 0.5 0"}, "ElementSpacing must be > 0"),
    "negative spacing": ({"ElementSpacing": "0.5 -0.5 3"}, "ElementSpacing must be > 0"),
    "spacing not a number": ({"ElementSpacing": "0.5 0.5 nan"}, "ElementSpacing must be 3 finite number(s)"),
    "spacing of a plane": ({"ElementSpacing": "0.5 0.5"}, "ElementSpacing must be 3 finite number(s)"),
    "spacing as Python writes it": ({"ElementSpacing": "0.5 0.5 3_0"}, "ElementSpacing must be 3 finite number(s)"),
    "size in other digits": ({"DimSize": "40 32 \uff15"}, "DimSize must be 3 finite number(s)"),
    "short offset": ({"Offset": "0 0"}, "Offset must be 3 finite number(s)"),
    "spacing beyond floats": ({"ElementSpacing": "0.5 0.5 1e300"}, "ElementSpacing must be 1e-06 to 1e+06 mm, got 0.5"),
    "spacing too small": ({"ElementSpacing": "0.5 0.5 1e-30"}, "ElementSpacing must be 1e-06 to 1e+06 mm"),
    "offset beyond floats": ({"Offset": "0 0 1e300"}, "Offset must be within 1e+09 mm"),
    "position beyond floats": ({"Position": "0 0 -1e300"}, "Position must be within 1e+09 mm"),
    "two origins": ({"Position": "0 0 7"}, "Offset is 0 0 0 and Position is 0 0 7, which mean the same; leave"),
    "three origins": ({"Position": "0 0 0", "Origin": "1 0 0"}, "Offset is 0 0 0 and Origin is 1 0 0"),
    "two directions": (
        {"Orientation": "0 1 0 1 0 0 0 0 1"},
        "TransformMatrix is 1 0 0 0 1 0 0 0 1 and Orientation is 0 1 0 1 0 0 0 0 1",
    ),
    "two spacings": ({"ElementSize": "0.5 0.5 4"}, "ElementSpacing is 0.5 0.5 3 and ElementSize is 0.5 0.5 4"),
    "two byte orders": ({"ElementByteOrderMSB": "True"}, "BinaryDataByteOrderMSB and ElementByteOrderMSB differ"),
    "two sizes": ({"NDims": "2"}, "DimSize must be 2 finite number(s), got '40 32 5'"),
    "numbers as text": ({"BinaryData": "False"}, "holds its numbers as text (BinaryData = False); convert it"),
    "scaled numbers": ({"ElementToIntensityFunctionSlope": "2"}, "ElementToIntensityFunctionSlope must be 1, got 2"),
    "inches": ({"DistanceUnits": "in"}, "DistanceUnits must be mm, got in"),
    "another object": ({"ObjectType": "Mesh"}, "ObjectType must be Image, got Mesh"),
    "short matrix": ({"TransformMatrix": "1 0 0 1"}, "TransformMatrix must be 9 finite number(s)"),
    "sheared matrix": ({"TransformMatrix": "1 0 0 1 1 0 0 0 1"}, "TransformMatrix must be of length 1 at right angles"),
    "flat matrix": ({"TransformMatrix": "1 0 0 0 1 0 0 0 0"}, "TransformMatrix must be of length 1 at right angles"),
    "parent folder": ({"ElementDataFile": "../a.raw"}, "leaves the folder of the header"),
    "deep parent folder": ({"ElementDataFile": "x/../../a.raw"}, "leaves the folder of the header"),
    "absolute path": ({"ElementDataFile": "/etc/passwd"}, "leaves the folder of the header"),
    "drive": ({"ElementDataFile": "C:\\a.raw"}, "leaves the folder of the header"),
    "list of files": ({"ElementDataFile": "LIST"}, "must name one .raw or .zraw file or be LOCAL"),
    "pattern of files": ({"ElementDataFile": "a%03d.raw 1 5 1"}, "must name one .raw or .zraw file"),
    "empty name": ({"ElementDataFile": ""}, "must name one .raw or .zraw file or be LOCAL"),
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
    "words",
    [
        {"ElementToIntensityFunctionSlope": "1.0", "ElementToIntensityFunctionOffset": "0.000"},
        {"HeaderSize": "00", "ElementNumberOfChannels": "1.0"},
    ],
)
def test_a_number_may_be_written_with_more_digits(tmp_path, words):
    image = random_volume(0)[0]
    np.testing.assert_array_equal(read(write_mhd(tmp_path / "a.mhd", image, **words))[0], image)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no NDims"),
        (b"NDims = 3\nNDims = 3\n", "repeats NDims"),
        (b"NDims = 3\rDimSize = 1 1 1\r", "ends its lines with CR alone; save it with LF or CR LF"),
        (b"NDims 3\n", "a line that is not 'key = value', line 1"),
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


@pytest.mark.parametrize("line", ["ElementSpacing = 9 9 9", "Comment = more", "no key", "\t x"])
def test_nothing_may_follow_the_name_of_the_data_file(tmp_path, line):
    path = write_mhd(tmp_path / "a.mhd", random_volume(0)[0])
    path.write_text(path.read_text() + f"\n{line}\n")
    with pytest.raises(ValueError, match=rf"a\.mhd has '{line.partition('=')[0].strip()}' behind ElementDataFile"):
        read(path)
    path.write_text(path.read_text().replace(line, " "))
    assert read(path)[0].shape == (40, 32, 5)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("text", ["\u00c5se", "Gr\u00f6\u00dfe \u00b5m", "\u00e0 c\u00f4t\u00e9\u00a0de"])
def test_a_comment_may_be_in_utf_8_or_latin_1(tmp_path, text, encoding):
    array = random_volume(0)[0]
    path = write_mhd(tmp_path / "a.mhd", array, ElementDataFile=None)
    path.write_bytes(path.read_bytes() + f"Comment = {text}\nElementDataFile = a.raw\n".encode(encoding))
    np.testing.assert_array_equal(read(path)[0], array)


@pytest.mark.parametrize(("written", "named"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_the_data_file_is_found_in_either_spelling(tmp_path, written, named):
    name = "M\u00fcller"
    path = write_mhd(tmp_path / "a.mhd", random_volume(0)[0])
    data = (tmp_path / "a.raw").rename(tmp_path / f"{unicodedata.normalize(written, name)}.raw")
    header = path.read_text().replace("a.raw", f"{unicodedata.normalize(named, name)}.raw")
    path.write_text(header, encoding="utf-8")
    assert check_metaimage(path).data_path == data


@pytest.mark.parametrize("compress", [False, True])
def test_numbers_behind_the_header_are_read(tmp_path, compress):
    array = random_volume(0)[0]
    path = write_mha(tmp_path / "a.mha", array, compress=compress)
    np.testing.assert_array_equal(read(path)[0], array)
    data = path.read_bytes()
    for spoilt, message in (
        (data[:-9], "(is truncated|: CompressedDataSize)"),
        (data + b"tail", "(is too long|: CompressedDataSize)"),
    ):
        path.write_bytes(spoilt)
        with pytest.raises(ValueError, match=rf"a\.mha ?{message}"):
            read(path)


def test_a_compressed_size_that_is_not_the_files_is_refused(tmp_path):
    path = write_mhd(tmp_path / "a.mhd", random_volume(0)[0], compress=True, CompressedDataSize="99")
    with pytest.raises(ValueError, match=r"a\.mhd: CompressedDataSize is 99, the numbers have \d+ bytes; copy"):
        read(path)


def test_packed_numbers_behind_a_header_that_does_not_tell_their_size_are_refused(tmp_path):
    """ITK prints that it can't unpack them, raises nothing, and returns other numbers."""
    path = write_mha(tmp_path / "a.mha", random_volume(0)[0], compress=True)
    header, _, rest = path.read_bytes().partition(b"CompressedDataSize")
    path.write_bytes(header + rest.split(b"\n", 1)[1])
    with pytest.raises(ValueError, match=r"a\.mha has no CompressedDataSize; write the volume again"):
        read(path)


def test_a_name_that_is_not_utf_8_is_read_or_refused_in_one_line(tmp_path):
    path = write_mhd(tmp_path / "a.mhd", random_volume(0)[0])
    odd = tmp_path / os.fsdecode(b"scan\xff.mhd")
    path.rename(odd)
    with pytest.raises(ValueError, match="can't be read by ITK; rename it in plain letters"):
        read(odd)


def test_a_missing_header_and_another_format_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.mhd does not exist"):
        check_metaimage(tmp_path / "a.mhd")
    with pytest.raises(ValueError, match=r"a\.nii is not a \.mhd or \.mha file"):
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


def test_a_zip_bomb_takes_no_memory(tmp_path):
    path = write_mhd(tmp_path / "a.mhd", random_volume(0)[0], compress=True)
    packer = zlib.compressobj()
    million = bytes(1_000_000)
    (tmp_path / "a.zraw").write_bytes(b"".join(packer.compress(million) for _ in range(300)) + packer.flush())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="too long"):
        check_metaimage(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_itk_alone_would_accept_these(tmp_path):
    """The reason for the check; when ITK refuses them itself, the check can go."""
    for header in ({"ElementType": "MET_UCHAR"}, {"ElementSpacing": None}, {"DimSize": "40 32 4"}):
        itk.imread(str(write_mhd(tmp_path / "a.mhd", random_volume(0)[0], **header)))
