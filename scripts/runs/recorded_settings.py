"""The settings that a run has recorded and that its network is used with: whether they are what the training had."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from ..configuration.paths import without_paths
from ..datasets.preparation_settings import check_labels, check_size
from ..datasets.slice_grid import check_pixel_spacing
from ..errors import UserError
from .resume import FREE_KEYS, flatten, read_table
from .run_files import TRACKED_CONFIG

# What may be changed by hand, such as where the data lie now.
UNWATCHED = FREE_KEYS - {"max_epochs"}
_HIDDEN = re.compile(r"<\w+>")  # a path, as the copy shows it


def refuse_odd_settings(path: Path, config: Mapping[str, Any], labels: Sequence[str], remedy: str) -> None:
    """Refuse settings with which no network of this bundle is trained.

    Args:
        path: where they stand, for the message.
        config: ``image_size``, ``in_channels``, ``pixel_spacing`` and ``network_def``, and what these refer to.
        labels: class names.
        remedy: what to do.

    Raises:
        ValueError: names the setting.
    """
    parser = ConfigParser({**config, "labels": list(labels)})
    try:
        check_labels(list(labels))
        check_size(parser.get_parsed_content("image_size"))
        check_pixel_spacing(parser.get_parsed_content("pixel_spacing") if "pixel_spacing" in config else None)
        channels = parser.get_parsed_content("in_channels")
        if isinstance(channels, bool) or channels not in (1, 3):
            raise UserError(f"in_channels must be 1 (gray) or 3 (colour), got {channels!r}")
        network = config["network_def"]
        if not (isinstance(network, dict) and "_target_" in network) and not str(network).startswith(("$", "@", "%")):
            raise UserError(f"network_def must name a network by _target_, got {network!r}")
    except UserError as error:
        raise UserError(f"{path} is damaged: {error}; {remedy}") from None


def refuse_changed_settings(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse a run's configuration whose settings are not those of the copy that was written with it for MLflow.

    Args:
        path: the run's configuration.
        config: its content.

    Raises:
        ValueError: names the first setting that differs.
    """
    copy = path.parent / TRACKED_CONFIG
    if not copy.is_file():
        return
    status = copy.stat()
    written = _written(copy, status.st_mtime_ns, status.st_size)
    now = flatten(without_paths({key: value for key, value in config.items() if key not in UNWATCHED}))
    for place in sorted(set(written) | set(now)):
        both = (written.get(place, ""), now.get(place, ""))
        if written.get(place) != now.get(place) and not any(_HIDDEN.fullmatch(text) for text in both):
            raise UserError(
                f"{path} was changed after the training: {place} is {now.get(place, 'missing')} and was "
                f"{written.get(place, 'missing')} ({TRACKED_CONFIG} beside it); put the run's own file back"
            )


@lru_cache(maxsize=16)
def _written(copy: Path, _changed: int, _size: int) -> dict[str, str]:
    """The copy's values by place; a file that has changed is read again."""
    return flatten({key: value for key, value in read_table(copy).items() if key not in UNWATCHED})
