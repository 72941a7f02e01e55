"""The values of a DICOM header, each read by one guarded accessor that names file, tag and value where it is at fault.

pydicom turns a value into a number when it is first asked for, and what is wrong with it comes to light there: a comma
for a point, a unit, several numbers for one, bytes of another alphabet, sequences nested without end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from ..errors import UserError

_SHOWN = 40  # characters of a faulty value


class DicomHeader:
    """What a file, or an item of one of its sequences, says.

    Args:
        path: the file, for messages.
        dataset: pydicom's.
    """

    def __init__(self, path: Path, dataset: Dataset) -> None:
        """See the class."""
        self.path = path
        self.dataset = dataset

    def __contains__(self, name: str) -> bool:
        """Whether the tag is there, with a value or without."""
        return name in self.dataset

    def is_empty(self, name: str) -> bool:
        """Whether the tag is there and has no value."""
        return name in self.dataset and self._value(name) is None

    def number(self, name: str) -> float | None:
        """One finite number, None where there is none.

        Raises:
            ValueError: it is no number, not finite, or there are several.
        """
        value = self._value(name)
        if value is None:
            return None
        if isinstance(value, MultiValue | list | tuple):
            raise self.fault(name, f"{len(value)} values where one is expected")
        return self._finite(name, value)

    def integer(self, name: str) -> int | None:
        """One whole number, None where there is none.

        Raises:
            ValueError: it is no whole number, or there are several.
        """
        value = self.number(name)
        if value is not None and value != int(value):
            raise self.fault(name, "no whole number")
        return None if value is None else int(value)

    def numbers(self, name: str, count: int) -> tuple[float, ...] | None:
        """Exactly ``count`` finite numbers, None where there is none.

        Raises:
            ValueError: a value is no number or not finite, or there are more or fewer.
        """
        value = self._value(name)
        if value is None:
            return None
        values = list(value) if isinstance(value, MultiValue | list | tuple) else [value]
        if len(values) != count:
            raise self.fault(name, f"{len(values)} value(s) where {count} are expected")
        return tuple(self._finite(name, each) for each in values)

    def whole_numbers(self, name: str) -> tuple[int, ...]:
        """Whole numbers, however many.

        Raises:
            ValueError: a value is no whole number.
        """
        value = self._value(name)
        values = [] if value is None else list(value) if isinstance(value, MultiValue | list | tuple) else [value]
        numbers = [self._finite(name, each) for each in values]
        if any(number != int(number) for number in numbers):
            raise self.fault(name, "no whole number")
        return tuple(int(number) for number in numbers)

    def text(self, name: str) -> str:
        """One word, such as a UID or a defined term; empty where there is none.

        Raises:
            ValueError: it can't be decoded, or there are several.
        """
        value = self._value(name)
        if isinstance(value, MultiValue | list | tuple):
            raise self.fault(name, f"{len(value)} values where one is expected")
        return "" if value is None else str(value).strip()

    def content(self, name: str) -> bytes:
        """The bytes of a table, none where there is none.

        Raises:
            ValueError: its value is of another kind.
        """
        value = self._value(name)
        if value is not None and not isinstance(value, bytes):
            raise self.fault(name, "no bytes")
        return value or b""

    def words(self, name: str) -> str:
        """Free text that is compared or shown and never refused; what can't be decoded is replaced."""
        raw = self._raw(name)
        if isinstance(raw, bytes):
            return raw.decode("utf-8", errors="replace").strip(" \0")
        return "" if raw is None else str(raw).strip()

    def items(self, name: str) -> list[DicomHeader]:
        """The items of a sequence, none where there is none.

        Raises:
            ValueError: it is damaged, or nested too deeply.
        """
        value = self._value(name)
        try:
            return [DicomHeader(self.path, item) for item in value or () if isinstance(item, Dataset)]
        except Exception:  # items, too, are read when they are asked for
            raise self.fault(name, "damaged or nested too deeply") from None

    def item(self, name: str) -> DicomHeader | None:
        """The one item of a sequence, None where there is none.

        Raises:
            ValueError: there are several.
        """
        items = self.items(name)
        if len(items) > 1:
            raise self.fault(name, f"{len(items)} items where one is expected")
        return items[0] if items else None

    @cached_property
    def per_frame(self) -> list[DicomHeader]:
        """For each frame its functional groups."""
        return self.items("PerFrameFunctionalGroupsSequence")

    @cached_property
    def shared(self) -> DicomHeader | None:
        """The functional groups that all frames share."""
        return self.item("SharedFunctionalGroupsSequence")

    def of_frame(self, index: int, group: str, names: Sequence[str]) -> DicomHeader:
        """What holds for a frame: its own functional group, else that shared by all, else the top of the header.

        Args:
            index: of the frame, from 0.
            group: the functional group's sequence.
            names: tags that are looked for; the first level that has one of them is taken, whole.

        Raises:
            ValueError: a group has several items, or there is none for this frame where other frames have one.
        """
        if self.per_frame and index >= len(self.per_frame):
            raise self.fault("PerFrameFunctionalGroupsSequence", f"{len(self.per_frame)} items, fewer than frames")
        for level in (self.per_frame[index] if self.per_frame else None, self.shared):
            held = level.item(group) if level is not None else None
            if held is not None and any(name in held for name in names):
                return held
        return self

    def fault(self, name: str, what: str, remedy: str = "correct it or export the file again") -> UserError:
        """The error that names file, tag and value.

        Args:
            name: the tag's keyword.
            what: is wrong with it.
            remedy: what to do.
        """
        tag = Tag(tag_for_keyword(name) or 0)
        return UserError(
            f": {name} ({tag.group:04X},{tag.element:04X}) is {self._shown(name, what)}; {remedy}", path=self.path
        )

    def _shown(self, name: str, what: str) -> str:
        raw = self._raw(name)
        several = isinstance(raw, MultiValue | list | tuple)
        if raw is None or (isinstance(raw, Sequence) and any(isinstance(item, Dataset) for item in list(raw)[:1])):
            return what
        if isinstance(raw, bytes):
            raw = raw.decode("ascii", errors="backslashreplace")
        text = " ".join(("\\".join(map(str, raw)) if several else str(raw)).strip(" \0").split())
        return f"'{text[:_SHOWN]}{'...' if len(text) > _SHOWN else ''}', {what}"

    def _raw(self, name: str) -> Any:
        """A value as it stands in the file, bytes where pydicom has not been asked for it yet."""
        try:
            element = self.dataset.get_item(name)
            unread_items = element is None or (element.VR == "SQ" and isinstance(element.value, bytes))
            return None if element is None or unread_items else element.value
        except Exception:
            return None

    def _value(self, name: str) -> Any:
        """The value as pydicom reads it, None where the tag is missing or empty."""
        if name not in self.dataset:
            return None
        try:
            value = self.dataset[name].value
        except Exception as error:  # conversion fails in a dozen kinds of error
            deep = isinstance(error, RecursionError)
            raise self.fault(name, "nested too deeply" if deep else "not readable as what it is to be") from None
        empty = value is None or (isinstance(value, str | bytes | MultiValue | Sequence) and len(value) == 0)
        return None if empty else value

    def _finite(self, name: str, value: Any) -> float:
        if "_" in str(getattr(value, "original_string", "")):  # which Python takes, and no other reader
            raise self.fault(name, "no number")
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise self.fault(name, "no number") from None
        if not math.isfinite(number):
            raise self.fault(name, "not finite")
        return number
