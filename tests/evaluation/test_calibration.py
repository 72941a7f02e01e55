from __future__ import annotations

import numpy as np
import pytest

from scripts.evaluation.calibration import calibration_counts, expected_calibration_error


def _longhand(claims: list[float], hits: list[bool], num_bins: int = 15) -> float:
    """Sort every pixel into a bin by comparing edges, one at a time."""
    error = 0.0
    for b in range(num_bins):
        inside = [
            (c, h)
            for c, h in zip(claims, hits, strict=True)
            if b / num_bins < c <= (b + 1) / num_bins or (b == 0 and c == 0)
        ]
        if inside:
            claimed, found = (sum(column) / len(inside) for column in zip(*inside, strict=True))
            error += len(inside) / len(claims) * abs(claimed - found)
    return error


def _draw(seed: int, size: int = 400, num_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    odds = np.exp(rng.normal(0, 3, (num_classes, size)))
    return (odds / odds.sum(0)).astype(np.float32), rng.integers(0, num_classes, size)


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_definition_pixel_by_pixel(seed: int) -> None:
    probabilities, label = _draw(seed)
    errors = expected_calibration_error(calibration_counts(probabilities, label))
    for c in range(3):
        assert errors[c] == pytest.approx(_longhand(probabilities[c].tolist(), (label == c).tolist()), abs=1e-12)
    top = probabilities.max(0).tolist(), (probabilities.argmax(0) == label).tolist()
    assert errors[3] == pytest.approx(_longhand(*top), abs=1e-12)


def test_four_pixels_worked_by_hand() -> None:
    # class 1: two pixels claim 0.9, one is right: |0.9 - 0.5| = 0.4; two claim 0.2 and none is right: 0.2
    probabilities = np.array([[0.1, 0.1, 0.8, 0.8], [0.9, 0.9, 0.2, 0.2]])
    label = np.array([1, 0, 0, 0])
    errors = expected_calibration_error(calibration_counts(probabilities, label))
    assert errors[1] == pytest.approx((2 * 0.4 + 2 * 0.2) / 4)
    # top label: 0.9 with one of two right, 0.8 with both right
    assert errors[2] == pytest.approx((2 * 0.4 + 2 * 0.2) / 4)


def test_errors_of_one_bin_row_of_one_pixel_and_of_many_images_at_once() -> None:
    one = calibration_counts(np.array([[0.3], [0.7]]), np.array([1]))
    assert expected_calibration_error(one) == pytest.approx([0.3, 0.3, 0.3])
    assert expected_calibration_error(one[1]) == pytest.approx(0.3)
    assert expected_calibration_error(np.stack([one, 2 * one])) == pytest.approx(np.full((2, 3), 0.3))


def test_bins_hold_their_upper_edge_and_zero_and_one_have_a_bin() -> None:
    third = 5 / 15
    counts = calibration_counts(np.array([[third, np.nextafter(third, 1), 0.0, 1.0]]), np.zeros(4, int))
    assert np.flatnonzero(counts[0, :, 0]).tolist() == [0, 4, 5, 14]


def test_sums_over_batches_are_the_counts_of_all() -> None:
    probabilities, label = _draw(0)
    whole = calibration_counts(probabilities, label)
    parts = [calibration_counts(probabilities[:, i : i + 50], label[i : i + 50]) for i in range(0, 400, 50)]
    np.testing.assert_allclose(np.sum(parts, axis=0), whole, rtol=1e-12)
    assert expected_calibration_error(np.sum(parts, axis=0)) == pytest.approx(expected_calibration_error(whole))


def test_an_ignored_pixel_counts_like_a_deleted_one() -> None:
    probabilities, label = _draw(1)
    ignored = np.arange(400) % 3 == 0
    counts = calibration_counts(probabilities, np.where(ignored, 255, label), ignore_index=255)
    np.testing.assert_array_equal(counts, calibration_counts(probabilities[:, ~ignored], label[~ignored]))


def test_true_probabilities_have_nearly_no_error_and_sure_mistakes_all_of_it() -> None:
    rng = np.random.default_rng(0)
    claim = rng.random(200_000)
    label = (rng.random(200_000) < claim).astype(int)
    assert expected_calibration_error(calibration_counts(np.stack([1 - claim, claim]), label))[1] < 0.005
    wrong = np.stack([np.ones(10), np.zeros(10)])
    assert expected_calibration_error(calibration_counts(wrong, np.ones(10, int))).tolist() == [1, 1, 1]


def test_no_pixel_has_no_error() -> None:
    assert np.isnan(expected_calibration_error(np.zeros((2, 15, 3)))).all()


def test_agrees_with_monai_but_for_its_single_precision() -> None:
    import torch
    from monai.metrics.calibration import CalibrationErrorMetric

    probabilities, label = _draw(2)
    one_hot = np.stack([label == c for c in range(3)]).astype(np.float32)
    metric = CalibrationErrorMetric(num_bins=15, include_background=True)
    theirs = metric._compute_tensor(torch.from_numpy(probabilities)[None], torch.from_numpy(one_hot)[None])
    ours = expected_calibration_error(calibration_counts(probabilities, label))
    np.testing.assert_allclose(ours[:3], theirs[0], atol=1e-5)
