"""Which class each value or colour of a mask is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError

Key = int | str
_COLOUR = re.compile("(?:#|::)([0-9a-fA-F]{6})")  # "::", since MONAI's configurations give "#" so
# By so much do whole numbers differ from themselves after the slope of a header, or a resampling onto their own grid.
WHOLE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class LabelTable:
    """From the values or colours of a mask to class indices.

    Args:
        classes: for each class the mask's values that mean it, or its colours, each as "#rrggbb".
        ignored: values or colours that belong to no class.
    """

    classes: tuple[tuple[Key, ...], ...]
    ignored: tuple[Key, ...] = ()

    @classmethod
    def of(cls, classes: Sequence[Key | Sequence[Key]], ignored: Sequence[Key] = ()) -> LabelTable:
        """Make a table from a list that gives each class one value or colour, or several, and check it.

        >>> LabelTable.of([0, [128, 255]])
        LabelTable(classes=((0,), (128, 255)), ignored=())

        Raises:
            ValueError: a value or colour is written wrongly, stands twice, or both kinds are mixed.
        """
        table = cls(tuple(_keys(entry) for entry in classes), tuple(ignored))
        keys = [key for keys in (*table.classes, table.ignored) for key in keys]
        numbers = [_number(key) for key in keys]
        if len({isinstance(key, str) for key in keys}) > 1:
            raise UserError(f"a label table holds values or colours, not both; got {keys}")
        if len(set(numbers)) < len(numbers):
            twice = next(key for key, n in zip(keys, numbers, strict=True) if numbers.count(n) > 1)
            raise UserError(f"a label table names each value or colour once, {twice!r} stands in it twice")
        if not all(table.classes):
            raise UserError("a label table gives every class at least one value or colour")
        return table

    @property
    def coloured(self) -> bool:
        """Whether masks are told apart by colour."""
        return isinstance(self.classes[0][0], str)

    def look_up(self, mask: NDArray[Any]) -> tuple[NDArray[np.int16], list[str]]:
        """Turn a mask into class indices.

        Args:
            mask: (X, Y, Z) of values, or (X, Y, Z, 3) of colours.

        Returns:
            (X, Y, Z) of class indices, -1 where the value is to be ignored, -2 where it is not in the table; and the
            values or colours that are not in the table, as people write them.
        """
        packed = _pack(mask) if self.coloured else whole_numbers(mask)
        known = {_number(key): index for index, keys in enumerate(self.classes) for key in keys}
        known |= {_number(key): -1 for key in self.ignored}
        if packed.dtype == np.uint8:  # four times as fast as sorting
            values = np.flatnonzero(np.bincount(packed.ravel(), minlength=256))
            classes = np.array([known.get(value, -2) for value in range(256)], dtype=np.int16)
            found, mapped = classes[values], classes[packed]
        else:
            values, inverse = np.unique(packed, return_inverse=True)
            found = np.array([known.get(value, -2) for value in values.tolist()], dtype=np.int16)
            mapped = found[inverse].reshape(packed.shape)
        strange = [f"#{int(v):06x}" if self.coloured else str(v).removesuffix(".0") for v in values[found == -2]]
        return mapped, strange


def whole_numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Floating numbers, of which those within ``WHOLE_TOLERANCE`` of a whole number are made whole; others stay.

    >>> whole_numbers(np.array([0.0, 0.99999, 1.5])).tolist()
    [0.0, 1.0, 1.5]
    """
    if values.dtype.kind != "f":
        return values
    rounded: NDArray[Any] = np.rint(values)
    with np.errstate(invalid="ignore"):  # infinite numbers stay what they are
        return np.where(np.abs(values - rounded) <= WHOLE_TOLERANCE, rounded, values)


def _keys(entry: Key | Sequence[Key]) -> tuple[Key, ...]:
    return (entry,) if isinstance(entry, str) or not isinstance(entry, Sequence) else tuple(entry)


def _number(key: Key) -> int:
    if isinstance(key, int) and not isinstance(key, bool):
        return key
    if isinstance(key, str) and (match := _COLOUR.fullmatch(key)):
        return int(match[1], 16)
    raise UserError(f"a label table holds whole numbers or colours such as '#00ff80', got {key!r}")


def _pack(mask: NDArray[Any]) -> NDArray[np.int32]:
    red, green, blue = (mask[..., i].astype(np.int32) for i in range(3))
    packed: NDArray[np.int32] = (red << 16) | (green << 8) | blue
    return packed
