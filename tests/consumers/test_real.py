"""What ``make consumers`` says of a program: seen, not run, failed; the programs themselves are not run here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.consumers.real import __main__ as consumers
from tests.consumers.real.environments import InstallError


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(consumers, "PROGRAMS_FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print('seen: the mask'); print('and noise behind')", "the mask"),
        ("print('not run: no GPU'); raise SystemExit(77)", "not run: no GPU"),
        ("print('seen: it'); raise SystemExit(3)", "FAILED with 3: seen: it"),
        ("print('nothing of note')", "FAILED with 0: nothing of note"),
        ("assert 1 == 2, 'the masks differ'", "FAILED with 1: AssertionError: the masks differ"),
    ],
)
def test_nothing_counts_as_seen_that_its_script_has_not_said(scripts: Path, program: str, said: str) -> None:
    (scripts / "program.py").write_text(program)
    found = consumers._run(Path(sys.executable), "program.py", scripts, scripts / "seen")
    assert found.startswith(said)
    assert found.startswith("FAILED") == found.endswith("log.txt")


def test_a_program_that_can_not_be_installed_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> Path:
        raise InstallError("ERROR: No matching distribution found for nvflare==2.9.0")

    monkeypatch.setattr(consumers, "make_environment", refuse)
    rows = [consumers._row("nvflare", tmp_path, tmp_path)]
    assert consumers._report(rows) == 0
    assert (
        "| nvflare | nvflare==2.9.0 | not run: it can't be installed here: ERROR: No matching"
        in capsys.readouterr().out
    )
    assert consumers._report([("a", "1", "FAILED with 1")]) == 1


def test_every_program_has_its_script() -> None:
    assert all((consumers.PROGRAMS_FOLDER / program.script).is_file() for program in consumers.PROGRAMS.values())
