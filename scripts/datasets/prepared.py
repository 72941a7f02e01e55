"""Reading a prepared data set: the only thing that training, evaluation and tracking know of the data."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingFileError, UserError
from .checksums import read_unchanged
from .datalist import deal_images, deal_splits, image_id, read_datalist
from .geometry import Geometry
from .slice_grid import PixelSpacing, SliceGrid
from .slices import ORIGINAL_LABELS, original_label_name
from .splits import IMAGE_LEAKY, Split, hash_split, require_fold


class PreparedDataset:
    """A folder written by ``prepare_dataset``, seen through one split of its cases.

    Args:
        root: the folder; holds ``dataset.json``, ``images``, ``labels`` and ``original_labels``.
        fold: which of the splits to use.
        num_folds: folds of the split by patient; without effect where cases have official parts.
        split_seed: seed of that split.
        splits: the user's own in place of those, by the names that ``dataset.json`` has.
        split_unit: "patient", or "image_leaky": images are dealt at random, whatever patient they show, as in many
            papers. Patients that were trained on are then tested, and scores are too good.

    Raises:
        FileNotFoundError: ``root`` holds no ``dataset.json``.
        ValueError: ``dataset.json`` can't be read, is of another version or was changed, or there is no such fold.
    """

    def __init__(
        self,
        root: str | Path,
        fold: int = 0,
        *,
        num_folds: int = 5,
        split_seed: int = 0,
        splits: Sequence[Split] | None = None,
        split_unit: str = "patient",
    ) -> None:
        self.root = Path(root).expanduser().resolve()
        record = read_datalist(self.root)
        deal = deal_images if split_unit == IMAGE_LEAKY else deal_splits
        splits = splits or deal(record, num_folds=num_folds, seed=split_seed)
        require_fold(fold, len(splits))
        self.fold = fold
        self.num_splits = len(splits)
        self.split_unit = split_unit
        self.split: Split = splits[fold]
        self.split_sha256 = hash_split(self.split)
        self.name: str = record["name"]
        self.labels: list[str] = list(record["labels"].values())
        self.num_classes = len(self.labels)
        self.in_channels: int = record["in_channels"]
        self.image_size: tuple[int, int] = (record["image_size"][0], record["image_size"][1])
        steps = record.get("pixel_spacing")
        self.pixel_spacing: PixelSpacing = None if steps is None else (steps[0], steps[1])
        self.intensity_max: int = record["intensity_max"]
        self.ignore_index: int | None = record["ignore_index"]
        self.fingerprint: str = record["fingerprint"]
        self._cases: dict[str, dict[str, Any]] = {case["name"]: case for case in record["cases"]}
        self.case_names: list[str] = list(self._cases)
        self._training: list[dict[str, Any]] = record["training"]

    def items(self, part: str) -> list[dict[str, Any]]:
        """List the slices of a part in order of case and slice.

        Args:
            part: "train", "val" or "test".

        Returns:
            For each slice ``image`` and ``label`` (absolute paths), ``image_crc32`` and ``label_crc32`` (of those
            files), ``case`` (name), ``case_index`` (place in ``case_names``) and ``slice`` (place in its volume).

        Raises:
            ValueError: the part does not exist or is empty.
        """
        index = {name: position for position, name in enumerate(self.case_names)}
        return [
            {
                "image": str(self.root / item["image"]),
                "image_crc32": item["image_crc32"],
                "label": str(self.root / item["label"]),
                "label_crc32": item["label_crc32"],
                "case": item["case"],
                "case_index": index[item["case"]],
                "slice": item["slice"],
            }
            for item in self._items(part)
        ]

    def class_counts(self, part: str = "train") -> list[int]:
        """Count the pixels of each class in a part at ``image_size``, ignored ones left out.

        Raises:
            ValueError: the part does not exist or is empty.
        """
        counts: list[Sequence[int]] = [item["class_counts"] for item in self._items(part)]
        return [sum(column) for column in zip(*counts, strict=True)]

    @property
    def patients(self) -> dict[str, str]:
        """The patient of each case."""
        return {name: str(case["patient"]) for name, case in self._cases.items()}

    def geometry(self, case: str) -> Geometry:
        """Size and spacing of a case in its own files."""
        return Geometry.of(self._cases[case]["size"], self._cases[case]["spacing"])

    def slice_grid(self, case: str) -> SliceGrid:
        """Where the pixels of a case's slices lie in the plane of its own files."""
        geometry = self.geometry(case)
        return SliceGrid.of(geometry.size, geometry.spacing, self.image_size, self.pixel_spacing, case)

    def original_label_file(self, case: str) -> Path:
        """Where a case's mask lies in its own size."""
        return self.root / ORIGINAL_LABELS / original_label_name(case)

    def original_label(self, case: str) -> NDArray[np.uint8]:
        """A case's mask (X, Y, Z) in its own size, class indices or the ignored value.

        Raises:
            FileNotFoundError, ValueError: its file is missing, or not the one that was prepared.
        """
        path = self.original_label_file(case)
        if not path.is_file():
            raise MissingFileError(f"{path} does not exist; delete {self.root} and prepare it again")
        content = read_unchanged(path, self._cases[case]["original_label_crc32"], self.root)
        with np.load(io.BytesIO(content)) as file:
            label: NDArray[np.uint8] = file["label"]
        return label

    def _items(self, part: str) -> list[dict[str, Any]]:
        names = set(self._names(part))
        if self.split_unit == IMAGE_LEAKY:
            return [item for item in self._training if image_id(item) in names]
        return [item for item in self._training if item["case"] in names]

    def _names(self, part: str) -> list[str]:
        if part not in self.split:
            raise UserError(f"part must be one of {', '.join(self.split)}, got {part!r}")
        if not self.split[part]:
            raise UserError(f"the data set {self.name} has no {part!r} part; use another part or split it by folds")
        return self.split[part]


def part_items(dataset: PreparedDataset, part: str) -> list[dict[str, Any]]:
    """``dataset.items(part)`` as a component of a configuration, which programs read without running it."""
    return dataset.items(part)
