"""The order of the images, as a function of seed and epoch alone, also from the middle of an epoch on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data.distributed import DistributedSampler


class ResumableSampler(DistributedSampler[int]):
    """torch's ``DistributedSampler`` that can leave out what an interrupted epoch has had already.

    Args:
        dataset: anything with the length of the data set.
        num_replicas: processes that train together.
        rank: which of them this one is.
        settings: ``shuffle``, ``seed`` and ``drop_last`` of torch's sampler.

    >>> sampler = ResumableSampler(range(6), seed=1)
    >>> whole = list(sampler)
    >>> sampler.skip(4)
    >>> list(sampler) == whole[4:], list(sampler) == whole
    (True, True)
    """

    def __init__(self, dataset: Any, num_replicas: int = 1, rank: int = 0, **settings: Any) -> None:
        super().__init__(dataset, num_replicas=num_replicas, rank=rank, **settings)
        self._skipped = 0

    def skip(self, count: int) -> None:
        """Leave out the first ``count`` indices of the next pass, and of that pass alone."""
        self._skipped = count

    def __iter__(self) -> Iterator[int]:
        """Indices of one pass."""
        skipped, self._skipped = self._skipped, 0
        return iter(list(super().__iter__())[skipped:])
