"""Whether the parts of a condition go together, found out before anything is trained or written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from monai.utils import ensure_tuple_rep
from torch import nn

from ..errors import UserError
from .workflow import executed_config

if TYPE_CHECKING:
    from ..datasets import PreparedDataset


def check_network_fits(
    network: nn.Module, in_channels: int, labels: Sequence[str], image_size: int | Sequence[int]
) -> None:
    """Refuse a network that can't segment the images into the classes, by letting it segment one black image.

    It does so in evaluation mode and without gradient, which leaves it as it was.

    Args:
        network: gives logits (B, C, H, W) of images (B, in_channels, H, W).
        in_channels: channels of the images.
        labels: class names, C of them.
        image_size: of the images, one number or two.

    Raises:
        ValueError: the network fails, or its logits have other classes or another size.
    """
    size = ensure_tuple_rep(image_size, 2)
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    name, was_training = type(network).__name__, network.training
    try:
        with torch.no_grad():
            logits = network.eval()(torch.zeros(1, in_channels, *size, device=device))
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise UserError(
            f"network_def ({name}) can't take images of {in_channels} channel(s) and {size[0]} x {size[1]} pixels: "
            f"{reason}; give it in_channels: '@in_channels', or another image_size"
        ) from error
    finally:
        network.train(was_training)
    expected = (1, len(labels), *size)
    if tuple(logits.shape) != expected:
        raise UserError(
            f"network_def ({name}) gives scores {list(logits.shape)} of one image where {list(expected)} are needed: "
            f"{len(labels)} labels at {size[0]} x {size[1]} pixels; give it num_classes: $len(@labels)"
        )


def check_loss_fits(loss: nn.Module, num_classes: int, device: torch.device | str) -> None:
    """Refuse a loss that gives no finite number for one small image whose classes all are there.

    Args:
        loss: of logits (B, C, H, W) and labels (B, 1, H, W), uint8.
        num_classes: C, the number of labels.
        device: where the training computes.

    Raises:
        ValueError: the loss fails, or gives something else.
    """
    name = type(loss).__name__
    labels = torch.arange(16 * num_classes, device=device).remainder(num_classes).view(1, 1, 16, num_classes)
    try:
        with torch.no_grad():
            value = loss(torch.zeros(1, num_classes, 16, num_classes, device=device), labels.to(torch.uint8))
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise UserError(f"loss ({name}) can't compare scores of {num_classes} classes with labels: {reason}") from error
    if not isinstance(value, torch.Tensor) or value.numel() != 1 or not bool(value.isfinite()):
        said = f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) and value.numel() > 1 else str(value)
        raise UserError(f"loss ({name}) gives {said} where one finite number is needed; set other values")


def check_options(loss_name: str, acw_options: dict[str, Any], accumulation_steps: int) -> None:
    """Refuse options that would have no effect or make no sense.

    Whether ACW is in is read from the text of the configuration: building the layer would prepare the data.

    Args:
        loss_name: as in the configuration.
        acw_options: ``acw_learning_rate_factor``, ``acw_normalization`` and ``acw_positive``.
        accumulation_steps: batches a step.

    Raises:
        ValueError: names the key to change.
    """
    if executed_config().get("class_weight") is None:
        defaults = {"acw_learning_rate_factor": 1, "acw_normalization": "sum", "acw_positive": False}
        for key, value in acw_options.items():
            if value != defaults[key]:
                raise UserError(
                    f"{key} is {value}, but loss {loss_name} trains without adaptive class weights; "
                    f"leave --{key} away or choose a loss with them (loss_adfl.yaml, loss_acw_ce.yaml)"
                )
    if acw_options["acw_learning_rate_factor"] < 0:
        raise UserError(f"acw_learning_rate_factor must be >= 0, got {acw_options['acw_learning_rate_factor']}")
    if not isinstance(accumulation_steps, int) or accumulation_steps < 1:
        raise UserError(f"accumulation_steps must be a whole number >= 1, got {accumulation_steps}")


def check_class_weight(class_weight: nn.Module | None, num_classes: int) -> None:
    """Refuse class weights of another number of classes.

    Args:
        class_weight: the ACW layer, None without it.
        num_classes: number of labels.

    Raises:
        ValueError: the numbers differ.
    """
    if class_weight is not None and class_weight.num_classes != num_classes:
        raise UserError(f"class_weight has {class_weight.num_classes} classes, but there are {num_classes} labels")


def check_dataset_fits(
    dataset: PreparedDataset, labels: list[str], in_channels: int, batch_size: int | None = None
) -> PreparedDataset:
    """Refuse a prepared data set that the network or the training cannot take; returns the data set.

    Args:
        dataset: the prepared data set.
        labels: class names of the configuration.
        in_channels: channels that the network expects.
        batch_size: images per batch, None where nothing is trained.

    Raises:
        ValueError: names the key to change.
    """
    if dataset.in_channels != in_channels:
        raise UserError(
            f"in_channels is {in_channels}, but the images of {dataset.name} have {dataset.in_channels} channel(s); "
            f"set --in_channels {dataset.in_channels} or choose other data"
        )
    if list(dataset.labels) != list(labels):
        raise UserError(f"labels is {labels}, but {dataset.name} was prepared with {list(dataset.labels)}")
    if batch_size is not None and len(dataset.items("train")) < batch_size:
        raise UserError(
            f"batch_size is {batch_size}, but the training part of {dataset.name} has "
            f"{len(dataset.items('train'))} image(s); set a smaller --batch_size or bring more cases"
        )
    if batch_size is not None and not dataset.items("val"):
        raise UserError(f"the validation part of {dataset.name} is empty; bring more cases or another split")
    return dataset
