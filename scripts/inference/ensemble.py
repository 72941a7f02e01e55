"""Which networks may vote together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..datasets.preparation_settings import check_size
from ..datasets.slice_grid import check_pixel_spacing
from ..errors import UserError
from ..runs.provenance import file_sha256


def names_of(ensemble: Sequence[str] | str | None) -> list[str]:
    """The names of further runs, as ``--ensemble`` gives them.

    Raises:
        ValueError: it is no name and no list of names.
    """
    names = [] if ensemble is None else [ensemble] if isinstance(ensemble, str) else ensemble
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name for name in names):
        raise UserError(f"ensemble must be a list of runs' names, got {ensemble!r}; write --ensemble \"['RUN','RUN']\"")
    return list(names)


def one_form(key: str, value: Any) -> Any:
    """A setting in one form: 64 and [64, 64] are the same size."""
    forms: dict[str, Any] = {"image_size": check_size, "pixel_spacing": check_pixel_spacing}
    return forms[key](value) if key in forms else value


def refuse_equal_weights(weights: Sequence[Path]) -> None:
    """Refuse weights that would count twice: a run named again, by a link or as a copy.

    Raises:
        ValueError: names both files.
    """
    seen: dict[str, int] = {}
    for place, path in enumerate(weights if len(weights) > 1 else ()):
        first = seen.setdefault(file_sha256(path), place)
        if first != place:
            raise UserError(
                f"{path} and {weights[first]} hold the same weights, which would count twice in the ensemble; name "
                "each network once"
            )
