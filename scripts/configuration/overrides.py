"""Overrides of the command line, read as a YAML file would read them."""

from __future__ import annotations

from typing import Any

from .command_line import refuse_number_signs
from .workflow import running_workflow

# Words of YAML that the command line, which reads Python's literals, hands over as text.
WORDS = {"true": True, "false": False, "null": None}


def read_yaml_words() -> None:
    """Turn ``true``, ``false`` and ``null`` in the running workflow's configuration into what they mean; refuse ``#``.

    ``--amp false`` would otherwise be the text "false", which counts as true. Belongs before everything that reads the
    configuration; items of lists, such as names of classes, stay as they are.

    Raises:
        ValueError: see ``refuse_number_signs``.
    """
    refuse_number_signs()
    workflow = running_workflow()
    if workflow is not None and _replace_words(workflow.parser.get()):
        workflow.parser.parse(reset=True)


def _replace_words(config: dict[str, Any]) -> bool:
    """Replace in place; returns whether there was anything to replace."""
    found = False
    for key, value in config.items():
        if isinstance(value, str) and value in WORDS:
            config[key] = WORDS[value]
            found = True
        elif isinstance(value, dict):
            found |= _replace_words(value)
    return found
