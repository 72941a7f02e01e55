import math

import numpy as np
import pytest
import torch

from scripts.losses import DualFocalLoss
from tests.losses.cases import one_hot, random_case, soft_labels, value_and_gradient
from tests.losses.longhand import dual_focal_voxel, each_voxel, gradient

PARAMETERS = [
    {},
    {"alpha": 0.5},
    {"alpha": 2.0, "beta": 0.5, "gamma": 2.0},
    {"gamma": 0.0},
    {"gamma": 0.5},
    {"rho": 1.25},
    {"alpha": 0.0, "beta": 0.0},
]


def assert_equals_longhand(loss, logits, target, *, atol=1e-12, step=1e-3, **arguments):
    value, grad = value_and_gradient(loss, logits, target)
    expected = each_voxel(dual_focal_voxel, logits, target, **arguments)
    torch.testing.assert_close(value[:, 0].double(), torch.from_numpy(expected), atol=atol, rtol=1e-12)
    slope = gradient(dual_focal_voxel, logits, target, step=step, **arguments)
    # the reference is a difference quotient of fourth order: at a step of 1e-3 it is good to 1e-10
    torch.testing.assert_close(grad.double(), torch.from_numpy(slope), atol=max(atol, 1e-9), rtol=1e-9)


@pytest.mark.parametrize("spatial", [(), (5,), (3, 4), (2, 3, 2)])
@pytest.mark.parametrize("num_classes", [2, 3, 6])
def test_equals_equation_9_written_longhand(num_classes, spatial):
    logits, target = random_case(num_classes, spatial)
    assert_equals_longhand(DualFocalLoss(reduction="none"), logits, target)


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("parameters", PARAMETERS)
def test_equals_the_longhand_for_every_parameter(parameters, num_classes):
    logits, target = random_case(num_classes, (3, 2))
    assert_equals_longhand(DualFocalLoss(**parameters, reduction="none"), logits, target, **parameters)


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("parameters", PARAMETERS)
def test_equals_the_longhand_for_soft_labels(parameters, num_classes):
    logits, _ = random_case(num_classes, (3, 2), scale=2.0)
    labels = soft_labels(num_classes, (3, 2))
    # gamma < 1 has an infinite slope where p = P: the difference quotient needs a small step beside it
    step = 1e-5 if parameters.get("gamma") == 0.5 else 1e-3
    if step == 1e-5:
        value, _ = value_and_gradient(DualFocalLoss(**parameters, reduction="none"), logits, labels)
        expected = each_voxel(dual_focal_voxel, logits, labels, **parameters)
        torch.testing.assert_close(value[:, 0], torch.from_numpy(expected))
    else:
        assert_equals_longhand(DualFocalLoss(**parameters, reduction="none"), logits, labels, step=step, **parameters)


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("num_classes", [1, 3])
def test_equals_the_longhand_with_a_sigmoid_for_each_channel(parameters, num_classes):
    logits, target = random_case(num_classes, (3, 2), scale=2.0)
    labels = one_hot(target, num_classes) if num_classes > 1 else target.double()
    loss = DualFocalLoss(**parameters, sigmoid=True, reduction="none")
    assert_equals_longhand(loss, logits, labels, sigmoid=True, **parameters)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_weight_scales_each_class_term_and_background_can_be_left_out(num_classes):
    logits, target = random_case(num_classes)
    weight = [0.3, 2.0, 0.7][:num_classes]
    assert_equals_longhand(DualFocalLoss(weight=weight, reduction="none"), logits, target, atol=1e-6, weight=weight)
    without = [0.0, *weight[1:]]
    loss = DualFocalLoss(weight=weight, include_background=False, reduction="none")
    assert_equals_longhand(loss, logits, target, atol=1e-6, weight=without)
    loss = DualFocalLoss(include_background=False, reduction="none")
    assert_equals_longhand(loss, logits, target, weight=[0.0] + [1.0] * (num_classes - 1))


@pytest.mark.parametrize("num_classes", [2, 3, 11])
def test_single_precision_is_within_1e_6_of_float64(num_classes):
    logits, target = random_case(num_classes, (6, 7), dtype=torch.float32)
    value, grad = value_and_gradient(DualFocalLoss(), logits, target)
    expected = each_voxel(dual_focal_voxel, logits, target).mean()
    assert value.item() == pytest.approx(expected, abs=1e-6, rel=0)
    slope = gradient(dual_focal_voxel, logits, target, step=1e-3) / target.numel()
    np.testing.assert_allclose(grad.numpy(), slope, atol=1e-6, rtol=0)
    _, grad = value_and_gradient(DualFocalLoss(reduction="sum"), logits, target)
    np.testing.assert_allclose(grad.numpy(), slope * target.numel(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_single_precision_is_within_1e_6_relative_at_logits_of_1e4(num_classes):
    logits, target = random_case(num_classes, (4, 4), scale=1.0, dtype=torch.float32)
    logits = logits.sign() * 1e4 + logits.round()
    value, grad = value_and_gradient(DualFocalLoss(), logits, target)
    assert value.item() == pytest.approx(each_voxel(dual_focal_voxel, logits, target).mean(), rel=1e-6)
    slope = gradient(dual_focal_voxel, logits, target, step=1e-2) / target.numel()
    # a step of 1e-2 on values of 1e4 leaves 1e-9 of rounding in the reference itself
    np.testing.assert_allclose(grad.numpy(), slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("gap", [17.0, 100.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_confidently_wrong_voxel_keeps_its_gradient(dtype, gap):
    logits = torch.tensor([0.0, gap, 0.0], dtype=dtype).view(1, 3, 1)
    value, grad = value_and_gradient(DualFocalLoss(), logits, torch.zeros(1, 1, 1))
    # true class: 1 + g; class 1: 1 + (g - log 2); class 2: 0. Cross entropy pulls (-1, 1, 0),
    # the false class's log(1 - p) pushes (-1/2, 1, -1/2), the focal term is flat
    rounded = logits[0, 1, 0].float().item()
    assert value.item() == pytest.approx(2 + 2 * rounded - math.log(2), rel=1e-6)
    assert grad.flatten().tolist() == pytest.approx([-1.5, 2.0, -0.5], abs=1e-3 if gap == 17.0 else 1e-6)


def test_hand_worked_values():
    # two equal logits: p = (1/2, 1/2); both classes give 1/2 + log 2: 1 + 2 log 2
    assert DualFocalLoss()(torch.zeros(1, 2, 1), torch.zeros(1, 1, 1)).item() == pytest.approx(1 + 2 * math.log(2))
    # logits (log 2, 0, 0): p = (1/2, 1/4, 1/4), true class 0: 1/2 + log 2 + 2 (1/4 - log 3/4)
    logits = torch.tensor([math.log(2), 0.0, 0.0]).view(1, 3, 1)
    expected = 0.5 + math.log(2) + 2 * (0.25 - math.log(0.75))
    assert DualFocalLoss()(logits, torch.zeros(1, 1, 1)).item() == pytest.approx(expected)


def test_two_classes_obey_the_identity_with_cross_entropy():
    logits, target = random_case(2)
    cross_entropy = torch.nn.functional.cross_entropy(logits, target[:, 0], reduction="none")
    p_true = logits.softmax(1).gather(1, target)[:, 0]
    value = DualFocalLoss(reduction="none")(logits, target)[:, 0]
    torch.testing.assert_close(value, 2 * (cross_entropy + 1 - p_true))


def test_without_alpha_and_beta_it_is_the_cross_entropy():
    logits, target = random_case(4)
    value = DualFocalLoss(alpha=0.0, beta=0.0)(logits, target)
    torch.testing.assert_close(value, torch.nn.functional.cross_entropy(logits, target[:, 0]))


def test_the_focal_term_of_a_one_hot_voxel_is_twice_the_one_of_its_true_class():
    logits, target = random_case(4)
    p_true = logits.softmax(1).gather(1, target)
    focal = DualFocalLoss(reduction="none")(logits, target) - DualFocalLoss(alpha=0.0, reduction="none")(logits, target)
    torch.testing.assert_close(focal, 2 * (1 - p_true))


def test_one_hot_labels_equal_class_indices():
    logits, target = random_case(4)
    for loss in (DualFocalLoss(), DualFocalLoss(to_onehot_y=True), DualFocalLoss(gamma=2.0)):
        by_index = value_and_gradient(loss, logits, target)
        by_map = value_and_gradient(loss, logits, one_hot(target, 4))
        torch.testing.assert_close(by_index, by_map)


def test_permuting_the_classes_changes_nothing():
    logits, target = random_case(5)
    order = torch.tensor([3, 0, 4, 1, 2])
    value, grad = value_and_gradient(DualFocalLoss(), logits, target)
    place = torch.argsort(order)
    permuted, permuted_grad = value_and_gradient(DualFocalLoss(), logits[:, order], place[target])
    torch.testing.assert_close(permuted, value)
    torch.testing.assert_close(permuted_grad, grad[:, order])


def test_adding_one_number_to_all_logits_changes_nothing():
    logits, target = random_case(3)
    torch.testing.assert_close(DualFocalLoss()(logits + 100.0, target), DualFocalLoss()(logits, target))


@pytest.mark.parametrize("labels", ["indices", "soft"])
@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("parameters", [{}, {"gamma": 2.0, "rho": 1.5}, {"weight": [0.5, 1.5, 2.0, 1.0]}])
def test_gradcheck(parameters, num_classes, labels):
    logits, target = random_case(num_classes, (3,), scale=1.0)
    if labels == "soft":
        target = soft_labels(num_classes, (3,))
    if "weight" in parameters:
        parameters = {"weight": parameters["weight"][:num_classes]}
    loss = DualFocalLoss(**parameters)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), logits.requires_grad_())
    assert torch.autograd.gradgradcheck(lambda x: loss(x, target), logits.requires_grad_())
