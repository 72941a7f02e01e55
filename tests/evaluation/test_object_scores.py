from __future__ import annotations

import math

import numpy as np
import pytest

from scripts.evaluation.object_scores import ObjectScores, diagonal, score_object
from tests.evaluation.surfaces_longhand import longhand_scores

SPACINGS = [(1.0, 1.0, 1.0), (0.5, 0.5, 3.0), (0.625, 0.7, 3.6), (2.0, 0.3, 0.9)]


def _random_masks(seed: int) -> tuple[np.ndarray, np.ndarray, tuple[float, ...], float]:
    """Boxes with noise on them, in 2-D, 3-D and single slices; some empty, some that touch the border."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(3, 7, size=2 + seed % 2).tolist())
    shape = (*shape[:2], 1) if seed % 10 == 1 else shape
    masks = []
    for _ in range(2):
        low = [int(rng.integers(0, n)) for n in shape]
        high = [int(rng.integers(first, n)) + 1 for first, n in zip(low, shape, strict=True)]
        mask = np.zeros(shape, bool)
        mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = rng.random() < 0.85
        masks.append(mask ^ (rng.random(shape) < rng.choice([0.0, 0.0, 0.0, 0.1, 0.4])))
    spacing = SPACINGS[int(rng.integers(0, 4))] if rng.random() < 0.5 else tuple(rng.uniform(0.2, 4, 3).tolist())
    return masks[0], masks[1], spacing[: len(shape)], float(rng.choice([0.0, 0.5, 1.0, 2.0, 3.0]))


def _two_objects(dims: int) -> tuple[np.ndarray, np.ndarray, tuple[float, ...], float]:
    """The first of the random masks, in so many dimensions, that hold something."""
    drawn = (_random_masks(seed) for seed in range(20, 40))
    return next(masks for masks in drawn if masks[0].ndim == dims and masks[0].any() and masks[1].any())


def test_a_thousand_random_masks_score_as_written_longhand() -> None:
    kinds = {"both": 0, "one": 0, "none": 0, "2-D": 0, "slice": 0}
    for seed in range(1000):
        pred, truth, spacing, tolerance = _random_masks(seed)
        expected = longhand_scores(pred, truth, spacing, tolerance)
        scores = score_object(pred, truth, spacing, tolerance=tolerance)
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-6, err_msg=f"seed {seed}")
        kinds[("none", "one", "both")[int(pred.any()) + int(truth.any())]] += 1
        kinds["2-D"] += pred.ndim == 2
        kinds["slice"] += pred.shape[-1] == 1
    assert min(kinds.values()) >= 4, kinds


def test_cubes_worked_by_hand() -> None:
    truth = np.zeros((6, 6, 6), bool)
    truth[1:3, 1:3, 1:3] = True
    pred = np.roll(truth, 2, axis=0)
    # spacing 1, 1, 3: a face across x has the area 3, across y 3, across z 1; 8 of each: 56 in all.
    # From truth to prediction, which is 2 voxels on: the faces across x at 0.5 are 2 away from those at 2.5, those at
    # 2.5 are on them. Across y the centres at x = 1 and 2 have their likes at 3 and 4: 2 and 1 away. Across z the same.
    # The distances are thus 0 (area 12), 1 (area 12 + 4), 2 (area 12 + 12 + 4), but a nearer face may be another's:
    # at x = 2, y = 0.5 the nearest is (2.5, 1): sqrt(.25 + .25) = .707; at z likewise sqrt(.25 + 1.5^2) > 1.
    # At x = 1 the face (2.5, 1) is sqrt(1.5^2 + .25) = 1.58 from y = 0.5, and 2.12 from z = 0.5 (3 mm thick): so 2.
    scores = score_object(pred, truth, (1, 1, 3), tolerance=1.0)
    areas = {0.0: 12, math.sqrt(0.5): 12, 1.0: 4, math.sqrt(2.5): 12, 2.0: 12 + 4}
    assert sum(areas.values()) == 56
    assert scores.hd95 == 2
    assert scores.assd == pytest.approx(sum(d * a for d, a in areas.items()) / 56, abs=1e-12)
    assert scores.surface_dice == pytest.approx((12 + 12 + 4) / 56, abs=1e-12)
    assert (scores.volume_difference, scores.volume_difference_relative) == (0, 0)


def test_a_missed_and_an_invented_object_are_the_worst_and_two_empty_masks_have_no_score() -> None:
    full, empty = np.zeros((30, 40, 4), bool), np.zeros((30, 40, 4), bool)
    full[3:5, 3:5, 1:3] = True
    spacing = (1.0, 1.0, 30.0)  # 30 mm, 40 mm, 120 mm: the diagonal is 130 mm
    assert diagonal((30, 40, 4), spacing) == 130
    assert score_object(empty, full, spacing, tolerance=2) == ObjectScores(130, 130, 0, -240, -2)
    assert score_object(full, empty, spacing, tolerance=2) == ObjectScores(130, 130, 0, 240, 2)
    assert all(math.isnan(score) for score in score_object(empty, empty, spacing, tolerance=2))


def test_no_object_that_is_there_scores_worse_than_a_missed_one() -> None:
    pred, truth = np.zeros((5, 6, 7), bool), np.zeros((5, 6, 7), bool)
    pred[0, 0, 0] = truth[-1, -1, -1] = True
    scores = score_object(pred, truth, (0.5, 2, 3), tolerance=0)
    assert scores.hd95 < diagonal((5, 6, 7), (0.5, 2, 3))
    assert scores.surface_dice == 0


def test_equal_masks_have_no_distance_and_roles_swap_only_the_sign_of_volumes() -> None:
    pred, truth, spacing, tolerance = _two_objects(2)
    assert score_object(truth, truth, spacing, tolerance=0) == ObjectScores(0, 0, 1, 0, 0)
    forth, back = (score_object(*pair, spacing, tolerance=tolerance) for pair in ((pred, truth), (truth, pred)))
    np.testing.assert_allclose(forth[:3], back[:3], atol=1e-12)
    np.testing.assert_allclose(forth[3:], np.negative(back[3:]), atol=1e-12)


def test_a_shift_of_exactly_the_tolerance_is_within_it_whatever_the_rounding() -> None:
    truth = np.zeros((60, 60), bool)
    truth[10:40, 10:40] = True
    pred = truth.copy()
    pred[7:10, 10:40] = True  # three rows more
    # 3 * 0.6 is less than 1.8 in floating point, and 3 * 0.1 more than 0.3
    for step in (0.6, 0.1, 0.7):
        assert score_object(pred, truth, (step, step), tolerance=round(3 * step, 6)).surface_dice == 1
        assert score_object(pred, truth, (step, step), tolerance=2.9 * step).surface_dice < 1
    # 30 of the 126 lengths of the prediction's outline are 3 rows off: more than 5 %
    assert score_object(pred, truth, (1, 1), tolerance=0).hd95 == 3


def test_axes_may_be_swapped_together_with_the_spacing() -> None:
    pred, truth, spacing, tolerance = _two_objects(3)
    turned = score_object(pred.T, truth.T, spacing[::-1], tolerance=tolerance)
    np.testing.assert_allclose(turned, score_object(pred, truth, spacing, tolerance=tolerance), atol=1e-12)


def test_a_single_slice_is_a_picture() -> None:
    pred, truth, spacing, _ = _two_objects(2)
    flat = score_object(pred, truth, spacing, tolerance=1)
    slab = score_object(pred[..., None], truth[..., None], (*spacing, 5.0), tolerance=1)
    assert slab[:3] == flat[:3]
    assert slab.volume_difference == pytest.approx(5 * flat.volume_difference)


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # of MONAI's call of itself
def test_with_equal_steps_distances_are_those_of_monai_but_for_half_a_voxel_s_diagonal() -> None:
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    grid = np.stack(np.meshgrid(*[np.arange(40)] * 3, indexing="ij"))
    pred, truth = (((grid - middle) ** 2).sum(0) <= radius**2 for middle, radius in ((19, 11), (21, 13)))
    ours = score_object(pred, truth, (1, 1, 1), tolerance=1)
    theirs = [torch.from_numpy(mask)[None, None].float() for mask in (pred, truth)]
    hd95 = float(compute_hausdorff_distance(*theirs, include_background=True, percentile=95))
    assd = float(compute_average_surface_distance(*theirs, include_background=True, symmetric=True))
    assert ours.hd95 == pytest.approx(hd95, abs=math.sqrt(3) / 2)
    assert ours.assd == pytest.approx(assd, abs=math.sqrt(3) / 2)


@pytest.mark.parametrize(
    ("shape", "spacing", "tolerance", "message"),
    [
        ((4, 5), (1, 1), 1, "pred, truth and spacing must agree"),
        ((4, 4), (1, 1, 1), 1, "pred, truth and spacing must agree"),
        ((4, 4), (1, 0), 1, "spacing must be > 0 and tolerance >= 0"),
        ((4, 4), (1, math.nan), 1, "spacing must be > 0 and tolerance >= 0"),
        ((4, 4), (1, 1), -1, "spacing must be > 0 and tolerance >= 0, got .* and -1"),
    ],
)
def test_what_does_not_fit_is_refused(
    shape: tuple[int, ...], spacing: tuple[float, ...], tolerance: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        score_object(np.ones(shape, bool), np.ones((4, 4), bool), spacing, tolerance=tolerance)


def _ellipsoid(grid: np.ndarray, middle: np.ndarray, radii: np.ndarray) -> np.ndarray:
    return (((grid - middle[:, None, None, None]) / radii[:, None, None, None]) ** 2).sum(0) <= 1


def _dense_surface(middle: np.ndarray, radii: np.ndarray, count: int = 10_000) -> tuple[np.ndarray, np.ndarray]:
    """Points all over an ellipsoid, with the area that each stands for but for a common factor."""
    steps = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * steps / count), np.pi * (1 + 5**0.5) * steps
    sphere = np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], axis=1)
    return middle + sphere * radii, np.linalg.norm(sphere / radii, axis=1)


def test_in_thick_slices_faces_come_nearer_to_the_true_distances_than_border_voxels() -> None:
    from scipy.ndimage import binary_erosion
    from scipy.spatial import KDTree

    spacing, size = np.array([0.5, 0.5, 3.0]), np.array([140, 140, 24])
    grid = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) * s for n, s in zip(size, spacing, strict=True)], indexing="ij"))
    errors = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        one, radii = size * spacing / 2 + rng.uniform(-2, 2, 3), rng.uniform(15, 24, 3)
        shapes = [(one, radii), (one + rng.uniform(-3, 3, 3), radii * rng.uniform(0.85, 1.15, 3))]
        (a, wa), (b, wb) = (_dense_surface(*shape) for shape in shapes)
        wa, wb = (w * np.prod(shape[1]) for w, shape in zip((wa, wb), shapes, strict=True))
        true = (KDTree(b).query(a)[0] @ wa + KDTree(a).query(b)[0] @ wb) / (wa.sum() + wb.sum())
        pred, truth = (_ellipsoid(grid, *shape) for shape in shapes)
        faces = score_object(pred, truth, spacing, tolerance=2).assd
        border = [np.argwhere(mask & ~binary_erosion(mask)) * spacing for mask in (pred, truth)]
        voxels = np.concatenate([KDTree(border[i]).query(border[1 - i])[0] for i in (0, 1)]).mean()
        errors.append((faces - true, voxels - true))
    of_faces, of_voxels = np.sqrt(np.square(errors).mean(0))
    assert of_faces < 0.6 * of_voxels
