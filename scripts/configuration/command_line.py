"""What stands on the command line of ``python -m monai.bundle run``, as it was typed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from fire.parser import DefaultParseValue

from ..errors import UserError
from .reading import load_config
from .sections import KINDS
from .workflow import running_workflow

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}(?![0-9a-zA-Z])")
NAME_KEYS = ("run_name", "experiment_name")  # texts, whatever they look like


def typed(option: str, arguments: Sequence[str] | None = None) -> str | None:
    """The text behind ``--option``, the last one where it stands twice; None without it or outside of the command."""
    return dict(_options(arguments)).get(option)


def _options(arguments: Sequence[str] | None = None) -> list[tuple[str, str | None]]:
    """Every option as it was typed, with the text behind it."""
    if arguments is None:
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        arguments = sys.argv[1:] if spec is not None and spec.name == "monai.bundle.__main__" else []
    found = []
    for place, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name.startswith("-"):
            text = value if equals else next(iter(arguments[place + 1 : place + 2]), None)
            found.append((name.lstrip("-").replace("-", "_"), text))
    return found


def read_names() -> None:
    """Give names back the text that was typed: the command line reads ``2024_11_24`` as a number.

    Raises:
        ValueError: a name is a number and does not come from the command line.
    """
    workflow = running_workflow()
    if workflow is None:
        return
    for key in NAME_KEYS:
        value = workflow.parser.get(key)
        if isinstance(value, str) or value is None:
            continue
        text = typed(key)
        if text is None:
            raise UserError(f"{key} is {value!r} and no text; put it in quotes: {key}: '{value}'")
        workflow.parser[key] = text
        workflow.parser.parse(reset=True)


def check_files() -> None:
    """Refuse configuration files in an order or a number in which one takes away the other.

    Raises:
        ValueError: names the files.
    """
    refuse_odd_files(_files())


def _files() -> dict[str, dict[str, Any]]:
    """The configuration files of the command line with their content."""
    text = typed("config_file")
    files = DefaultParseValue(text) if text else []
    return {str(path): load_config(path) for path in ([files] if isinstance(files, str) else list(files))}


def refuse_number_signs() -> None:
    """Refuse texts with ``#``: the command line takes what follows for a comment, MONAI takes the sign for ``::``.

    ``--output_dir run#2`` would write into ``run``, ``/data#2`` into ``/data::2``. Colours of masks may have it.

    Raises:
        ValueError: names the option or the key of a file.
    """
    for name, text in _options():
        _refuse_sign(f"--{name}", name, text)
    for file, content in _files().items():
        for place, text in _texts(content):
            _refuse_sign(f"{file}: {place}", place, text)


def _texts(config: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(config, dict | list):
        yield place, config
        return
    for key, value in config.items() if isinstance(config, dict) else [("", item) for item in config]:
        yield from _texts(value, "::".join(filter(None, (place, str(key)))))


def _refuse_sign(where: str, place: str, text: Any) -> None:
    if not isinstance(text, str) or text.startswith(("$", "@", "%", "-")):
        return
    rest = _COLOUR.sub("", text) if place.replace("#", "::").split("::")[-1] in ("values", "ignored") else text
    if "#" in rest:
        raise UserError(
            f"{where} holds '#', which MONAI reads as '::' and the command line as a comment; rename what is meant, or "
            "link to it by a name without '#'"
        )  # without the text, which may be an address with a password


def refuse_odd_files(contents: dict[str, dict[str, Any]]) -> None:
    """Refuse two complete files, a part before the file that it changes, and two parts of a kind.

    Args:
        contents: by file, in order.
    """
    files = list(contents)
    whole = [path for path in files if {"network_def", "initialize"} <= set(contents[path])]
    if len(whole) > 1:
        raise UserError(
            f"{' and '.join(whole)} are each complete by themselves, and only what the last one does would be done; "
            "give one of them, and parts behind it"
        )
    for place, path in enumerate(files):
        if place and {"network_def", "initialize"} <= set(contents[path]):
            raise UserError(
                f"{path} must come first: it replaces all that {', '.join(files[:place])} set; give --config_file "
                f'"{[path, *files[:place], *files[place + 1 :]]}"'
            )
    for kind, (section, _) in KINDS.items():
        parts = [
            path for path in files[1:] if section in contents[path] and not path.split("/")[-1].startswith("recipe_")
        ]
        if len(parts) > 1:
            raise UserError(
                f"{' and '.join(parts)} both set the {kind}, and only the last would count; give one of them"
            )
