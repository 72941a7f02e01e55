"""What ``docs/architecture.md`` says of the modules is so."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.workflows import ROOT

SCRIPTS = ROOT / "scripts"
# What each of these may import of the others.
ALLOWED = {
    "errors": set(),
    "palette": set(),
    "storage": set(),
    "formats": {"errors"},
    "losses": {"errors"},
    "networks": {"errors", "losses"},
}


@cache
def imports() -> dict[str, set[str]]:
    """The modules of ``scripts`` that each of its modules imports, inside functions too."""
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in SCRIPTS.rglob("*.py")}
    files = {name.removesuffix(".__init__"): path for name, path in files.items()}
    found: dict[str, set[str]] = {}
    for name, path in files.items():
        package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                parent = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
                found[name] |= {n if (n := f"{parent}.{alias.name}") in files else parent for alias in node.names}
    return found


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def test_the_imports_of_modules_make_no_circle() -> None:
    order = list(TopologicalSorter(imports()).static_order())  # a circle is an error that names it
    assert len(order) == len(imports()) > 200


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_a_part_knows_only_those_below_it(name: str) -> None:
    known = {part(there) for module, those in imports().items() if part(module) == name for there in those}
    assert known - {name} <= ALLOWED[name]


def test_studies_and_the_release_are_known_by_nobody() -> None:
    for name in ("studies", "release"):
        who = {module for module, those in imports().items() for there in those if part(there) == name}
        assert {part(module) for module in who} == {name}


def test_the_page_says_what_is_in_every_folder() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = [path.parent.name for path in SCRIPTS.glob("*/__init__.py")]
    assert len(folders) > 10
    assert [name for name in folders if f"`scripts/{name}/" not in page] == []


def test_the_page_names_what_is_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = {Path(words.split("`")[0]) for words in page.split("`scripts/")[1:]}
    assert [str(path) for path in named if not (SCRIPTS / path).exists()] == []
