"""Expected calibration error: how far the network's probabilities are from the frequencies that they claim.

Each image leaves a few counts a bin, from which the errors of any set of images follow; no probability is kept. MONAI's
``calibration_binning`` sums in single precision, which is not exact any more for a large picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NUM_BINS = 15


def calibration_counts(
    probabilities: NDArray[Any], label: NDArray[Any], ignore_index: int | None = None, num_bins: int = NUM_BINS
) -> Floats:
    """Count the pixels of an image by what their probabilities claim.

    Args:
        probabilities: (C, *S), after the softmax.
        label: (*S), true class indices.
        ignore_index: label whose pixels count nowhere.
        num_bins: bins of equal width over 0 to 1, each with its upper edge.

    Returns:
        (C + 1, num_bins, 3): for each class, and last for the greatest of a pixel's probabilities (the top label), in
        each bin the pixels, the sum of their probabilities, and how many of them are of the class.
    """
    num_classes = len(probabilities)
    flat, truth = probabilities.reshape(num_classes, -1).astype(np.float64), label.reshape(-1)
    if ignore_index is not None:
        flat, truth = flat[:, truth != ignore_index], truth[truth != ignore_index]
    top = flat.argmax(0)
    claims = [*flat, flat.max(0)]
    hits = [*(truth == c for c in range(num_classes)), truth == top]
    edges = np.arange(1, num_bins) / num_bins
    counts = np.empty((num_classes + 1, num_bins, 3))
    for row, claim, hit in zip(counts, claims, hits, strict=True):
        bins = np.searchsorted(edges, claim, side="left")
        for column, weights in enumerate((None, claim, hit)):
            row[:, column] = np.bincount(bins, weights, minlength=num_bins)
    return counts


def expected_calibration_error(counts: Floats) -> Floats:
    """Mean over the pixels of a bin's distance between mean probability and frequency.

    Args:
        counts: (..., num_bins, 3), of one image or summed over many.

    Returns:
        (...), 0 to 1; NaN where there is no pixel.

    Reference:
        Guo et al., On calibration of modern neural networks, ICML 2017, equation 3, for the top label; Kumar et al.,
        Verified uncertainty calibration, NeurIPS 2019, for every class by itself.
    """
    pixels = counts[..., 0].sum(-1)
    gaps = np.abs(counts[..., 1] - counts[..., 2]).sum(-1)
    errors: Floats = np.divide(gaps, pixels, out=np.full(pixels.shape, np.nan), where=pixels > 0)
    return errors
