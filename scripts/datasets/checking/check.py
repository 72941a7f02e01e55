"""The check by itself: reads every case, finds all faults at once, and shows what is there."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from ...errors import UserError
from ..cases import Case, check_cases
from ..class_presence import check_classes
from ..datalist import Counts
from ..pairs import read_pair
from ..preparation_settings import Settings, check_size
from ..pseudonyms import publish
from ..slice_grid import PixelSpacing, check_pixel_spacing
from ..slices import count_classes, place_slices
from ..splits import IMAGE_LEAKY, check_split_unit, choose_splits, read_split_file, split_images
from ..threads import run_in_threads
from .case_summary import Facts, facts_of, find_errors, find_warnings
from .check_report import CHECK_CSV, CHECK_PNG, Row, format_table, write_report
from .contact_sheet import choose_cases, draw_thumbnail

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Looked:
    """What is kept of a case that was looked at; small."""

    row: Row
    counts: Counts
    picture: Image.Image | None


def check_dataset(
    cases: Sequence[Case],
    *,
    name: str,
    labels: Sequence[str],
    image_size: int | Sequence[int],
    output_dir: str | Path,
    prepared_dir: str | Path,
    ignore_index: int | None = None,
    in_channels: int = 1,
    num_folds: int = 5,
    split_seed: int = 0,
    split_file: str | Path | None = None,
    split_unit: str = "patient",
    pixel_spacing: float | Sequence[float] | None = None,
    num_workers: int | None = None,
) -> None:
    """Print a table of all cases, and write it with a contact sheet into ``<output_dir>/check/<name>``.

    Args:
        cases: what an adapter found.
        name: of the data set.
        labels: names of the classes.
        image_size: of the slices that would be prepared, pixels along x and y; a class that vanishes there is told.
        output_dir: gets the table and the sheet.
        prepared_dir: holds the salt of hashed names.
        ignore_index: value of the pixels that belong to no class, or None.
        in_channels: 1 for gray, 3 for colour.
        num_folds: folds of the split by patient.
        split_seed: seed of that split.
        split_file: JSON with a split of the user's own, or None.
        split_unit: "patient" or "image_leaky".
        pixel_spacing: millimetres of a slice's pixel, or None; see ``SliceGrid``.
        num_workers: threads; None or 0 takes a thread per core.

    Raises:
        ValueError: a setting is one that preparing refuses, or a split is impossible, and nothing is written; or one
            case or more is at fault: all are in the table, the message holds the first.
    """
    check_cases(cases)
    check_split_unit(split_unit, split_file)
    settings = Settings(
        name=name,
        labels=tuple(labels),
        image_size=check_size(image_size),
        ignore_index=ignore_index,
        in_channels=in_channels,
        pixel_spacing=check_pixel_spacing(pixel_spacing),
    )
    # Impossible folds are refused before every file is read; which cases have foreground does not matter for that.
    if split_file is not None:
        read_split_file(split_file, cases)
    elif split_unit != IMAGE_LEAKY:
        choose_splits(cases, (), (), num_folds=num_folds, seed=split_seed)
    published = sorted(publish(cases, Path(prepared_dir).expanduser().resolve()), key=lambda case: case.name)
    check_cases(published)
    shown = choose_cases([case.name for case in published])
    look = partial(
        _look,
        labels=labels,
        size=settings.image_size,
        pixel_spacing=settings.pixel_spacing,
        ignore_index=ignore_index,
        in_channels=in_channels,
        shown=shown,
    )
    looked = run_in_threads(look, published, title=f"checking {name}", num_workers=num_workers)
    rows = [item.row for item in looked]
    facts = [row.facts for row in rows if row.facts is not None]
    folder = Path(output_dir).expanduser().resolve() / "check" / name
    folder.mkdir(parents=True, exist_ok=True)
    write_report(folder, rows, labels, [(i.row.case.name, i.picture) for i in looked if i.picture is not None])
    _say(rows, facts, labels, folder)
    errors = [row.error for row in rows if row.error is not None]
    if errors:
        raise UserError(f"{len(errors)} of {len(rows)} cases are at fault, the first: {errors[0]}")
    for warning in check_classes(
        [item.counts for item in looked], name=name, labels=labels, image_size=settings.image_size
    ):
        logger.warning("%s", warning)
    for error in find_errors(facts, {case.name: case.patient for case in published}):
        raise UserError(f"{name}: {error}")
    if split_unit == IMAGE_LEAKY:
        images = sum(fact.size[2] for fact in facts)
        split_images([str(number) for number in range(images)], num_folds=num_folds, seed=split_seed)
    logger.info("no error in %d cases", len(rows))


def _look(
    case: Case,
    *,
    labels: Sequence[str],
    size: tuple[int, int],
    pixel_spacing: PixelSpacing,
    ignore_index: int | None,
    in_channels: int,
    shown: set[str],
) -> _Looked:
    try:
        pair = read_pair(case, labels, ignore_index, in_channels)
        grid, pair = place_slices(case, pair, size, pixel_spacing, len(labels))
    except (OSError, ValueError) as error:
        return _Looked(Row(case, None, error), [], None)
    picture = draw_thumbnail(pair, labels) if case.name in shown else None
    counts = count_classes(grid.mask(pair.label), len(labels))
    return _Looked(Row(case, facts_of(case, pair, len(labels))), counts, picture)


def _say(rows: Sequence[Row], facts: Sequence[Facts], labels: Sequence[str], folder: Path) -> None:
    logger.info("\n%s", format_table(rows, labels))
    total = [sum(column) for column in zip(*(fact.counts for fact in facts), strict=True)]
    if any(total):
        shares = ", ".join(f"{label} {100 * n / sum(total):.2f} %" for label, n in zip(labels, total, strict=True))
        logger.info("%d cases, %d planes; voxels: %s", len(rows), sum(fact.size[2] for fact in facts), shares)
    for warning in find_warnings(facts):
        logger.warning("%s", warning)
    logger.info("table: %s, pictures: %s", folder / CHECK_CSV, folder / CHECK_PNG)
