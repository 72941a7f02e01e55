"""How many small faults the tests find: ``python -m tests.mutation.run`` (``make mutants``) puts them in one by one.

Everything that is not ours is imported once. Each mutant is a fork of that process, in which the mutated module takes
the place of the true one before the module's own doctests and tests run, up to the first that fails. A mutant that no
test fails on has survived: a test is missing, or the two programs do the same. ``docs/reliability.md`` has the figures.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import doctest
import gc
import importlib
import importlib.abc
import importlib.machinery
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.mutation.operators import find_mutations
from tests.mutation.targets import TARGETS, TOO_SLOW, Target

ROOT = Path(__file__).resolve().parents[2]
SURVIVED, KILLED = 0, 1
PYTEST = ("-x", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout", "--timeout=0")


class Replaced(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module of ours, and gives it other code."""

    def __init__(self, name: str, path: Path, code: Any) -> None:
        self.name, self.path, self.code = name, path, code

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        spec = importlib.machinery.ModuleSpec(name, self, origin=str(self.path))
        spec.has_location = True
        return spec

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, module.__dict__)


def module_name(path: str) -> str:
    return path.split("::")[0].removesuffix(".py").replace("/", ".")


def judge(target: Target, code: Any) -> int:
    """Run a target's doctests and tests with this code in the place of its module."""
    name = module_name(target.path)
    sys.meta_path.insert(0, Replaced(name, ROOT / target.path, code))
    if doctest.testmod(importlib.import_module(name)).failed:
        return KILLED
    with tempfile.TemporaryDirectory() as scratch:
        slow = [f"--deselect={test}" for test in TOO_SLOW]
        outcome = pytest.main([*PYTEST, f"--basetemp={scratch}/tests", *slow, *target.tests])
    return SURVIVED if outcome == 0 else KILLED


def fork(work: Callable[[], int], cpu_seconds: float, log: str = os.devnull) -> tuple[bool, float]:
    """Whether ``work`` returns 0 in a process of its own within its processor time, and the time that it took."""
    child = os.fork()
    if child == 0:
        code = KILLED
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds) + 1,) * 2)
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(output, 1)
            os.dup2(output, 2)
            code = work()
        except BaseException:  # a fork never returns
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    deadline = time.monotonic() + 20 * cpu_seconds  # others may have the processor
    done = 0
    while not done and time.monotonic() < deadline:
        done, status, usage = os.wait4(child, os.WNOHANG)
        time.sleep(0 if done else 0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if not done:
        os.waitpid(child, 0)
        return False, cpu_seconds
    return status == 0, usage.ru_utime + usage.ru_stime


def import_what_is_not_ours(targets: Iterable[Target]) -> None:
    """Import here what the targets and their tests need of others; ours is imported by each mutant."""

    def write_names() -> int:
        for target in targets:
            importlib.import_module(module_name(target.path))
        pytest.main([*PYTEST, "--collect-only", *{test for target in targets for test in target.tests}])
        left_out = ("scripts", "tests", "__main__", "pytest_timeout")  # pytest must import its plugin itself
        theirs = [name for name in sys.modules if name.split(".")[0] not in left_out]
        Path(listing.name).write_text("\n".join(theirs))
        return 0

    with tempfile.NamedTemporaryFile("r") as listing:
        fork(write_names, 300)
        for name in listing.read().split("\n"):
            with contextlib.suppress(Exception):  # names that only their own package can import
                importlib.import_module(name)
    gc.collect()
    gc.freeze()  # the memory of what is imported stays shared with the forks


def run_target(target: Target, sample: int, seed: int, jobs: int) -> tuple[int, list[str], float]:
    """The number of mutants tried, those that survived, and the processor time."""
    source = (ROOT / target.path).read_text(encoding="utf-8")
    tree = ast.parse(source)
    log = f"{tempfile.gettempdir()}/mutants_of_{module_name(target.path)}.log"
    whole, cost = fork(lambda: judge(target, compile(source, str(ROOT / target.path), "exec")), 300, log)
    if not whole:
        raise SystemExit(f"{target.path}: its tests fail on the module as it is; see {log}")
    Path(log).unlink()
    found = find_mutations(tree, target.left_out)
    chosen = random.Random(seed).sample(range(len(found)), min(sample, len(found))) if sample else range(len(found))
    mutants = [(found[i], found[i].compiled(tree, str(ROOT / target.path))) for i in sorted(chosen)]
    with ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda mutant: fork(lambda: judge(target, mutant[1]), 5 * cost + 10), mutants))
    survivors = [str(mutation) for (mutation, _), (survived, _) in zip(mutants, results, strict=True) if survived]
    print(f"{target.path}: {len(mutants)} of {len(found)} mutants, {len(survivors)} survived", flush=True)
    print(*(f"    {line}" for line in survivors), sep="\n", flush=True)
    return len(mutants), survivors, sum(seconds for _, seconds in results)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", help="parts of the paths of modules; all without")
    parser.add_argument("--sample", type=int, default=0, help="mutants of a module, at random; 0 takes all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    options = parser.parse_args(arguments)
    targets = [t for t in TARGETS if not options.only or any(part in t.path for part in options.only)]
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import_what_is_not_ours(targets)
    results = [run_target(target, options.sample, options.seed, options.jobs) for target in targets]
    tried, survived = sum(count for count, _, _ in results), sum(len(lines) for _, lines, _ in results)
    print(f"{tried} mutants, {tried - survived} killed ({1 - survived / max(tried, 1):.1%}), {survived} survived")
    print(f"{sum(seconds for _, _, seconds in results) / 60:.1f} minutes of processor time")


if __name__ == "__main__":
    main()
