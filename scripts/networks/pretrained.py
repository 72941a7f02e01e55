"""Weights of a backbone from a local file in torchvision's layout."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import nn

from ..errors import MissingFileError, UserError

__all__ = ["load_pretrained"]

# Names of torchvision's own classifiers, which a segmentation network has no use for.
CLASSIFIER_PREFIXES = ("fc.", "classifier.")
SHOWN_KEYS = 8


def load_pretrained(backbone: nn.Module, path: str | Path, first_convolution: str) -> None:
    """Load a backbone's weights from a `.pth` or `.safetensors` file that holds a torchvision state dict.

    Keys of torchvision's classifier (`fc.*`, `classifier.*`) are ignored by name, as are absent counters of batch
    normalisation (`num_batches_tracked`), which older files lack. Every other key must fit. For a backbone
    with one input channel the RGB kernels of the first convolution are averaged (mean over their input channels): its
    response to a grey image is a third of that to the same image as RGB, before normalisation.

    Args:
        backbone: module whose parameters bear torchvision's names; nothing is changed if the file does not fit.
        path: the file; its ending says the format.
        first_convolution: name of the first convolution's weight, "conv1.weight" for ResNet.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is unreadable, is no flat state dict, or its keys or shapes are not the backbone's.
    """
    loaded = _read_tensors(Path(path))
    weights = {key: value for key, value in loaded.items() if not key.startswith(CLASSIFIER_PREFIXES)}
    own = backbone.state_dict()
    first = weights.get(first_convolution)
    if first is not None and first.ndim == 4 and first.shape[1] == 3 and own[first_convolution].shape[1] == 1:
        weights[first_convolution] = first.mean(dim=1, keepdim=True)
    _require_fit(own, weights, path)
    backbone.load_state_dict({**own, **weights})


def _read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a flat mapping of names to tensors; code inside the file is never run."""
    if not path.is_file():
        raise MissingFileError(f"no pretrained weights at {path}; give a local .pth or .safetensors file")
    remedy = "save the state dict of a torchvision model"
    try:
        if path.suffix == ".safetensors":
            loaded: object = _read_safetensors(path)
        elif path.suffix in {".pth", ".pt"}:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
        else:
            raise UserError(f"pretrained weights must end in .pth, .pt or .safetensors, got {path}")
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UserError(f"{path} is no readable file of plain tensors ({type(error).__name__}); {remedy}") from error
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise UserError(f"{path} holds no flat state dict of tensors; {remedy}")
    return loaded


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    import safetensors.torch  # here, so that the networks can be had with torch and MONAI alone
    from safetensors import SafetensorError

    try:
        return safetensors.torch.load_file(path)
    except SafetensorError as error:
        raise RuntimeError(str(error)) from error


def _require_fit(own: dict[str, torch.Tensor], weights: dict[str, torch.Tensor], path: str | Path) -> None:
    """Raise one line that lists the keys of a file that are missing, unexpected or of another shape."""
    faults = {
        "missing": [key for key in own if key not in weights and not key.endswith("num_batches_tracked")],
        "unexpected": [key for key in weights if key not in own],
        "wrong shape": [
            f"{key} {tuple(value.shape)} instead of {tuple(own[key].shape)}"
            for key, value in weights.items()
            if key in own and value.shape != own[key].shape
        ],
    }
    parts = []
    for fault, keys in faults.items():
        if keys:
            more = f" and {len(keys) - SHOWN_KEYS} more" if len(keys) > SHOWN_KEYS else ""
            parts.append(f"{fault} ({len(keys)}): {', '.join(keys[:SHOWN_KEYS])}{more}")
    if parts:
        raise UserError(f"{path} does not fit the backbone: {'; '.join(parts)}; give torchvision's file for it")
