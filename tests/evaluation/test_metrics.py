from __future__ import annotations

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor

from scripts.evaluation.metrics import OverlapScores, dice_and_iou, mean_over, overlap_counts, sum_by_case


def test_counts_of_an_image_worked_by_hand() -> None:
    label = torch.tensor([[0, 0, 1], [1, 2, 2]])
    pred = torch.tensor([[0, 1, 1], [1, 2, 0]])
    # class 0: hit (0,0); (1,2) is said to be 0 wrongly; (0,1) is missed. class 1: two hits, (0,1) wrongly. class 2:
    # one hit, one missed
    assert overlap_counts(pred, label, 3, None).tolist() == [[1, 1, 1], [2, 1, 0], [1, 0, 1]]


def test_an_ignored_pixel_counts_like_a_deleted_one() -> None:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, 3, (500,), generator=generator)
    pred = torch.randint(0, 3, (500,), generator=generator)
    ignored = torch.rand(500, generator=generator) < 0.3
    masked = torch.where(ignored, 255, label)
    assert overlap_counts(pred, masked, 3, 255).equal(overlap_counts(pred[~ignored], label[~ignored], 3, None))


def test_scores_equal_the_definitions_on_sets() -> None:
    rng = np.random.default_rng(0)
    label, pred = rng.integers(0, 3, 400), rng.integers(0, 3, 400)
    dice, iou = dice_and_iou(overlap_counts(torch.from_numpy(pred), torch.from_numpy(label), 3, None).numpy())
    for c in range(3):
        truth, said = set(np.flatnonzero(label == c)), set(np.flatnonzero(pred == c))
        assert dice[c] == pytest.approx(2 * len(truth & said) / (len(truth) + len(said)), abs=1e-12)
        assert iou[c] == pytest.approx(len(truth & said) / len(truth | said), abs=1e-12)


def test_a_class_that_nobody_sees_has_no_score_and_a_false_alarm_scores_zero() -> None:
    dice, iou = dice_and_iou(np.array([[0, 0, 0], [0, 5, 0]]))
    assert np.isnan(dice[0])
    assert np.isnan(iou[0])
    assert dice[1] == iou[1] == 0
    assert mean_over(np.array([[np.nan, 0.0], [np.nan, 1.0]])).tolist() == pytest.approx([np.nan, 0.5], nan_ok=True)


def test_a_case_is_the_sum_of_its_slices() -> None:
    counts = np.arange(12).reshape(4, 1, 3)
    total, names = sum_by_case(counts, np.array([7, 3, 7, 3]))
    assert names.tolist() == [3, 7]
    assert total.tolist() == [[[3 + 9, 4 + 10, 5 + 11]], [[0 + 6, 1 + 7, 2 + 8]]]


def _evaluate(images: list[tuple[int, int, list[int], list[int]]], **options: object) -> Engine:
    """Run the metric over (case, slice, truth, prediction), two images per batch."""

    def step(engine: Engine, batch: list[tuple[int, int, list[int], list[int]]]) -> list[dict[str, MetaTensor]]:
        engine.state.batch = [{"case_index": case, "slice": place} for case, place, _, _ in batch]
        return [{"label": MetaTensor(torch.tensor([t])), "pred": MetaTensor(torch.tensor([p]))} for _, _, t, p in batch]

    engine = Engine(step)
    OverlapScores(**{"labels": ["background", "prostate"], **options}).attach(engine, "dice/mean")
    engine.run([images[i : i + 2] for i in range(0, len(images), 2)])
    return engine


def test_the_evaluator_reports_per_case_per_image_and_pooled() -> None:
    images = [
        (0, 0, [1, 1, 0, 0], [1, 0, 0, 0]),
        (0, 1, [0, 0, 0, 0], [0, 0, 0, 0]),
        (4, 0, [1, 0, 0, 0], [1, 1, 1, 0]),
    ]
    metrics = _evaluate(images).state.metrics
    # prostate: image 1 TP 1 FN 1 -> 2/3; image 2 has none; image 3 TP 1 FP 2 -> 2/4
    assert metrics["dice/prostate"] == pytest.approx((2 / 3 + 2 / 4) / 2)
    assert metrics["dice_image/prostate"] == pytest.approx((2 / 3 + 2 / 4) / 2)
    assert metrics["dice_pooled/prostate"] == pytest.approx(2 * 2 / (2 * 2 + 2 + 1))
    assert metrics["iou/prostate"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert metrics["dice/mean"] == metrics["dice/prostate"]  # the background is left out
    with_background = _evaluate(images, include_background=True).state.metrics
    assert with_background["dice/mean"] == pytest.approx((metrics["dice/prostate"] + metrics["dice/background"]) / 2)


def test_an_image_that_is_seen_twice_counts_once() -> None:
    """Distributed samplers fill up the last batch by repeating images."""
    once = [(0, 0, [1, 1], [1, 0]), (0, 1, [1, 1], [1, 1])]
    assert _evaluate([*once, once[0]]).state.metrics == _evaluate(once).state.metrics


def test_a_second_run_forgets_the_images_of_the_first() -> None:
    said = [[1, 0], [1, 1]]  # of the same image, with the truth [1, 1]: Dice 2/3, then 1

    def step(engine: Engine, batch: int) -> list[dict[str, MetaTensor]]:
        engine.state.batch = [{"case_index": 0, "slice": 0}]
        return [{"label": MetaTensor(torch.tensor([[1, 1]])), "pred": MetaTensor(torch.tensor([said[batch]]))}]

    engine = Engine(step)
    OverlapScores(["background", "prostate"]).attach(engine, "dice/mean")
    assert [engine.run([run]).metrics["dice/mean"] for run in (0, 1)] == pytest.approx([2 / 3, 1])


def test_no_foreground_at_all_is_an_error_and_not_a_zero() -> None:
    with pytest.raises(ValueError, match="none of the classes .*prostate.* occurs in the 1 evaluated images"):
        _evaluate([(0, 0, [0, 0], [0, 0])])


def test_agrees_with_monai_where_monai_is_right() -> None:
    from monai.metrics import DiceMetric
    from monai.networks.utils import one_hot

    generator = torch.Generator().manual_seed(1)
    label = torch.randint(0, 3, (4, 1, 8, 8), generator=generator)
    pred = torch.randint(0, 3, (4, 1, 8, 8), generator=generator)
    theirs = DiceMetric(include_background=True, reduction="none")(one_hot(pred, 3), one_hot(label, 3))
    ours = np.stack([dice_and_iou(overlap_counts(p, t, 3, None).numpy())[0] for p, t in zip(pred, label, strict=True)])
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)  # theirs is single precision


def test_a_class_that_no_case_holds_leaves_the_mean_to_the_others() -> None:
    names = ["background", "a", "b", "absent"]
    # case 0: a has 1 hit and 1 miss, Dice 2/3; b is perfect. case 1: a is perfect, b is not there.
    images = [(0, 0, [1, 1, 2, 0], [1, 0, 2, 0]), (1, 0, [1, 1, 0, 0], [1, 1, 0, 0])]
    engine = _evaluate(images, labels=names)
    metrics = engine.state.metrics
    assert metrics["dice/a"] == pytest.approx((2 / 3 + 1) / 2)
    assert metrics["dice/b"] == 1
    assert "dice/absent" not in metrics
    assert metrics["dice/mean"] == pytest.approx(((2 / 3 + 1) / 2 + 1) / 2)
