"""What processes that share a batch need: the terms of a loss, each with the number of voxels or images it is over."""

import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss

from scripts.losses import CrossEntropyLoss, DiceDualFocalLoss, DualFocalLoss, FocalLoss
from scripts.losses.ignored_voxels import WithoutIgnoredVoxels
from tests.losses.cases import one_hot, random_case

DICE_CE = DiceCELoss(to_onehot_y=True, softmax=True)
# What a loss counts of three images of 30 voxels, of which 15 of the first are ignored and all of the last.
VOXELS, IMAGES = 15 + 30 + 0, 3
LOSSES = {
    "dual focal": (DualFocalLoss(ignore_index=255), [VOXELS]),
    "cross entropy": (CrossEntropyLoss(weight=[1.0, 2.0, 3.0], ignore_index=255), [VOXELS]),
    "focal": (FocalLoss(ignore_index=255), [VOXELS]),
    "sum": (DualFocalLoss(ignore_index=255, reduction="sum"), [None]),
    "dice": (DiceDualFocalLoss(ignore_index=255, lambda_dice=0.5, lambda_dual_focal=3.0), [IMAGES, VOXELS]),
    "dice as a sum": (DiceDualFocalLoss(ignore_index=255, reduction="sum"), [None, None]),
    "MONAI's": (WithoutIgnoredVoxels(DICE_CE, 255), [2]),  # an image of ignored voxels alone has no loss
}


class Plain(torch.nn.Module):
    """A mean over images that has no reduction to say so."""

    def forward(self, input, target):
        return DICE_CE(input, target)


def three_images():
    logits, target = random_case(3, (6, 5), batch=3)
    target[0, :, :3] = target[2] = 255
    return logits, target


@pytest.mark.parametrize("name", LOSSES)
def test_terms_weighted_by_their_numbers_are_the_loss_of_the_whole_batch(name):
    loss, expected = LOSSES[name]
    logits, target = three_images()
    assert [number if number is None else int(number) for _, number in loss.parts(logits, target)] == expected
    shares = zip(*(loss.parts(logits[part], target[part]) for part in (slice(1), slice(1, 3))), strict=True)
    total = 0.0
    for terms in shares:  # the same term of both processes
        if terms[0][1] is None:
            total += sum(value for value, _ in terms)
        else:
            total += sum(value * number for value, number in terms) / sum(number for _, number in terms)
    torch.testing.assert_close(total, loss(logits, target))


def test_voxels_of_every_kind_of_target_are_counted():
    logits, target = three_images()
    maps = torch.where(target == 255, 255.0, one_hot(target, 3))
    plain = target.clamp(max=2)
    for loss, labels, number in (
        (DualFocalLoss(ignore_index=255), maps, VOXELS),
        (DualFocalLoss(), plain, 90),
        (DualFocalLoss(), one_hot(plain, 3), 90),
        (DualFocalLoss(ignore_index=1), torch.zeros(3, 1, 6, 5), 90),
        (WithoutIgnoredVoxels(DICE_CE), plain, IMAGES),
        (WithoutIgnoredVoxels(DICE_CE, 255), plain, IMAGES),
        (WithoutIgnoredVoxels(Plain(), 255), plain, IMAGES),
    ):
        assert int(loss.parts(logits, labels)[0][1]) == number
    ((_, number),) = DualFocalLoss(sigmoid=True).parts(logits[:, :1], plain.clamp(max=1))  # one channel and its map
    assert int(number) == 90
    with pytest.raises(ValueError, match='several processes need a loss with one value: set its reduction to "mean"'):
        DualFocalLoss(reduction="none").parts(logits, plain)


@pytest.mark.parametrize(
    "loss",
    [
        DiceDualFocalLoss(batch=True),
        WithoutIgnoredVoxels(DiceLoss(to_onehot_y=True, softmax=True, batch=True)),
        WithoutIgnoredVoxels(DiceLoss(to_onehot_y=True, softmax=True, reduction="sum")),
        WithoutIgnoredVoxels(DiceCELoss(to_onehot_y=True, softmax=True, batch=True)),
    ],
)
def test_a_loss_that_is_no_mean_over_images_is_refused(loss):
    logits, target = random_case(3)
    with pytest.raises(ValueError, match="several processes can't .*set batch: false"):
        loss.parts(logits, target)
