"""An environment of its own for each program, beside what the tests' environment has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LIMIT = 1800


class InstallError(RuntimeError):
    """What a program needs can't be installed here; the message is pip's last line."""


def make_environment(folder: Path, requirements: Sequence[str], *, alone: Sequence[str] = ()) -> Path:
    """Make an environment, or take one that was made for the same; returns its interpreter.

    What the tests' environment has is found behind the environment's own packages, so that torch and MONAI are not
    installed again, and a program that needs another version gets its own.

    Args:
        folder: of the environment.
        requirements: as pip takes them, with what they need.
        alone: the same, without what they need, and in this environment even where they are behind it.

    Raises:
        InstallError: pip could not install them.
    """
    python, done = folder / "bin" / "python", folder / "installed.txt"
    wanted = "\n".join([*requirements, *(f"alone: {one}" for one in alone)])
    if done.is_file() and done.read_text(encoding="utf-8") == wanted:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, timeout=LIMIT)
    library = Path(_ask(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    behind = [path for path in sys.path if Path(path).name == "site-packages"]
    (library / "behind.pth").write_text("\n".join(behind) + "\n", encoding="utf-8")
    for words in ([*requirements], ["--no-deps", "--ignore-installed", *alone] if alone else []):
        if words:
            _install(python, words)
    done.write_text(wanted, encoding="utf-8")
    return python


def versions(python: Path, packages: Sequence[str]) -> str:
    """Versions that an environment has of some packages, in a line."""
    program = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    found = _ask(python, program, *packages).split()
    return ", ".join(f"{package} {version}" for package, version in zip(packages, found, strict=True))


def _install(python: Path, words: Sequence[str]) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise InstallError(said[-1] if said else f"pip ended with {done.returncode}")


def _ask(python: Path, program: str, *words: str) -> str:
    done = subprocess.run([str(python), "-c", program, *words], capture_output=True, text=True, timeout=300, check=True)
    return done.stdout.strip()
