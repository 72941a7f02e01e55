"""ITK, loaded once and used by one thread at a time.

It loads its modules at first use, and two threads that do so at once bring the process down.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import itk
import numpy as np
from numpy.typing import NDArray

_LOCK = threading.Lock()


@contextmanager
def itk_alone() -> Iterator[None]:
    """Hold ITK for this thread, its modules loaded."""
    with _LOCK:
        _load()
        yield


def read_samples_of_16_bits(path: Path) -> NDArray[np.uint16]:
    """The numbers of a picture as (rows, columns, channels), which Pillow would cut to 8 bits in colour or with alpha.

    Raises:
        RuntimeError: ITK can't read it.
    """
    with itk_alone():
        reader = itk.ImageFileReader[itk.VectorImage[itk.US, 2]].New(FileName=str(path))
        reader.Update()
        samples: NDArray[np.uint16] = itk.array_from_image(reader.GetOutput())
    return samples


@cache
def _load() -> None:
    """Load ITK's modules, which warn in C: where warnings are errors, the process would end with a memory fault."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "builtin type .* has no __module__ attribute", DeprecationWarning)
        names: tuple[Any, ...] = (itk.ImageFileReader, itk.VectorImage)  # their first look-up loads what reading needs
        del names
