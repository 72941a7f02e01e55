"""Dual Focal Loss by a small C++ kernel, built once for a machine and kept in the user's cache folder.

About a second of g++ at the first use, milliseconds later. The folder is ``$XDG_CACHE_HOME/dual_focal_loss``,
``~/.cache/dual_focal_loss`` without that variable; deleting it is safe. Where it can't be written, or the user has no
home, every process builds one for itself.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from .closed_form import Terms

SOURCE = Path(__file__).with_name("kernel.cpp")
COMPILE = ["-O3", "-march=native", "-ffast-math", "-fno-associative-math", "-fopenmp", "-fPIC", "-std=c++17"]
LINK = ["-shared", "-fopenmp"]
"""Linked in a step of its own: gcc's -ffast-math at link time would flush denormals in the whole process."""
BLOCK = 256
"""Voxels in one block of the kernel, ``kBlock`` there."""


def compiler() -> str | None:
    """The C++ compiler that ``CXX`` names, else g++; None where there is none."""
    return shutil.which(os.environ.get("CXX", "g++"))


def takes(logits: Tensor, terms: Terms) -> bool:
    """Whether the kernel takes the logits: float32 on a CPU with gamma = 1, and a backend that allows it."""
    fits = logits.dtype == torch.float32 and logits.device.type == "cpu" and terms.gamma == 1.0
    return fits and (terms.backend == "compiled" or (terms.backend == "auto" and is_available()))


@functools.cache
def is_available() -> bool:
    """Whether this machine has the kernel or can build it; a compiler that fails is told once."""
    if compiler() is None:
        return False
    try:
        kernel()
    except (RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(":")
        warnings.warn(f"the dual focal loss is computed without its kernel: {reason}", RuntimeWarning, stacklevel=2)
        return False
    return True


def compiled_dual_focal(
    logits: Tensor, index: Tensor, valid: Tensor | None, terms: Terms, divisor: int, wants: tuple[bool, bool]
) -> tuple[Tensor, Tensor | None, Tensor | None] | None:
    """Sum of the values over ``divisor``, gradient (B, C, N) and values (B, 1, N), each as wanted.

    None where a voxel's logits are too far apart for the kernel, which is rare: the caller then takes another way.

    Args:
        logits: (B, C, N), float32.
        index: (B, 1, N), int64.
        valid: (B, 1, N) or None.
        terms: parameters.
        divisor: of value and gradient.
        wants: whether gradient and values are asked for.
    """
    logits, index = logits.contiguous(), index.contiguous()
    valid = None if valid is None else valid.contiguous()
    factors = None if terms.factors is None else terms.factors.float().contiguous()
    batch, classes, size = logits.shape
    gradient = torch.empty_like(logits) if wants[0] else None
    values = torch.empty(batch, 1, size) if wants[1] else None
    sums = torch.zeros(batch * -(-size // BLOCK), dtype=torch.float64)
    pointers = [t if t is None else t.data_ptr() for t in (logits, index, valid, factors, gradient, values, sums)]
    refused = kernel()(*pointers, batch, classes, size, terms.alpha, terms.beta, 1.0 / divisor, torch.get_num_threads())
    return None if refused else ((sums.sum() / divisor).float(), gradient, values)


@functools.cache
def kernel() -> Callable[..., int]:
    """The kernel, built if this machine has not built it yet.

    Raises:
        RuntimeError: there is no compiler, or it fails.
    """
    program = compiler()
    if program is None:
        raise RuntimeError('backend "compiled" needs a C++ compiler: install g++, set CXX, or take backend "eager"')
    # -march=native means another thing on another processor: its macros belong to the name
    target = subprocess.run([program, "-march=native", "-dM", "-E", "-x", "c++", os.devnull], capture_output=True)
    name = hashlib.sha256(b"\0".join([SOURCE.read_bytes(), " ".join(COMPILE + LINK).encode(), target.stdout]))
    file = f"{name.hexdigest()[:32]}.so"
    folder = _cache_folder()
    if folder is None:
        with tempfile.TemporaryDirectory() as scratch:  # a loaded library needs its file no more
            _build(program, Path(scratch) / file)
            library = ctypes.CDLL(str(Path(scratch) / file))
    else:
        if not (folder / file).is_file():
            _build(program, folder / file)
        library = ctypes.CDLL(str(folder / file))
    function = library.dual_focal
    function.restype = ctypes.c_int64
    function.argtypes = [ctypes.c_void_p] * 7 + [ctypes.c_int64] * 3 + [ctypes.c_float] * 3 + [ctypes.c_int]
    return function


def _cache_folder() -> Path | None:
    """The folder of built kernels; None where there can be none."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dual_focal_loss"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (RuntimeError, OSError):  # no home, or one that can't be written
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _build(program: str, library: Path) -> None:
    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:  # processes that build at once do not meet
        built, linked = Path(scratch) / "kernel.o", Path(scratch) / "kernel.so"
        for command in ([*COMPILE, "-c", SOURCE, "-o", built], [built, *LINK, "-o", linked]):
            done = subprocess.run([program, *map(str, command)], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f'{program} cannot build {SOURCE.name}; take backend "eager":\n{done.stderr}')
        os.replace(linked, library)
