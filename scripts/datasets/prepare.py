"""Preparing: the same for every data set, from cases to PNG slices and a MONAI datalist."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import UserError
from ..formats.reading import bit_depth
from ..storage.atomic_folders import holds_anything, make_folder
from .cases import Case, check_cases
from .checking.case_summary import Facts, duplicates, facts_of, find_errors, find_warnings
from .checking.check_report import CHECK_PNG, Row, write_report
from .checking.contact_sheet import choose_cases, draw_thumbnail
from .checksums import CaseChecksums
from .class_presence import check_classes
from .content_hashes import ContentHashes
from .datalist import Counts, describe, write_datalist
from .geometry import Geometry
from .preparation_settings import Settings, check_size, fingerprint_cases
from .prepared import PreparedDataset
from .pseudonyms import publish
from .slice_grid import check_pixel_spacing
from .slices import IMAGES, LABELS, ORIGINAL_LABELS, write_case
from .splits import (
    IMAGE_LEAKY,
    check_split_unit,
    choose_splits,
    read_split_file,
    refuse_shared_images,
    require_fold,
)
from .threads import run_in_threads

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Written:
    """What is kept of a case once its slices are on the disk; small."""

    counts: Counts
    checksums: CaseChecksums
    facts: Facts
    thumbnail: Image.Image | None


def prepare_dataset(
    cases: Sequence[Case],
    *,
    name: str,
    labels: Sequence[str],
    image_size: int | Sequence[int],
    prepared_dir: str | Path,
    ignore_index: int | None = None,
    in_channels: int = 1,
    num_folds: int = 5,
    split_seed: int = 0,
    split_file: str | Path | None = None,
    split_unit: str = "patient",
    fold: int = 0,
    pixel_spacing: float | Sequence[float] | None = None,
    num_workers: int | None = None,
) -> PreparedDataset:
    """Write the cases as PNG slices with a ``dataset.json`` into ``<prepared_dir>/<name>-<fingerprint>``.

    Nothing is done where that folder exists already. The fingerprint covers the cases, the content of every file, and
    the settings but for those of the split; changed input is thus prepared again beside the old, and one folder serves
    every split. It appears complete or not at all, whenever the process ends and however many start together.
    What the check says lies in it as ``check.csv`` and ``check.png``.

    Args:
        cases: what an adapter found.
        name: of the data set; safe as a file name.
        labels: names of the classes, at least two; without a table, a class's value in a mask is its place here.
        image_size: pixels along x and y, or one number for both.
        prepared_dir: holds the prepared data sets, and the salt of hashed names.
        ignore_index: value of the pixels that belong to no class, up to 255, or None.
        in_channels: 1 for gray slices, 3 for colour.
        num_folds: folds of the split by patient; without effect where cases have official parts.
        split_seed: seed of that split.
        split_file: JSON with a split of the user's own, or None; see ``read_split_file``.
        split_unit: "patient" or "image_leaky"; see ``PreparedDataset``.
        fold: the split to use.
        pixel_spacing: millimetres of a slice's pixel, one number or two, where slices show the middle of the field of
            view; None shows all of it, whatever its size. See ``SliceGrid``.
        num_workers: threads; None or 0 takes a thread per core.

    Raises:
        FileNotFoundError, ValueError: a case or an argument is at fault; the message names it and the remedy.
    """
    check_cases(cases)
    check_split_unit(split_unit, split_file)
    # Impossible folds are refused before hours of preparing; which cases have foreground does not matter for that.
    own = None if split_file is None else read_split_file(split_file, cases)
    if split_unit == IMAGE_LEAKY:
        logger.warning("split_unit %s: patients that are trained on are tested too, so scores are too good", split_unit)
    else:
        splits = own or choose_splits(cases, (), (), num_folds=num_folds, seed=split_seed)
        require_fold(fold, len(splits))
    settings = Settings(
        name=name,
        labels=tuple(labels),
        image_size=check_size(image_size),
        ignore_index=ignore_index,
        in_channels=in_channels,
        pixel_spacing=check_pixel_spacing(pixel_spacing),
    )
    root = Path(prepared_dir).expanduser().resolve()
    published = publish(cases, root)
    # Folds are dealt by the files' own names, so that a hashed name's salt has no influence on them.
    pairs = sorted(zip(published, cases, strict=True), key=lambda pair: pair[0].name)
    check_cases(published)
    hashes = ContentHashes(root)
    read = partial(hashes.of, num_workers=num_workers)
    fingerprint = fingerprint_cases([case for case, _ in pairs], settings, read)
    target = root / f"{name}-{fingerprint[:12]}"
    if not holds_anything(target):
        make_folder(target, lambda folder: _write(folder, pairs, settings, fingerprint, num_workers))
        logger.info("prepared %d cases of %s in %s", len(cases), name, target)
        logger.info("table and pictures of the check: %s", target / CHECK_PNG)
    hashes.save()
    if own is not None:
        names = {case.name: called.name for called, case in pairs}
        own = [{part: sorted(names[name] for name in listed) for part, listed in split.items()} for split in own]
    return PreparedDataset(target, fold, num_folds=num_folds, split_seed=split_seed, splits=own, split_unit=split_unit)


def _write(
    folder: Path,
    pairs: Sequence[tuple[Case, Case]],
    settings: Settings,
    fingerprint: str,
    workers: int | None,
) -> None:
    """Fill the folder from the cases, each as it is published and as its files name it."""
    cases = [case for case, _ in pairs]
    depth = 8 if settings.in_channels == 3 else max(bit_depth(case.image) for case in cases)  # no 16-bit colour in PNG
    intensity_max = 2**depth - 1
    for kind in (IMAGES, LABELS, ORIGINAL_LABELS):
        (folder / kind).mkdir()
    shown = choose_cases([case.name for case in cases])
    write = partial(_write_one, folder=folder, settings=settings, intensity_max=intensity_max, shown=shown)
    written = run_in_threads(write, cases, title=f"preparing {settings.name}", num_workers=workers)
    counts = [item.counts for item in written]
    absent = check_classes(counts, name=settings.name, labels=settings.labels, image_size=settings.image_size)
    facts = [item.facts for item in written]
    for error in find_errors(facts, {case.name: case.patient for case in cases}):
        raise UserError(f"{settings.name}: {error}")
    rank = {patient: place for place, patient in enumerate(sorted({case.patient for _, case in pairs}))}
    record = describe(
        cases,
        counts,
        settings,
        checksums=[item.checksums for item in written],
        geometries=[Geometry.of(fact.size, fact.spacing) for fact in facts],
        patient_ranks=[rank[case.patient] for _, case in pairs],
        empty={fact.case for fact in facts if fact.empty},
        twins=duplicates(facts),
    )
    refuse_shared_images(cases, record["twins"])
    record |= {"fingerprint": fingerprint, "intensity_max": intensity_max}
    write_datalist(folder, record)
    warnings = [*absent, *find_warnings(facts)]
    for warning in warnings:
        logger.warning("check of %s: %s", settings.name, warning)
    thumbnails = [(i.facts.case, i.thumbnail) for i in written if i.thumbnail is not None]
    write_report(
        folder, [Row(case, fact) for case, fact in zip(cases, facts, strict=True)], settings.labels, thumbnails
    )


def _write_one(case: Case, *, folder: Path, settings: Settings, intensity_max: int, shown: set[str]) -> _Written:
    counts, pair = write_case(
        case,
        folder,
        labels=settings.labels,
        image_size=settings.image_size,
        intensity_max=intensity_max,
        ignore_index=settings.ignore_index,
        in_channels=settings.in_channels,
        pixel_spacing=settings.pixel_spacing,
    )
    thumbnail = draw_thumbnail(pair, settings.labels) if case.name in shown else None
    checksums = CaseChecksums.of(folder, case.name, len(counts))
    return _Written(counts, checksums, facts_of(case, pair, len(settings.labels)), thumbnail)


def prepare_with(settings: Mapping[str, Any], fold: int) -> PreparedDataset:
    """``prepare_dataset`` with its settings as one table: a component, which programs read without running it.

    Args:
        settings: arguments of ``prepare_dataset`` but for ``fold``.
        fold: the split to use.

    Raises:
        FileNotFoundError, ValueError: see ``prepare_dataset``.
    """
    return prepare_dataset(**settings, fold=fold)
