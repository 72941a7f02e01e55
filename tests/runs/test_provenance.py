from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from scripts.runs.provenance import git_revision, software_versions

ROOT = Path(__file__).resolve().parents[2]


def git(folder: Path, *arguments: str) -> str:
    line = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_revision_is_that_of_the_checkout_and_says_when_it_is_changed(tmp_path: Path) -> None:
    assert git_revision(tmp_path) == "none"
    git(tmp_path, "init", "--quiet")
    assert git_revision(tmp_path) == "none"  # no commit yet
    (tmp_path / "file").write_text("a")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert git_revision(tmp_path) == commit
    (tmp_path / "results").write_text("untracked files are no change of the code")
    assert git_revision(tmp_path) == commit
    (tmp_path / "file").write_text("b")
    assert git_revision(tmp_path) == f"{commit}-dirty"


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_bundle_unpacked_inside_another_checkout_has_no_revision(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "bundle").mkdir()
    assert git_revision(tmp_path / "bundle") == "none"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_the_bundle_itself_is_what_is_asked_for_by_default() -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert git_revision().removesuffix("-dirty") == head.stdout.strip()


def test_without_git_there_is_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_revision() == "none"


def test_versions_are_those_in_use() -> None:
    assert f"torch {torch.__version__}" in software_versions()
    assert software_versions().startswith("python 3.11")
