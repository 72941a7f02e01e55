import math

import monai.losses
import numpy as np
import pytest
import torch

from scripts.losses import CrossEntropyLoss, DiceDualFocalLoss, DualFocalLoss, FocalLoss, inverse_frequency_weights
from tests.losses.cases import one_hot, random_case, soft_labels
from tests.losses.longhand import cross_entropy_voxel, each_voxel, focal_voxel, softmax_voxel


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("soft", [False, True])
def test_cross_entropy_equals_equation_3_and_4_written_longhand(soft, num_classes):
    logits, target = random_case(num_classes)
    target = soft_labels(num_classes) if soft else target
    weight = [0.5, 2.0, 1.0, 0.25][:num_classes]
    for factors in (None, weight):
        value = CrossEntropyLoss(weight=factors, reduction="none")(logits, target)[:, 0]
        expected = each_voxel(cross_entropy_voxel, logits, target, weight=factors)
        torch.testing.assert_close(value, torch.from_numpy(expected))


def test_weighted_cross_entropy_takes_its_weights_from_pixel_counts():
    logits, target = random_case(3)
    by_counts = CrossEntropyLoss(class_counts=[10, 5, 1])(logits, target)
    by_weight = CrossEntropyLoss(weight=inverse_frequency_weights([10, 5, 1]))(logits, target)
    torch.testing.assert_close(by_counts, by_weight)
    with pytest.raises(ValueError, match="give one of them"):
        CrossEntropyLoss(weight=[1.0, 1.0], class_counts=[1, 1])


def test_the_weighted_mean_is_over_voxels():
    # two voxels with equal logits, classes 0 and 1: (0.2 log 2 + 0.8 log 2) / 2
    value = CrossEntropyLoss(weight=[0.2, 0.8])(torch.zeros(1, 2, 2), torch.tensor([[[0, 1]]]))
    assert value.item() == pytest.approx(math.log(2) / 2)


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("parameters", [{}, {"alpha": 1.0}, {"alpha": 1.0, "gamma": 0.0}, {"gamma": 0.5}])
def test_focal_loss_equals_equation_6_written_longhand(parameters, soft, num_classes):
    logits, target = random_case(num_classes)
    target = soft_labels(num_classes) if soft else target
    weight = [0.5, 2.0, 1.0, 0.25][:num_classes]
    for factors in (None, weight):
        value = FocalLoss(**parameters, weight=factors, reduction="none")(logits, target)[:, 0]
        expected = each_voxel(focal_voxel, logits, target, weight=factors, **parameters)
        torch.testing.assert_close(value, torch.from_numpy(expected))


def test_focal_loss_without_focus_is_the_cross_entropy():
    logits, target = random_case(4)
    torch.testing.assert_close(FocalLoss(alpha=1.0, gamma=0.0)(logits, target), CrossEntropyLoss()(logits, target))


def test_leaving_out_the_background_of_two_classes_keeps_the_foreground():
    # monai.losses.FocalLoss drops it before the softmax and is 0 here
    logits, target = random_case(2)
    for family in (FocalLoss, CrossEntropyLoss):
        each = family(include_background=False, reduction="none")(logits, target)
        full = family(reduction="none")(logits, target)
        torch.testing.assert_close(each, torch.where(target == 1, full, 0.0))


@pytest.mark.parametrize("family", [CrossEntropyLoss, FocalLoss])
def test_gradcheck(family):
    logits, target = random_case(3, (3,))
    assert torch.autograd.gradcheck(lambda x: family()(x, target), logits.requires_grad_())


def dice_longhand(logits, labels, include_background, smooth=1e-5):
    """Mean over images and classes of 1 - 2 sum(p P) / (sum p + sum P)."""
    p = np.empty(logits.shape)
    for place in np.ndindex(logits.shape[0], *logits.shape[2:]):
        at = (place[0], slice(None), *place[1:])
        p[at] = softmax_voxel(logits[at].numpy())[0]
    labels = labels.numpy()
    values = []
    for b in range(logits.shape[0]):
        for c in range(0 if include_background else 1, logits.shape[1]):
            overlap = 2 * (p[b, c] * labels[b, c]).sum() + smooth
            values.append(1 - overlap / (p[b, c].sum() + labels[b, c].sum() + smooth))
    return np.mean(values)


@pytest.mark.parametrize("include_background", [True, False])
def test_the_compound_is_dice_and_dual_focal(include_background):
    logits, target = random_case(3)
    loss = DiceDualFocalLoss(include_background=include_background, lambda_dice=0.5, lambda_dual_focal=2.0)
    dice = dice_longhand(logits, one_hot(target, 3), include_background)
    dual_focal = DualFocalLoss(include_background=include_background)(logits, target).item()
    assert loss(logits, target).item() == pytest.approx(0.5 * dice + 2.0 * dual_focal, rel=1e-6)


def test_the_compound_without_dual_focal_is_monais_dice():
    logits, target = random_case(3)
    ours = DiceDualFocalLoss(lambda_dual_focal=0.0, batch=True)(logits, target)
    theirs = monai.losses.DiceLoss(softmax=True, to_onehot_y=True, batch=True)(logits, target)
    torch.testing.assert_close(ours, theirs)


def test_the_compound_weights_both_parts():
    logits, target = random_case(3)
    weight = [0.5, 2.0, 1.0]
    loss = DiceDualFocalLoss(include_background=False, weight=weight)
    dice = monai.losses.DiceLoss(softmax=True, to_onehot_y=True, include_background=False, weight=weight[1:])
    expected = dice(logits, target) + DualFocalLoss(include_background=False, weight=weight)(logits, target)
    torch.testing.assert_close(loss(logits, target), expected)


def test_the_compound_takes_weights_of_two_classes_and_leaves_the_background_out():
    logits, target = random_case(2)
    loss = DiceDualFocalLoss(include_background=False, weight=[0.5, 2.0], lambda_dual_focal=0.0)
    dice = monai.losses.DiceLoss(softmax=True, to_onehot_y=True, include_background=False)
    torch.testing.assert_close(loss(logits, target), 2.0 * dice(logits, target))  # MONAI's own would leave the 2 out
    alone, truth = random_case(1, (4, 4))[0], torch.ones(2, 1, 4, 4)
    loss = DiceDualFocalLoss(sigmoid=True, weight=[3.0], lambda_dual_focal=0.0)
    torch.testing.assert_close(loss(alone, truth), 3.0 * monai.losses.DiceLoss(sigmoid=True)(alone, truth))
    without = DiceDualFocalLoss(include_background=False, sigmoid=True, weight=[3.0], lambda_dual_focal=0.0)
    with pytest.warns(UserWarning, match="single channel prediction"):  # MONAI's, which keeps the one that there is
        torch.testing.assert_close(without(alone, truth), loss(alone, truth))


@pytest.mark.parametrize("options", [{"reduction": "sum"}, {"smooth_nr": 3.0}, {"smooth_dr": 2.0}, {"batch": True}])
def test_the_compound_hands_its_options_on_to_dice(options):
    logits, target = random_case(3)
    dice = monai.losses.DiceLoss(softmax=True, to_onehot_y=True, **options)(logits, target)
    torch.testing.assert_close(DiceDualFocalLoss(lambda_dual_focal=0.0, **options)(logits, target), dice)


def test_the_compound_counts_soft_labels_by_their_overlap_at_both_parts():
    logits, _ = random_case(3)
    labels = soft_labels(3)
    p = logits.softmax(1)
    overlap = torch.minimum(p, labels).sum((2, 3))
    dice = 1 - (2 * overlap + 1e-5) / ((p + labels).sum((2, 3)) + 1e-5)
    torch.testing.assert_close(DiceDualFocalLoss(lambda_dual_focal=0.0)(logits, labels), dice.mean())


def test_the_compound_with_a_sigmoid_for_each_channel():
    logits, target = random_case(1, (4, 4))
    dice = monai.losses.DiceLoss(sigmoid=True)(logits, target.double())
    expected = dice + DualFocalLoss(sigmoid=True)(logits, target)
    torch.testing.assert_close(DiceDualFocalLoss(sigmoid=True)(logits, target), expected)


def test_the_compound_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match='reduction must be "mean" or "sum", got \'none\''):
        DiceDualFocalLoss(reduction="none")
    with pytest.raises(ValueError, match="lambda_dice must be finite and >= 0, got -1"):
        DiceDualFocalLoss(lambda_dice=-1)
    for name, value in (
        ("lambda_dice", float("inf")),
        ("lambda_dual_focal", -0.5),
        ("lambda_dual_focal", float("nan")),
    ):
        with pytest.raises(ValueError, match=f"{name} must be finite and >= 0, got {value}"):
            DiceDualFocalLoss(**{name: value})
