"""Augmentation whose draws follow from the seed, the epoch and the image alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from monai.transforms import Compose, RandAffined, RandFlipd, RandScaleIntensityd, RandShiftIntensityd
from monai.utils import ensure_tuple_rep
from torch.utils.data.distributed import DistributedSampler


class SeededAugmentation:
    """Applies random transforms, seeded again for every image of every epoch.

    MONAI's random transforms carry their state from one image to the next: what an image undergoes hangs on the number
    of worker processes and on where a training was resumed. Here every loss, every number of workers and every resumed
    training sees the same images.

    Args:
        transforms: random dictionary transforms of MONAI.
        sampler: of the training; its epoch, which MONAI's trainer sets, is the epoch.
        seed: of the training.
    """

    def __init__(
        self, transforms: Sequence[Callable[..., Any]], sampler: DistributedSampler[Any], seed: int = 0
    ) -> None:
        self.transform = Compose(transforms)
        self.sampler = sampler
        self.seed = seed

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Augment one image, known by its ``case_index`` and ``slice``."""
        entropy = [self.seed, self.sampler.epoch, int(data["case_index"]), int(data["slice"])]
        state = np.random.SeedSequence(entropy).generate_state(1)
        self.transform.set_random_state(seed=int(state[0]))
        augmented: dict[str, Any] = self.transform(data)
        return augmented


def random_transforms(image_size: int | Sequence[int]) -> list[Callable[..., Any]]:
    """Flips from left to right, small turns, scalings and shifts, and small changes of intensity; each with p = 0.5.

    Args:
        image_size: pixels along x and y, or one number for both.
    """
    both = ["image", "label"]
    affine = RandAffined(
        both,
        prob=0.5,
        rotate_range=0.17,  # rad, 10 degrees
        scale_range=[0.1, 0.1],
        translate_range=[0.05 * size for size in ensure_tuple_rep(image_size, 2)],  # pixels
        mode=["bilinear", "nearest"],
        padding_mode="border",  # no value, and no class, that the image does not have
    )
    return [
        RandFlipd(both, prob=0.5, spatial_axis=0),  # axes are x, y
        affine,
        RandScaleIntensityd("image", factors=0.1, prob=0.5),
        RandShiftIntensityd("image", offsets=0.1, prob=0.5),
    ]
