"""Every path, link, make target and command that README and docs name is there."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workflows import CONFIGS, ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "docs" / "data_license.txt"])
MADE = ("runs/", "models/model", "dist/")  # what commands make
PATH = re.compile(r"(?<![\w/.:-])((?:scripts|docs|configs|tests|models)/[\w./*{},-]*[\w*}/])(?![\w*}/$<])")
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")
ANCHOR = re.compile(r"\]\((?!https?://)([^)#\s]*)#([^)\s]+)\)")
RUN = re.compile(r"python -m monai\.bundle run((?:[^\n`\\]|\\\n)*)")
ANY_OF_MONAIS = {"config_file", "meta_file", "bundle_root", "args_file", "tracking", "logging_file"}


def _pages(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_and_link_of_a_page_is_there(page: Path) -> None:
    text = _pages(page)
    named = {name for name in PATH.findall(text) if not name.startswith(MADE) and "..." not in name}
    named = {name for pattern in named for name in _alternatives(pattern)}
    assert [name for name in sorted(named) if not list(ROOT.glob(name.rstrip("/.")))] == []
    assert [link for link in LINK.findall(text) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_finds_it(page: Path) -> None:
    for file, anchor in ANCHOR.findall(_pages(page)):
        assert anchor in _anchors(page.parent / file if file else page), f"{page.name}: {file}#{anchor}"


def _anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", _pages(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_of_a_page_is_in_the_makefile(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = re.findall(r"`([^`\n]+)`", _pages(page)) + re.findall(r"^ {4,}(\S.*)$", _pages(page), re.MULTILINE)
    named = {target for line in code for target in re.findall(r"(?:^|; |&& )make ([a-z][a-z-]*)", line)}
    assert named - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_names_configurations_entries_and_keys_that_exist(page: Path) -> None:
    for command in RUN.findall(_pages(page)):
        words = shlex.split(command.replace("\\\n", " ").split("  #")[0].split(";")[0].split(" | ")[0])
        if "--config_file" not in words or words[words.index("--config_file") + 1 :][:1] in ([], ["..."]):
            continue
        config = _merged(words[words.index("--config_file") + 1])
        if words[0].isidentifier():
            assert words[0] in config, f"{page.name}: {command}"
        given = {word[2:].split("::")[0].split("=")[0] for word in words if word.startswith("--")}
        assert given - set(config) - ANY_OF_MONAIS == set(), f"{page.name}: {command}"


def _merged(config_file: str) -> dict[str, Any]:
    names = ast.literal_eval(config_file) if config_file.startswith("[") else [config_file]
    keys: dict[str, Any] = {}
    for name in names:
        if name.startswith(("configs/", "docs/")) and not set(name) & set("<$"):  # else a user's own, or any of several
            keys |= {key.split("::")[0].lstrip("+"): None for key in yaml.safe_load((ROOT / name).read_text())}
    return keys


def _alternatives(pattern: str) -> list[str]:
    """``a_{b,c}`` as a_b and a_c."""
    match = re.search(r"\{([^}]*)\}", pattern)
    if match is None:
        return [pattern]
    return [
        name
        for choice in match[1].split(",")
        for name in _alternatives(pattern[: match.start()] + choice + pattern[match.end() :])
    ]


def test_the_check_of_commands_finds_what_is_wrong() -> None:
    assert _alternatives("configs/network_{unet,x}.yaml") == ["configs/network_unet.yaml", "configs/network_x.yaml"]
    assert {"training", "max_epochs"} <= set(_merged("['configs/train.yaml','configs/network_unet.yaml']"))
    assert CONFIGS == ROOT / "configs"
    assert ANCHOR.findall("[a](b.md#c-d), [e](#f), [g](https://h#i), [j](k.md)") == [("b.md", "c-d"), ("", "f")]
    assert "pixels-of-one-size-pixel_spacing" in _anchors(ROOT / "docs" / "datasets.md")


@pytest.mark.parametrize("target", ["train", "study", "evaluate", "publish", "segment"])
def test_a_make_target_runs_the_bundles_command(target: str) -> None:
    command = ["make", "--dry-run", target, "RUN=a-run", "INPUT=in", "OUTPUT=out"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (line,) = [line for line in said.splitlines() if "--config_file" in line]
    assert line.startswith(".venv/bin/python -m monai.bundle run ")
