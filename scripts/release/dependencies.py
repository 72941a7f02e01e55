"""What an install brings along: the packages that are needed, with those that they need in turn."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ..errors import MissingFileError, UserError


def user_requirements(pyproject: Path, extras: Iterable[str] = ("bundle",)) -> list[str]:
    """The requirements of the project and of some of its extras, as ``pyproject.toml`` has them.

    Raises:
        FileNotFoundError: there is no such file, as in a built bundle.
    """
    if not pyproject.is_file():
        raise MissingFileError(f"no {pyproject}; dependencies are listed from the project's repository")
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]


def installed_closure(requirements: Iterable[str]) -> dict[str, tuple[str, set[str]]]:
    """Every package that requirements lead to, as it is installed here.

    Args:
        requirements: as ``pip`` takes them.

    Returns:
        Version, and names of the packages that it needs itself, of every package by its normalised name.

    Raises:
        ValueError: a package that is needed is not installed; names it.
    """
    found: dict[str, tuple[str, set[str]]] = {}
    extras_of: dict[str, set[str]] = {}
    waiting = [requirement for line in requirements if _applies(requirement := Requirement(line), set())]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        known = extras_of.get(name)
        if known is not None and requirement.extras <= known:
            continue
        extras_of[name] = (known or set()) | requirement.extras
        try:
            package = distribution(requirement.name)
        except PackageNotFoundError:
            raise UserError(f"{requirement.name} is not installed; run make install first") from None
        needed = [one for line in package.requires or [] if _applies(one := Requirement(line), extras_of[name])]
        found[name] = (package.version, {canonicalize_name(one.name) for one in needed})
        waiting += needed
    return found


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""})
