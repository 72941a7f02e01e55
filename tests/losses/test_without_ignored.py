import pytest
import torch
from monai.losses import DiceCELoss, DiceFocalLoss

from scripts.losses.ignored_voxels import WithoutIgnoredVoxels
from tests.losses.cases import random_case, value_and_gradient

LOSSES = {
    "dice_ce": DiceCELoss(to_onehot_y=True, softmax=True),
    "dice_focal": DiceFocalLoss(to_onehot_y=True, softmax=True),
}
pytestmark = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


@pytest.mark.parametrize("ignore_index", [None, 255])
@pytest.mark.parametrize("num_classes", [2, 5])
def test_it_is_the_loss_itself_where_nothing_is_ignored(loss, num_classes, ignore_index):
    logits, target = random_case(num_classes, (6, 5), seed=0)
    expected = value_and_gradient(loss, logits, target)
    torch.testing.assert_close(value_and_gradient(WithoutIgnoredVoxels(loss, ignore_index), logits, target), expected)


def test_an_ignored_row_equals_a_cropped_one(loss):
    logits, target = random_case(3, (6, 5), seed=1)
    target[:, :, 4:] = 255
    logits[:, :, 4:] = float("nan")
    value, gradient = value_and_gradient(WithoutIgnoredVoxels(loss, 255), logits, target)
    expected, expected_gradient = value_and_gradient(loss, logits[:, :, :4], target[:, :, :4])
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient[:, :, :4], expected_gradient)
    assert not gradient[:, :, 4:].any()


def test_every_image_counts_the_same_and_an_ignored_one_not_at_all(loss):
    logits, target = random_case(3, (6, 5), seed=2)
    target[0] = 255
    value, gradient = value_and_gradient(WithoutIgnoredVoxels(loss, 255), logits, target)
    others = torch.stack([loss(logits[i : i + 1], target[i : i + 1]) for i in range(1, len(logits))])
    torch.testing.assert_close(value, others.mean())
    assert not gradient[0].any()
    for hidden in (logits, torch.full_like(logits, float("nan"))):
        nothing, gradient = value_and_gradient(WithoutIgnoredVoxels(loss, 255), hidden, torch.full_like(target, 255))
        assert nothing == 0.0
        assert not gradient.any()
