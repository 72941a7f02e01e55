"""The same work for many cases at once, with a progress bar."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from tqdm import tqdm
from tqdm.contrib.concurrent import thread_map

from ..errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_in_threads(
    work: Callable[[Item], Result], items: Sequence[Item], *, title: str, num_workers: int | None = None
) -> list[Result]:
    """Tqdm's ``thread_map`` with a thread per core; the first fault in order of the items ends it and is raised here.

    Threads, since NumPy, torch, zlib and the disk work without Python's lock, and since processes would each spend
    seconds on importing MONAI. The bar shows on a terminal only.

    Args:
        work: called with one item; must not depend on the order of the calls.
        items: what to work on.
        title: stands before the bar.
        num_workers: threads; None or 0 takes a thread per core.

    Returns:
        What ``work`` returned, in order of the items.
    """
    if num_workers is not None and num_workers < 0:
        raise UserError(f"num_workers must be >= 0, got {num_workers}")
    workers = num_workers or len(os.sched_getaffinity(0))
    results: list[Result] = thread_map(
        work, items, max_workers=workers, desc=title, unit="case", disable=None, tqdm_class=tqdm
    )
    return results
