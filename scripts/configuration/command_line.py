"""What stands on the command line of ``python -m monai.bundle run``, as it was typed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from fire.parser import DefaultParseValue
from monai.bundle import ConfigParser

from ..errors import UserError
from .sections import KINDS
from .workflow import running_workflow

NAME_KEYS = ("run_name", "experiment_name")  # texts, whatever they look like


def typed(option: str, arguments: Sequence[str] | None = None) -> str | None:
    """The text behind ``--option``, the last one where it stands twice; None without it or outside of the command."""
    if arguments is None:
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        arguments = sys.argv[1:] if spec is not None and spec.name == "monai.bundle.__main__" else []
    text = None
    for place, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name.lstrip("-").replace("-", "_") == option and name.startswith("-"):
            text = value if equals else next(iter(arguments[place + 1 : place + 2]), None)
    return text


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
    text = typed("config_file")
    files = DefaultParseValue(text) if text else []
    files = [files] if isinstance(files, str) else list(files)
    refuse_odd_files({str(path): ConfigParser.load_config_file(path) for path in files})


def refuse_odd_files(contents: dict[str, dict[str, Any]]) -> None:
    """Refuse a part before the file that it changes, and two parts of a kind; ``contents`` by file, in order."""
    files = list(contents)
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
