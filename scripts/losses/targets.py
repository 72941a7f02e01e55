"""What a loss may be given, checked once: logits beside class indices or label maps."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import UserError


def read_voxels(
    input: Tensor, target: Tensor, sigmoid: bool, ignore_index: int | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Logits in float32 or float64, labels, and the voxels that count, (B, 1, *S) or None for all.

    Labels are class indices (B, 1, *S), int64, or label maps (B, C, *S) of the logits' type. Ignored voxels are zero in
    both: no NaN of theirs reaches value or gradient.
    """
    input, target = plain_tensor(input), plain_tensor(target)
    check_shapes(input, target, sigmoid)
    logits = input if input.dtype == torch.float64 else input.float()
    if holds_indices(input, target):
        labels, valid = read_indices(target, input.size(1), ignore_index)
    else:
        labels, valid = read_label_maps(target, logits.dtype, ignore_index)
    if valid is not None:
        logits = torch.where(valid, logits, 0.0)
    return logits, labels, valid


def plain_tensor(tensor: Tensor) -> Tensor:
    """The tensor without its subclass: a MetaTensor pays for its metadata in every operation."""
    if torch.jit.is_scripting():  # type: ignore[attr-defined]
        return tensor
    return tensor if type(tensor) is Tensor else tensor.as_subclass(Tensor)


def check_shapes(input: Tensor, target: Tensor, sigmoid: bool) -> None:
    """Refuse logits and a target that do not belong together."""
    if input.dim() < 2:
        raise UserError(f"input must be logits (B, C, *S), got shape {list(input.shape)}")
    if not input.is_floating_point():
        raise UserError(f"input must be floating-point logits, got {input.dtype}")
    if input.size(1) < 2 and not sigmoid:
        raise UserError(f"input must have at least 2 channels for a softmax, got shape {list(input.shape)}")
    index_shape = list(input.shape)
    index_shape[1] = 1
    if list(target.shape) != index_shape and list(target.shape) != list(input.shape):
        raise UserError(
            f"target must be class indices {index_shape} or label maps {list(input.shape)} to fit the input, "
            f"got shape {list(target.shape)}"
        )


def holds_indices(input: Tensor, target: Tensor) -> bool:
    """Whether the target holds class indices (B, 1, *S). Beside one channel it is that channel's label map."""
    return target.dim() > 1 and target.size(1) == 1 and input.dim() > 1 and input.size(1) > 1


def read_indices(target: Tensor, num_classes: int, ignore_index: int | None) -> tuple[Tensor, Tensor | None]:
    """Class indices (B, 1, *S) as int64, ignored voxels as class 0, and the voxels that count (None: all)."""
    index = target.long()
    valid: Tensor | None = None
    if ignore_index is not None:
        valid = index != ignore_index
        index = torch.where(valid, index, 0)
    if checks_values() and index.numel() > 0:
        low, high = torch.aminmax(index)
        if int(low) < 0 or int(high) >= num_classes:
            raise UserError(
                f"target must hold class indices from 0 to {num_classes - 1} or ignore_index ({ignore_index}), "
                f"got values from {int(low)} to {int(high)}"
            )
        if target.is_floating_point() and not bool((target == target.trunc()).all()):
            raise UserError("target must hold whole class indices, got fractions (was a label map interpolated?)")
    return index, valid


def read_label_maps(target: Tensor, dtype: torch.dtype, ignore_index: int | None) -> tuple[Tensor, Tensor | None]:
    """Label maps (B, C, *S) as ``dtype``, ignored voxels as 0, and the voxels that count (None: all).

    A voxel of a label map is ignored when every channel holds ``ignore_index``.
    """
    labels = target.to(dtype)
    valid: Tensor | None = None
    if ignore_index is not None:
        valid = (labels != ignore_index).any(dim=1, keepdim=True)
        labels = torch.where(valid, labels, 0.0)
    if checks_values() and labels.numel() > 0:
        low, high = torch.aminmax(labels)
        if not (float(low) >= 0.0 and float(high) <= 1.0):
            raise UserError(f"label maps must lie between 0 and 1, got values from {float(low)} to {float(high)}")
    return labels, valid


def counted_voxels(input: Tensor, target: Tensor, ignore_index: int | None) -> Tensor:
    """How many voxels of a target count, (); it must have passed the checks above."""
    target = plain_tensor(target)
    indices = holds_indices(input, target)
    if ignore_index is None:
        return torch.tensor(target.numel() // (1 if indices else max(target.size(1), 1)), device=target.device)
    valid = target.long() != ignore_index if indices else target != ignore_index
    return valid.any(dim=1).sum()


def checks_values() -> bool:
    """Whether values can be looked at: a graph of torch.compile would break at a branch on data."""
    if torch.jit.is_scripting():  # type: ignore[attr-defined]
        return True
    return not torch.compiler.is_compiling()
