"""A folder of its own for each run of another bundle: links to the bundle's files, and what the run writes."""

from __future__ import annotations

import shutil
from pathlib import Path

from monai.bundle import ConfigParser

from ...errors import UserError
from .bundle_config import SEPARATOR, components

TREE = "bundle"  # in a run's folder
# Not linked: what a training of the bundle writes, and weights that an evaluation would take for its own.
WRITTEN = {"models", "eval", "output", "outputs", "results", "runs", "logs", "__pycache__", ".git"}
PLACES = ("save_dir", "log_dir", "output_dir")  # arguments that name a folder which a component writes into


def make_tree(tree: Path, bundle: Path) -> None:
    """Make the folder again: links to all of the bundle but what its runs write, and an empty ``models``."""
    if tree.is_symlink() or tree.exists():
        shutil.rmtree(tree)
    (tree / "models").mkdir(parents=True)
    for entry in bundle.iterdir():
        if entry.name not in WRITTEN:
            (tree / entry.name).symlink_to(entry)


def written_folders(parser: ConfigParser, tree: Path) -> dict[str, Path]:
    """The folders that components write into, by the place of the argument.

    Args:
        parser: the configuration of a run, overrides applied.
        tree: the run's own folder, which is the working folder.

    Raises:
        UserError: one lies elsewhere, so that runs would write over each other; names it and the remedy.
    """
    found = {}
    for place, component in components(parser):
        for name in PLACES:
            if component.get(name) is None:
                continue
            key = f"{place}{SEPARATOR}{name}"
            folder = (tree / str(parser.get_parsed_content(key))).resolve()
            if not folder.is_relative_to(tree.resolve()):
                raise UserError(
                    f"the bundle writes into {folder}, which all runs would share; set {key}, or the key that it "
                    "refers to, to a folder below bundle_root that the bundle has not got"
                )
            found[key] = folder
    return found
