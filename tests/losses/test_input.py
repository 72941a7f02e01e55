import pytest
import torch
from monai.data import MetaTensor

from scripts.losses import CrossEntropyLoss, DiceDualFocalLoss, DualFocalLoss, FocalLoss
from scripts.losses.voxelwise import VoxelwiseLoss
from tests.losses.cases import random_case, soft_labels, value_and_gradient

FAMILY = [DualFocalLoss, CrossEntropyLoss, FocalLoss, DiceDualFocalLoss]
INDEX_TYPES = [torch.uint8, torch.int16, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", INDEX_TYPES)
@pytest.mark.parametrize("family", FAMILY)
def test_class_indices_may_have_any_type(family, dtype):
    logits, target = random_case(3)
    torch.testing.assert_close(family()(logits, target.to(dtype)), family()(logits, target))


@pytest.mark.parametrize("family", FAMILY)
def test_meta_tensors_give_a_plain_loss(family):
    logits, target = random_case(3)
    expected = value_and_gradient(family(), logits, target)
    leaf = logits.clone().requires_grad_()
    value = family()(MetaTensor(leaf), MetaTensor(target.float()))
    assert type(value) is torch.Tensor
    value.backward()
    torch.testing.assert_close((value.detach(), leaf.grad), expected)


@pytest.mark.parametrize("labels", ["indices", "soft"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("family", FAMILY)
def test_value_and_gradient_are_finite_up_to_logits_of_1e4(family, num_classes, dtype, labels):
    logits, target = random_case(num_classes, (8, 8), scale=1.0)
    logits = (logits.sign() * 1e4 + logits).to(dtype)
    value, grad = value_and_gradient(
        family(), logits, target if labels == "indices" else soft_labels(num_classes, (8, 8))
    )
    assert value.dtype == torch.float32
    assert grad.dtype == dtype
    assert torch.isfinite(value)
    assert torch.isfinite(grad).all()


@pytest.mark.parametrize("num_classes", [2, 5])
def test_half_precision_logits_are_computed_in_single_precision(num_classes):
    logits, target = random_case(num_classes, (8, 8))
    for dtype in (torch.float16, torch.bfloat16):
        half = logits.to(dtype)
        value, grad = value_and_gradient(DualFocalLoss(), half, target)
        expected, expected_grad = value_and_gradient(DualFocalLoss(), half.float(), target)
        torch.testing.assert_close(value, expected)
        torch.testing.assert_close(grad, expected_grad.to(dtype))  # rounded once, at the end


def test_the_scale_of_mixed_precision_reaches_half_gradients_before_they_are_rounded():
    logits = torch.zeros(1, 2, 600, 600, dtype=torch.float16, requires_grad=True)
    (DualFocalLoss()(logits, torch.zeros(1, 1, 600, 600)) * 65536.0).backward()
    # slope of 2 (CE + 1 - p) at p = 1/2: -2 q (1 + p) = -1.5, over 3.6e5 voxels, times the scale
    assert logits.grad[0, 0, 0, 0].item() == pytest.approx(-1.5 * 65536 / 3.6e5, rel=1e-3)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_autocast_changes_nothing(num_classes):
    logits, target = random_case(num_classes, dtype=torch.float32)
    expected = value_and_gradient(DualFocalLoss(), logits, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(value_and_gradient(DualFocalLoss(), logits, target), expected)


@pytest.mark.parametrize("family", FAMILY)
def test_logits_need_not_be_contiguous(family):
    logits, target = random_case(3)
    strided = logits.movedim(1, -1).contiguous().movedim(-1, 1)
    torch.testing.assert_close(
        value_and_gradient(family(), strided, target), value_and_gradient(family(), logits, target)
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("family", [DualFocalLoss, CrossEntropyLoss, FocalLoss])
def test_an_empty_batch_is_zero(family, channels):
    value, grad = value_and_gradient(family(), torch.zeros(0, 3, 4), torch.zeros(0, channels, 4))
    assert value.item() == 0.0
    assert grad.shape == (0, 3, 4)


WRONG_INPUT = [
    (
        (1, 3, 4),
        torch.zeros(1, 1, 5),
        r"target must be class indices \[1, 1, 4\] or label maps \[1, 3, 4\] .* got shape \[1, 1, 5\]",
    ),
    ((1, 3, 4), torch.zeros(1, 4), r"got shape \[1, 4\]"),
    ((1, 3, 4), torch.zeros(1, 2, 4), r"got shape \[1, 2, 4\]"),
    ((1, 1, 4), torch.zeros(1, 1, 4), r"at least 2 channels for a softmax, got shape \[1, 1, 4\]"),
    ((3,), torch.zeros(3), r"input must be logits \(B, C, \*S\), got shape \[3\]"),
    (
        (1, 3, 4),
        torch.full((1, 1, 4), 3),
        r"from 0 to 2 or ignore_index \(None\), got values from 3 to 3",
    ),
    ((1, 3, 4), torch.tensor([[[0, -1, 0, 1]]]), "got values from -1 to 1"),
    ((1, 3, 4), torch.tensor([[[0.0, 0.5, 0.0, 1.0]]]), "whole class indices, got fractions"),
    ((1, 3, 4), torch.full((1, 3, 4), 1.5), "label maps must lie between 0 and 1, got values from 1.5 to 1.5"),
    ((1, 3, 4), torch.full((1, 3, 4), float("nan")), "label maps must lie between 0 and 1"),
]


@pytest.mark.parametrize(("shape", "target", "message"), WRONG_INPUT)
@pytest.mark.parametrize("family", FAMILY)
def test_wrong_input_is_refused(family, shape, target, message):
    with pytest.raises(ValueError, match=message):
        family()(torch.zeros(shape), target)


@pytest.mark.parametrize("family", FAMILY)
def test_the_label_of_a_single_voxel_is_checked_too(family):
    with pytest.raises(ValueError, match="got values from 3 to 3"):
        family()(torch.zeros(1, 3, 1), torch.full((1, 1, 1), 3))


def test_the_label_of_a_single_voxel_of_one_channel_is_checked_too():
    with pytest.raises(ValueError, match="label maps must lie between 0 and 1, got values from 1.5 to 1.5"):
        DualFocalLoss(sigmoid=True)(torch.zeros(1, 1, 1), torch.full((1, 1, 1), 1.5))


@pytest.mark.parametrize(
    "labels", [torch.ones(1, 1, 1), torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1)], ids=["index", "map"]
)
@pytest.mark.parametrize("family", [DualFocalLoss, CrossEntropyLoss, FocalLoss])
def test_the_mean_of_a_single_voxel_is_its_own_value(family, labels):
    logits, _ = random_case(3, (1,), batch=1)
    torch.testing.assert_close(family()(logits, labels), family(reduction="none")(logits, labels).squeeze())


def test_what_the_losses_have_in_common_is_no_loss():
    with pytest.raises(NotImplementedError):
        VoxelwiseLoss()(*random_case(3))


def test_integer_logits_are_refused():
    with pytest.raises(ValueError, match="input must be floating-point logits, got torch.int64"):
        DualFocalLoss()(torch.zeros(1, 2, 3, dtype=torch.int64), torch.zeros(1, 1, 3))


@pytest.mark.parametrize("family", FAMILY)
def test_a_weight_of_the_wrong_length_is_refused(family):
    with pytest.raises(ValueError, match="weight must have one value for each of 3 classes, got 2"):
        family(weight=[1.0, 2.0])(torch.zeros(1, 3, 4), torch.zeros(1, 1, 4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reduction": "average"}, "reduction must be .*, got 'average'"),
        ({"weight": [1.0, -1.0]}, r"weight must be finite and >= 0, got \[1.0, -1.0\]"),
        ({"weight": [[1.0]]}, r"one number per class, \(C,\), got shape \(1, 1\)"),
    ],
)
@pytest.mark.parametrize("family", FAMILY)
def test_wrong_arguments_are_refused(family, arguments, message):
    with pytest.raises(ValueError, match=message):
        family(**arguments)


@pytest.mark.parametrize("name", ["alpha", "beta", "gamma"])
def test_negative_parameters_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be finite and >= 0, got -0.5"):
        DualFocalLoss(**{name: -0.5})
    with pytest.raises(ValueError, match="rho must be finite and >= 1, got 0.9"):
        DualFocalLoss(rho=0.9)
    if name != "beta":
        with pytest.raises(ValueError, match=f"{name} must be finite and >= 0, got -1"):
            FocalLoss(**{name: -1})


@pytest.mark.parametrize("family", [DualFocalLoss, FocalLoss])
def test_infinite_parameters_are_refused(family):
    names = ("alpha", "gamma") if family is FocalLoss else ("alpha", "beta", "gamma", "rho")
    for name in names:
        with pytest.raises(ValueError, match=f"{name} must be finite and >= [01], got inf"):
            family(**{name: float("inf")})


def test_a_loss_shows_the_arguments_that_were_given():
    assert repr(FocalLoss(gamma=3.0, ignore_index=255)) == "FocalLoss(gamma=3.0, ignore_index=255)"
    assert repr(CrossEntropyLoss(weight=[0.1, 0.9])) == "CrossEntropyLoss(weight=[0.1, 0.9])"


@pytest.mark.parametrize("family", FAMILY)
def test_weight_is_a_buffer_of_its_own(family):
    weight = torch.tensor([1.0, 2.0])
    loss = family(weight=weight)
    weight[0] = 5.0
    assert next(loss.buffers()).tolist() == [1.0, 2.0]
