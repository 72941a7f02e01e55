"""The header of a MetaImage volume (.mhd, or .mha with the numbers behind it), read strictly."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import MissingFileError, UserError
from .limits import refuse_too_large
from .listing import find_spelled
from .metaimage_geometry import check_geometry
from .regular_files import check_regular_file

SUFFIXES = (".mhd", ".mha")
_BYTES = {
    "MET_CHAR": 1,
    "MET_UCHAR": 1,
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}
_MAX_TEXT_BYTES = 65_536
_REQUIRED = ("NDims", "DimSize", "ElementType", "ElementSpacing", "ElementDataFile")
_LAST = "ElementDataFile"  # where the format ends; what follows it is not read
_FALSE, _TRUE = "false", "true"
# What would change the numbers or their place, and is read by few programs: only these values are taken.
_FIXED = {
    "ObjectType": ("Image",),
    "ElementNumberOfChannels": ("1",),
    "HeaderSize": ("0",),
    "ElementToIntensityFunctionSlope": ("1",),
    "ElementToIntensityFunctionOffset": ("0",),
    "DistanceUnits": ("mm", "?", ""),
}


@dataclass(frozen=True)
class MetaImageHeader:
    """What a header says of its numbers.

    Args:
        size: voxels along each axis.
        element_type: MetaImage's name of the number type.
        compressed: whether the numbers are a zlib stream.
        data_path: the file of the numbers; the header's own where they follow it.
        data_offset: bytes before the numbers in that file.
    """

    size: tuple[int, ...]
    element_type: str
    compressed: bool
    data_path: Path
    data_offset: int = 0

    @property
    def num_bytes(self) -> int:
        """Bytes of the numbers when not compressed."""
        return math.prod(self.size) * _BYTES[self.element_type]


def is_metaimage(path: Path) -> bool:
    """Whether the file's name ends as a MetaImage header's does."""
    return path.suffix.lower() in SUFFIXES


def read_metaimage_header(path: str | Path) -> MetaImageHeader:
    """Read the header of ``path`` and check it by itself; of the data file only its presence.

    Raises:
        FileNotFoundError: the header or its data file is missing.
        ValueError: it may not be read, contradicts itself or the format, or declares too much.
    """
    path = Path(path)
    fields, end = _read_fields(path)
    for key in _REQUIRED:
        if key not in fields:
            raise UserError(f"has no {key}; write the volume again with a tool that keeps it", path=path)
    for key, allowed in _FIXED.items():
        if key in fields and not _is_one_of(fields[key], allowed):
            raise UserError(f": {key} must be {allowed[0]}, got {fields[key]}; convert the volume", path=path)
    dims = _numbers(path, fields, "NDims", 1)[0]
    if dims not in (2, 3):
        raise UserError(f": NDims must be 2 or 3, got {fields['NDims']}; write one volume per file", path=path)
    if not _flag(path, fields, "BinaryData", default=_TRUE):
        raise UserError("holds its numbers as text (BinaryData = False); convert it to binary numbers", path=path)
    _refuse_two_byte_orders(path, fields)
    data_path = _check_data_path(path, fields)
    header = MetaImageHeader(
        size=_check_size(path, fields, int(dims)),
        element_type=_check_element_type(path, fields),
        compressed=_flag(path, fields, "CompressedData"),
        data_path=data_path,
        data_offset=end if data_path == path else 0,
    )
    refuse_too_large(path, header.size, 8 * _BYTES[header.element_type])
    _check_packed_size(path, fields, header)
    check_geometry(path, {key: _numbers(path, fields, key, n) for key, n in _geometry_keys(fields, int(dims))})
    return header


def data_file_of(path: Path) -> Path | None:
    """The file beside a header that holds its numbers, as far as it can be told; quick, and never refuses."""
    try:
        with path.open("rb") as file:
            match = re.search(
                rb"^[ \t]*ElementDataFile[ \t]*=[ \t]*([^\r\n]*)", file.read(_MAX_TEXT_BYTES), re.MULTILINE
            )
    except OSError:
        return None
    name = _decode(match[1]).strip() if match else ""
    return find_spelled(path.parent / name) if name and "\0" not in name else None


def join_size(size: Iterable[int]) -> str:
    """The size as people write it, such as 160 x 160 x 12."""
    return " x ".join(map(str, size))


def _read_fields(path: Path) -> tuple[dict[str, str], int]:
    """The keys with their values, and the place behind the last line."""
    if not is_metaimage(path):
        raise UserError("is not a .mhd or .mha file; convert it to MetaImage", path=path)
    check_regular_file(path)
    with path.open("rb") as file:
        raw = file.read(_MAX_TEXT_BYTES + 1)
    fields: dict[str, str] = {}
    place = 0
    for number, line in enumerate(
        raw.splitlines(keepends=True), 1
    ):  # of bytes: at \n, \r and \r\n alone, not within a letter
        place += len(line)
        if place > _MAX_TEXT_BYTES or b"\0" in line:
            break
        if not line.strip():
            continue
        if line.endswith(b"\r"):  # which ITK takes for no end
            raise UserError("ends its lines with CR alone; save it with LF or CR LF", path=path)
        key, sign, value = (part.strip() for part in _decode(line).partition("="))
        if not sign or not key or key in fields:
            fault = f"repeats {key}" if key in fields else f"has a line that is not 'key = value', line {number}"
            raise UserError(f"{fault}; correct the header", path=path)
        fields[key] = value
        if key == _LAST:
            if value.upper() != "LOCAL":
                _refuse_more(path, raw[place:])
            return fields, place
    if place > _MAX_TEXT_BYTES or b"\0" in raw:
        raise UserError(f"is not a MetaImage header: it must be text of at most {_MAX_TEXT_BYTES} bytes", path=path)
    return fields, place


def _refuse_more(path: Path, rest: bytes) -> None:
    if rest.strip():
        key = _decode(rest.strip().splitlines()[0]).partition("=")[0].strip()[:40]
        raise UserError(
            f"has {key!r} behind {_LAST}, where the header ends and nothing is read; move it above that line", path=path
        )


def _decode(text: bytes) -> str:
    """Text in UTF-8, or in Latin-1 where it is none."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _check_size(path: Path, fields: dict[str, str], dims: int) -> tuple[int, ...]:
    size = _numbers(path, fields, "DimSize", dims)
    if any(n < 1 or n != int(n) for n in size):
        raise UserError(f": DimSize must be {dims} whole numbers >= 1, got {fields['DimSize']}; correct it", path=path)
    return tuple(int(n) for n in size)


def _check_element_type(path: Path, fields: dict[str, str]) -> str:
    element_type = fields["ElementType"]
    if element_type not in _BYTES:
        raise UserError(
            f": ElementType must be one of {', '.join(_BYTES)}, got {element_type!r}; convert it", path=path
        )
    return element_type


def _refuse_two_byte_orders(path: Path, fields: dict[str, str]) -> None:
    keys = [key for key in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB") if key in fields]
    if len({_flag(path, fields, key) for key in keys}) > 1:
        raise UserError(f": {' and '.join(keys)} differ; leave the right one", path=path)


def _check_data_path(path: Path, fields: dict[str, str]) -> Path:
    name = fields[_LAST]
    if name.upper() == "LOCAL":
        return path
    relative = PurePosixPath(name)
    if not name or name.upper().startswith("LIST") or "%" in name or "\0" in name:
        raise UserError(f": {_LAST} must name one .raw or .zraw file or be LOCAL; convert the volume", path=path)
    if relative.is_absolute() or ".." in relative.parts or "\\" in name or ":" in name:
        raise UserError(f": {_LAST} leaves the folder of the header; put the file beside it", path=path)
    data_path = find_spelled(path.parent / relative)
    if not data_path.exists():
        raise MissingFileError("does not exist; copy it beside its header", path=data_path)
    check_regular_file(data_path)
    return data_path


def _check_packed_size(path: Path, fields: dict[str, str], header: MetaImageHeader) -> None:
    if not header.compressed:
        return
    if "CompressedDataSize" not in fields:
        if header.data_path == path:  # ITK would return other numbers, without an error
            raise UserError("has no CompressedDataSize; write the volume again with a tool that keeps it", path=path)
        return
    told = _numbers(path, fields, "CompressedDataSize", 1)[0]
    found = os.stat(header.data_path).st_size - header.data_offset
    if told != found:
        raise UserError(
            f": CompressedDataSize is {told:.0f}, the numbers have {found} bytes; copy the volume again", path=path
        )


def _geometry_keys(fields: dict[str, str], dims: int) -> list[tuple[str, int]]:
    counts = {
        **dict.fromkeys(("ElementSpacing", "ElementSize", "Offset", "Position", "Origin"), dims),
        **dict.fromkeys(("TransformMatrix", "Rotation", "Orientation"), dims * dims),
    }
    return [(key, count) for key, count in counts.items() if key in fields]


def _numbers(path: Path, fields: dict[str, str], key: str, count: int) -> list[float]:
    try:
        values = [_number(text) for text in fields[key].split()]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise UserError(f": {key} must be {count} finite number(s), got {fields[key]!r}; correct it", path=path)
    return values


def _number(text: str) -> float:
    """A number as ITK reads it: Python takes 1_0 for ten, and the digits of every script."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


def _is_one_of(value: str, allowed: tuple[str, ...]) -> bool:
    """Whether a value is one of those, or the same number as the first."""
    try:
        return value in allowed or _number(value) == float(allowed[0])
    except ValueError:
        return False


def _flag(path: Path, fields: dict[str, str], key: str, default: str = _FALSE) -> bool:
    value = fields.get(key, default).lower()
    if value not in (_FALSE, _TRUE):
        raise UserError(f": {key} must be True or False, got {fields[key]!r}; correct it", path=path)
    return value == _TRUE
