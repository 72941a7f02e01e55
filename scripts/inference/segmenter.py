"""Segmenting from Python: a function from a file to a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose
from numpy.typing import NDArray
from torch import nn

from ..errors import UserError
from ..formats.volume import Volume
from .inputs import Input, find_inputs
from .loading import LoadInput, ResizeInPlane
from .model import Member, find_members, known_shares
from .networks import assemble_network, load_weights
from .quality import Describe
from .restoring import RemoveSmallComponents, RestoreGrid
from .slice_inferer import SliceBatches
from .writing import write_mask


@dataclass(frozen=True)
class Mask:
    """A mask on the grid of its image.

    Args:
        array: uint8 (X, Y, Z), class indices; Z is 1 for a plane.
        affine: voxel indices to millimetres in RAS, 4 x 4; None where the image lies nowhere in space.
        labels: class names, index = class value.
        classes: what each foreground class measures, see ``quality.measure``.
        flags: what a person should look at.
        probabilities: float32 (X, Y, Z, K), where they were asked for.
    """

    array: NDArray[np.uint8]
    affine: NDArray[np.float64] | None
    labels: tuple[str, ...]
    classes: tuple[dict[str, Any], ...]
    flags: tuple[str, ...]
    probabilities: NDArray[np.float32] | None
    _case: Input
    _volume: Volume

    def save(self, path: str | Path) -> Path:
        """Write the mask, whole or not at all, in the image's geometry.

        Args:
            path: ends in .nii.gz, .mhd, .mha, .png or, for DICOM, .dcm; must not exist.

        Raises:
            ValueError: the file exists, or its ending is none of these.
        """
        return write_mask(Path(path), self.array, self._case, self._volume, self.labels)


class Segmenter:
    """A network with everything around it; see ``load_segmenter``."""

    def __init__(
        self, network: nn.Module, members: Sequence[Member], device: torch.device, inferer: SliceBatches, **options: Any
    ) -> None:
        self.network, self.device, self.inferer = network, device, inferer
        self.labels = tuple(members[0].value("labels"))
        first = members[0]
        grid = ResizeInPlane(first.value("image_size"), first.value("pixel_spacing"))
        self.load = Compose([LoadInput(first.value("in_channels"), options["channel"]), grid])
        self.restore = Compose(
            [
                RestoreGrid(options["probabilities"]),
                RemoveSmallComponents(options["min_voxels"]),
                Describe(self.labels, known_shares(members)),
            ]
        )

    def __call__(self, path: str | Path, *, series: str | None = None) -> Mask:
        """Segment one image.

        Args:
            path: a file, or the folder of a DICOM series.
            series: which series of a folder that holds several.

        Raises:
            FileNotFoundError, ValueError: the image is missing, unreadable or unusable, or there are several.
        """
        found = find_inputs(path, series=series)
        if len(found) > 1:
            names = ", ".join(entry["case"].name for entry in found[:3])
            raise UserError(f"{path} holds {len(found)} images ({names}, ...); give one of them")
        try:
            data = self.load({**found[0], "result": {}})
            pred = self.inferer(data["image"][None].to(self.device), self.network)
            data = self.restore({**data, "pred": pred})
        except RuntimeError as error:
            if isinstance(error.__cause__, UserError):  # MONAI wraps what a transform raises
                raise error.__cause__ from None
            raise
        result = data["result"]
        return Mask(
            array=data["pred"],
            affine=data["volume"].affine,
            labels=self.labels,
            classes=tuple(result["classes"]),
            flags=tuple(result["flags"]),
            probabilities=result["probabilities"],
            _case=data["case"],
            _volume=data["volume"],
        )


def load_segmenter(
    run_or_model: str | Path | Sequence[str],
    *,
    runs_dir: str | Path = "runs",
    device: str | torch.device | None = None,
    batch_size: int = 4,
    flips: bool = False,
    min_voxels: int = 0,
    probabilities: bool = False,
    channel: int | None = None,
) -> Segmenter:
    """Make a function that segments images with the network of a run.

    Args:
        run_or_model: name of a run in ``runs_dir``, or several whose probabilities are averaged; a run's folder; or a
            file of weights with its ``model.json`` beside it, such as ``models/model.pt``.
        runs_dir: the folder of all runs.
        device: where to compute; a GPU where there is one.
        batch_size: slices at a time.
        flips: average over mirror images; see ``SliceBatches``.
        min_voxels: smaller connected components are removed; see ``RemoveSmallComponents``.
        probabilities: keep the probabilities of all classes too.
        channel: which channel of NIfTI files with four axes; None refuses files of several.

    Raises:
        FileNotFoundError: there is no such run, or no weights.
        ValueError: weights are of another network, or not finite, or nothing tells what they were trained with.
    """
    chosen = torch.device(device or ("cuda:0" if torch.cuda.is_available() else "cpu"))
    members = _members(run_or_model, runs_dir)
    if not members[0].settings:
        raise UserError(f"{members[0].weights} has no model.json beside it; name the run that it is from")
    network = assemble_network(members[0].value("network_def"), members, chosen)
    load_weights(network, members, chosen)
    inferer = SliceBatches(batch_size, flips)
    options = {"min_voxels": min_voxels, "probabilities": probabilities, "channel": channel}
    return Segmenter(network, members, chosen, inferer, **options)


def _members(run_or_model: str | Path | Sequence[str], runs_dir: str | Path) -> list[Member]:
    if isinstance(run_or_model, str | Path):
        path = Path(run_or_model).expanduser()
        if path.suffix == ".pt":
            return find_members(None, runs_dir, path)
        if path.is_dir() and path.name != str(run_or_model):
            return find_members(path.name, path.parent, path)
        return find_members(str(run_or_model), runs_dir, path)
    first, *further = run_or_model
    return find_members(first, runs_dir, "", further)
