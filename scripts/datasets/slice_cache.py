"""Decoded slices kept in memory, within a share of what is free, for a process and the loader workers it forks.

MONAI's ``CacheDataset`` counts items and no bytes, decodes all of them before the first step, keeps float32 (four times
the bytes), and a worker can't add to it. Here a slice is decoded when it is first read, whoever reads it, and kept in
the depth of its PNG file.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError

MEMORY, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
Arrays = tuple[NDArray[Any], ...]


class SliceCache:
    """Arrays of equal form under the names of their files.

    The memory is shared with processes that are forked (``num_workers``): what one has decoded none decodes again, with
    persistent workers and without. It is taken from the system only where something is written. What finds no place is
    decoded at every epoch. Where processes are not forked each worker decodes as if there were no cache.

    Args:
        names: of all that may be kept, those that shall have a place first.
        forms: shape and dtype of each array of an entry.
        share: of the memory that is free now, at least 0 and below 1; 0 keeps nothing.

    Raises:
        ValueError: ``share`` is out of range.
    """

    def __init__(self, names: Iterable[str], forms: Iterable[tuple[tuple[int, ...], Any]], share: float) -> None:
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
            raise UserError(f"cache_share must be a number >= 0 and below 1, got {share!r}; set another --cache_share")
        self._forms = [(tuple(shape), np.dtype(dtype)) for shape, dtype in forms]
        self._bytes = sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in self._forms)
        names = list(dict.fromkeys(names))
        places = min(len(names), int(share * free_memory()) // (self._bytes + 1))
        self._places = {name: place for place, name in enumerate(names[:places])}
        self._memory: Any = mmap.mmap(-1, places * (self._bytes + 1)) if places else None
        self._flags = places * self._bytes  # one byte an entry, behind all entries: whether it is there

    def __len__(self) -> int:
        """How many entries have a place."""
        return len(self._places) if self._memory is not None else 0

    def read(self, name: str, decode: Callable[[], Arrays]) -> Arrays:
        """The arrays under a name; the caller must not write into them.

        Args:
            name: of the entry.
            decode: makes the arrays where they are not there; they must have the cache's forms.
        """
        place = self._places.get(name) if self._memory is not None else None
        if place is None:
            return decode()
        if not self._memory[self._flags + place]:
            arrays = decode()
            content = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
            self._memory[place * self._bytes : (place + 1) * self._bytes] = content
            self._memory[self._flags + place] = 1  # last: a worker that is killed before leaves nothing behind
            return arrays
        return self._views(place * self._bytes)

    def _views(self, offset: int) -> Arrays:
        views = []
        for shape, dtype in self._forms:
            count = int(np.prod(shape))
            views.append(np.frombuffer(self._memory, dtype, count, offset).reshape(shape))
            offset += count * dtype.itemsize
        return tuple(views)

    def __getstate__(self) -> dict[str, Any]:
        """For a process that is not forked: without the memory."""
        return {**self.__dict__, "_memory": None}


def free_memory() -> int:
    """Bytes that this process could take: those the system has, or its control group's limit where that is less."""
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        lines = dict(line.split(":") for line in MEMORY.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass  # no Linux: all that there is
    try:
        limit, used = (int((CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):
        return free  # no limit
    return min(free, max(limit - used, 0))
