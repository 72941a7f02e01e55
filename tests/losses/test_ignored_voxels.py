import pytest
import torch

from scripts.losses import CrossEntropyLoss, DiceDualFocalLoss, DualFocalLoss, FocalLoss
from tests.losses.cases import one_hot, random_case, value_and_gradient

VOXELWISE = [DualFocalLoss, CrossEntropyLoss, FocalLoss]


def with_ignored(num_classes, ignored, seed=3):
    """Logits, target with about a third of its voxels ignored, and the mask of the others."""
    logits, target = random_case(num_classes, (6, 5), seed=seed)
    valid = torch.rand(target.shape, generator=torch.Generator().manual_seed(seed)) > 0.33
    return logits, torch.where(valid, target, ignored), valid


@pytest.mark.parametrize("ignored", [255, -1, -100])
@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("family", VOXELWISE)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_an_ignored_voxel_equals_a_deleted_one(family, num_classes, ignored, reduction):
    logits, target, valid = with_ignored(num_classes, ignored)
    value, grad = value_and_gradient(family(ignore_index=ignored, reduction=reduction), logits, target)
    flat = logits.movedim(1, -1)[valid[:, 0]].T[None]  # (B, C, *S) -> (1, C, kept)
    kept_target = target[valid][None, None]
    expected, expected_grad = value_and_gradient(family(reduction=reduction), flat, kept_target)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(grad.movedim(1, -1)[valid[:, 0]].T[None], expected_grad)
    assert (grad.movedim(1, -1)[~valid[:, 0]] == 0).all()


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("family", [*VOXELWISE, DiceDualFocalLoss])
def test_not_a_number_in_an_ignored_voxel_changes_nothing(family, num_classes):
    logits, target, valid = with_ignored(num_classes, 255)
    loss = family(ignore_index=255)
    expected = value_and_gradient(loss, logits, target)
    for poison in (float("nan"), float("inf"), -float("inf")):
        torch.testing.assert_close(value_and_gradient(loss, torch.where(valid, logits, poison), target), expected)


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("family", VOXELWISE)
def test_all_ignored_is_zero_with_zero_gradient(family, reduction, num_classes):
    logits, target = random_case(num_classes)
    loss = family(ignore_index=255, reduction=reduction)
    value, grad = value_and_gradient(loss, logits, torch.full_like(target, 255))
    assert (value == 0).all()
    assert (grad == 0).all()


def test_an_unsigned_target_can_be_read_with_a_negative_ignore_index():
    logits, target = random_case(3)
    value = DualFocalLoss(ignore_index=-1)(logits, target.to(torch.uint8))
    torch.testing.assert_close(value, DualFocalLoss()(logits, target))


@pytest.mark.parametrize("family", [*VOXELWISE, DiceDualFocalLoss])
def test_a_label_map_is_ignored_where_all_its_channels_say_so(family):
    logits, target, valid = with_ignored(3, 255)
    maps = torch.where(valid, one_hot(target, 3), 255.0)
    loss = family(ignore_index=255)
    torch.testing.assert_close(value_and_gradient(loss, logits, maps), value_and_gradient(loss, logits, target))


@pytest.mark.parametrize("ignored", [0, 2])
def test_a_true_class_can_be_ignored(ignored):
    logits, target = random_case(3)
    value = DualFocalLoss(ignore_index=ignored)(logits, target)
    each = DualFocalLoss(reduction="none")(logits, target)
    torch.testing.assert_close(value, each[target != ignored].mean())


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("family", VOXELWISE)
def test_the_sum_is_the_mean_times_the_voxels_kept(family, num_classes):
    logits, target, valid = with_ignored(num_classes, 255)
    mean = family(ignore_index=255)(logits, target)
    total = family(ignore_index=255, reduction="sum")(logits, target)
    each = family(ignore_index=255, reduction="none")(logits, target)
    assert each.shape == target.shape
    torch.testing.assert_close(total, mean * valid.sum())
    torch.testing.assert_close(total, each.sum())
    assert (each[~valid] == 0).all()


@pytest.mark.parametrize("ignored", [0, 1])
@pytest.mark.parametrize("family", [*VOXELWISE, DiceDualFocalLoss])
def test_zero_and_one_mean_a_voxel_of_a_label_map_only_where_all_channels_hold_them(family, ignored):
    logits, target = random_case(3, (6, 5))
    valid = torch.rand(target.shape, generator=torch.Generator().manual_seed(1)) > 0.4
    maps = torch.where(valid, one_hot(target, 3), float(ignored))  # every valid voxel holds both a 0 and a 1
    expected = value_and_gradient(family(ignore_index=255), logits, torch.where(valid, target, 255))
    torch.testing.assert_close(value_and_gradient(family(ignore_index=ignored), logits, maps), expected)


@pytest.mark.parametrize("include_background", [True, False])
@pytest.mark.parametrize("family", [*VOXELWISE, DiceDualFocalLoss])
def test_a_loss_leaves_its_class_weights_as_they_were(family, include_background):
    loss = family(weight=[0.5, 2.0, 3.0], include_background=include_background)
    before = {name: buffer.clone() for name, buffer in loss.named_buffers()}
    assert any("weight" in name for name in before)
    values = [value_and_gradient(loss, *random_case(3, (6, 5))) for _ in range(2)]
    torch.testing.assert_close(values[1], values[0], rtol=0, atol=0)
    for name, buffer in loss.named_buffers():
        assert torch.equal(buffer, before[name]), name
