"""MetaImage volumes (.mhd with .raw or .zraw), checked before their numbers are read.

ITK reads a wrong element type, an overlong file, a missing spacing and a data file outside the folder without a word.
Here each is refused in one line, in preparing and in inference alike.
"""

from __future__ import annotations

import math
import threading
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import itk
import numpy as np
from monai.data import ITKReader
from numpy.typing import NDArray

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
_MAX_HEADER_BYTES = 65_536
_MAX_DATA_BYTES = 2**31  # far beyond a scanner's volume, and still less than a workstation's memory
_REQUIRED = ("NDims", "DimSize", "ElementType", "ElementSpacing", "ElementDataFile")
# ITK loads its modules at first use, and two threads that do so at once bring the process down.
_ITK_LOCK = threading.Lock()
_FALSE, _TRUE = "false", "true"


@dataclass(frozen=True)
class MetaImageHeader:
    """What a header says of its numbers.

    Args:
        size: voxels along each axis.
        element_type: MetaImage's name of the number type.
        compressed: whether the data file is a zlib stream.
        data_path: the file of the numbers.
    """

    size: tuple[int, ...]
    element_type: str
    compressed: bool
    data_path: Path

    @property
    def num_bytes(self) -> int:
        """Bytes of the numbers when not compressed."""
        return math.prod(self.size) * _BYTES[self.element_type]


class MetaImageReader(ITKReader):  # type: ignore[misc]  # MONAI has no types
    """MONAI's ITKReader that refuses a faulty MetaImage before ITK sees it.

    For ``LoadImaged(reader=MetaImageReader)``; it reads .mhd files only.

    Raises:
        FileNotFoundError: the header or its data file is missing.
        ValueError: the header contradicts itself, its data file, or the format.
    """

    def read(self, data: Sequence[str | Path] | str | Path, **kwargs: Any) -> Any:
        """Check every file of ``data`` and read it with ITK."""
        paths = [data] if isinstance(data, str | Path) else data
        for path in paths:
            check_metaimage(path)
        with _ITK_LOCK:
            _load_itk()
            return super().read(data, **kwargs)

    def get_data(self, img: Any) -> tuple[NDArray[Any], dict[str, Any]]:
        """Array, x first, and metadata of what ``read`` returned."""
        with _ITK_LOCK:
            array, meta = super().get_data(img)
        return array, meta


@cache
def _load_itk() -> None:
    """Load ITK's modules, which warn in C: where warnings are errors, the process would end with a memory fault."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "builtin type .* has no __module__ attribute", DeprecationWarning)
        itk.ImageFileReader  # noqa: B018  # its first look-up loads what reading needs


def check_metaimage(path: str | Path) -> MetaImageHeader:
    """Read the header of ``path``, compare it with its data file, and return it.

    Raises:
        FileNotFoundError: the header or its data file is missing.
        ValueError: the header contradicts itself, its data file, or the format.
    """
    header = read_header(path)
    found = header.data_path.stat().st_size
    if header.compressed:
        found = _inflated_size(Path(path), header)
    if found != header.num_bytes:
        fault = "truncated" if found < header.num_bytes else "too long"
        amount = f"more than {header.num_bytes}" if header.compressed and fault == "too long" else str(found)
        raise ValueError(
            f"{header.data_path} is {fault}: DimSize {_join(header.size)} of {header.element_type} needs "
            f"{header.num_bytes} bytes, the file holds {amount}; copy it again or correct {Path(path).name}"
        )
    return header


def read_header(path: str | Path) -> MetaImageHeader:
    """Read the header of ``path`` and check it by itself; of the data file only its presence.

    Raises:
        FileNotFoundError: the header or its data file is missing.
        ValueError: the header contradicts itself or the format.
    """
    path = Path(path)
    fields = _read_fields(path)
    for key in _REQUIRED:
        if key not in fields:
            raise ValueError(f"{path} has no {key}; write the volume again with a tool that keeps it")
    dims = _numbers(path, fields, "NDims", 1)[0]
    if dims not in (2, 3):
        raise ValueError(f"{path}: NDims must be 2 or 3, got {fields['NDims']}; write one volume a file")
    header = MetaImageHeader(
        size=_check_size(path, fields, int(dims)),
        element_type=_check_element_type(path, fields),
        compressed=_flag(path, fields, "CompressedData"),
        data_path=_check_data_path(path, fields),
    )
    if header.num_bytes > _MAX_DATA_BYTES:
        raise ValueError(
            f"{path}: DimSize {_join(header.size)} of {header.element_type} would take {header.num_bytes} bytes, "
            f"at most {_MAX_DATA_BYTES} are read; correct DimSize"
        )
    _check_geometry(path, fields, int(dims))
    return header


def _read_fields(path: Path) -> dict[str, str]:
    if path.suffix.lower() != ".mhd":
        raise ValueError(f"{path} is not a .mhd file; convert it to MetaImage (header .mhd, numbers .raw or .zraw)")
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; check the path")
    with path.open("rb") as file:
        raw = file.read(_MAX_HEADER_BYTES + 1)
    if len(raw) > _MAX_HEADER_BYTES or b"\0" in raw:
        raise ValueError(f"{path} is not a MetaImage header: it must be text of at most {_MAX_HEADER_BYTES} bytes")
    fields: dict[str, str] = {}
    for line in filter(str.strip, raw.decode("latin-1").splitlines()):
        key, sign, value = (part.strip() for part in line.partition("="))
        if not sign or not key or key in fields:
            fault = "repeats" if key in fields else "has a line that is not 'key = value':"
            raise ValueError(f"{path} {fault} {line.strip()[:60]!r}; correct the header")
        fields[key] = value
    return fields


def _check_size(path: Path, fields: dict[str, str], dims: int) -> tuple[int, ...]:
    size = _numbers(path, fields, "DimSize", dims)
    if any(n < 1 or n != int(n) for n in size):
        raise ValueError(f"{path}: DimSize must be {dims} whole numbers >= 1, got {fields['DimSize']}; correct it")
    return tuple(int(n) for n in size)


def _check_element_type(path: Path, fields: dict[str, str]) -> str:
    element_type, channels = fields["ElementType"], fields.get("ElementNumberOfChannels", "1")
    if element_type not in _BYTES:
        raise ValueError(f"{path}: ElementType must be one of {', '.join(_BYTES)}, got {element_type!r}; convert it")
    if channels != "1":
        raise ValueError(f"{path}: ElementNumberOfChannels must be 1, got {channels}; write one channel a volume")
    if fields.get("HeaderSize", "0") != "0":
        raise ValueError(f"{path}: HeaderSize must be 0, got {fields['HeaderSize']}; write the numbers alone")
    return element_type


def _check_data_path(path: Path, fields: dict[str, str]) -> Path:
    name = fields["ElementDataFile"]
    relative = PurePosixPath(name)
    if not name or name.upper() == "LOCAL" or name.upper().startswith("LIST") or "%" in name:
        raise ValueError(f"{path}: ElementDataFile must name one .raw or .zraw file, got {name!r}; convert the volume")
    if relative.is_absolute() or ".." in relative.parts or "\\" in name or ":" in name:
        raise ValueError(f"{path}: ElementDataFile {name!r} leaves the folder of the header; put the file beside it")
    data_path = path.parent / relative
    if not data_path.is_file():
        raise FileNotFoundError(f"{path}: its data file {data_path} does not exist; copy it beside the header")
    return data_path


def _check_geometry(path: Path, fields: dict[str, str], dims: int) -> None:
    if min(_numbers(path, fields, "ElementSpacing", dims)) <= 0:
        raise ValueError(f"{path}: ElementSpacing must be > 0, got {fields['ElementSpacing']}; correct it")
    for key in ("Offset", "Position", "Origin"):
        if key in fields:
            _numbers(path, fields, key, dims)
    for key in ("TransformMatrix", "Rotation", "Orientation"):
        if key in fields:
            matrix = np.reshape(_numbers(path, fields, key, dims * dims), (dims, dims))
            # Headers are often written with few digits.
            if not np.allclose(matrix @ matrix.T, np.eye(dims), atol=1e-3):
                raise ValueError(f"{path}: the axes of {key} must be of length 1 at right angles; correct it")


def _numbers(path: Path, fields: dict[str, str], key: str, count: int) -> list[float]:
    try:
        values = [float(text) for text in fields[key].split()]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise ValueError(f"{path}: {key} must be {count} finite number(s), got {fields[key]!r}; correct it")
    return values


def _flag(path: Path, fields: dict[str, str], key: str) -> bool:
    value = fields.get(key, _FALSE).lower()
    if value not in (_FALSE, _TRUE):
        raise ValueError(f"{path}: {key} must be True or False, got {fields[key]!r}; correct it")
    return value == _TRUE


def _inflated_size(path: Path, header: MetaImageHeader) -> int:
    """Count the numbers' bytes a block at a time, and no further than one past what the header needs."""
    inflater, total = zlib.decompressobj(), 0
    try:
        with header.data_path.open("rb") as file:
            while total <= header.num_bytes and not inflater.eof and (block := file.read(65_536)):
                while block and total <= header.num_bytes:
                    total += len(inflater.decompress(block, 1_048_576))
                    block = inflater.unconsumed_tail
    except zlib.error:
        raise ValueError(
            f"{header.data_path} is not a zlib stream, but {path.name} says CompressedData = True; copy it again"
        ) from None
    return total


def _join(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))
