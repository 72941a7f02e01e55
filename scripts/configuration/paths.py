"""A configuration as others may see it: without the places on this machine and the addresses of servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PLACES = {"bundle_root", "dataset_dir", "output_dir", "resume", "split_file", "tracking_uri"}


def without_paths(config: dict[str, Any]) -> dict[str, Any]:
    """A copy of a configuration in which typed paths and addresses stand as ``<key>``; expressions stay as they are.

    Folder names may say who a patient is, and a database's address may hold a password.

    >>> without_paths({"dataset_dir": "/data/doe", "seed": 3, "net": {"path": "~/resnet.pth", "of": "$@seed + 1"}})
    {'dataset_dir': '<dataset_dir>', 'seed': 3, 'net': {'path': '<path>', 'of': '$@seed + 1'}}
    """
    return {
        key: f"<{key}>" if key in PLACES and _is_typed(value) else _hide(value, key) for key, value in config.items()
    }


def _hide(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _hide(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(item, key) for item in value]
    return f"<{key}>" if _is_typed(value) and _is_place(value) else value


def _is_typed(value: Any) -> bool:
    """Whether a value is text that MONAI does not evaluate."""
    return isinstance(value, str) and not value.startswith(("$", "@", "%"))


def _is_place(text: str) -> bool:
    return "://" in text or text.startswith(("/", "~", "./", "../")) or ("/" in text and Path(text).exists())
