"""The volumes of a folder that inference segments."""

from __future__ import annotations

from pathlib import Path

from ..errors import MissingFileError, UserError
from ..formats.listing import walk_folder
from ..formats.metaimage_header import is_metaimage, read_metaimage_header


def find_volumes(dataset_dir: str | Path) -> list[dict[str, str]]:
    """Find every ``.mhd`` and ``.mha`` volume below a folder, masks (``*_segmentation``) left out, and check it.

    Args:
        dataset_dir: searched with its sub-folders.

    Returns:
        For each volume ``image``, its absolute path, in order of path.

    Raises:
        FileNotFoundError: the folder is missing or holds no volume.
        ValueError: a header is at fault, or two volumes have the same name, so that their masks would.
    """
    root = Path(dataset_dir).expanduser().resolve()
    if not root.is_dir():
        raise MissingFileError(f"{root} is not a folder; name a folder of .mhd volumes by --dataset_dir")
    headers = sorted(filter(is_metaimage, walk_folder(root)))
    paths = [path for path in headers if not path.stem.endswith("_segmentation")]
    if not paths:
        raise MissingFileError(f"no volume (*.mhd, *.mha) under {root}; name a folder of .mhd volumes by --dataset_dir")
    seen: dict[str, Path] = {}
    for path in paths:
        if seen.setdefault(path.stem, path) is not path:
            raise UserError(
                f"{path} and {seen[path.stem]} have the same name, so their masks would; rename one of them"
            )
        read_metaimage_header(path)
    return [{"image": str(path)} for path in paths]
