"""How the kernel is built and where it is kept, with a compiler that compiles nothing: no g++ is needed."""

import ctypes
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.losses import DualFocalLoss
from scripts.losses.dual_focal import kernel as kernel_module


@pytest.fixture
def stub_compiler(tmp_path, monkeypatch):
    """A compiler of the processor that MACHINE names: it notes each command, and what it builds is not loaded."""
    program = tmp_path / "stub"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$*" >> "{tmp_path}/commands"\n'
        'if [ "$*" = "-march=native -dM -E -x c++ /dev/null" ]; then echo "#define $MACHINE"; exit; fi\n'
        'for output; do :; done\ntouch "$output"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("CXX", str(program))
    monkeypatch.setenv("MACHINE", "one")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a new" / "cache"))
    monkeypatch.setattr(ctypes, "CDLL", lambda _path: SimpleNamespace(dual_focal=SimpleNamespace()))
    return tmp_path


def built_by(stub_compiler):
    """The kernels in the cache folder, and the commands that have built something."""
    commands = (stub_compiler / "commands").read_text().splitlines()
    files = sorted((stub_compiler / "a new" / "cache" / "dual_focal_loss").iterdir())
    return files, [line for line in commands if " -o " in line]


def test_a_kernel_is_built_once_for_each_processor_set_of_flags_and_source(stub_compiler, tmp_path, monkeypatch):
    for _ in range(2):
        kernel_module.kernel.__wrapped__()
    assert [len(found) for found in built_by(stub_compiler)] == [1, 2]  # two commands: compile and link
    changes = [
        lambda: monkeypatch.setenv("MACHINE", "another"),
        lambda: monkeypatch.setattr(kernel_module, "COMPILE", [*kernel_module.COMPILE, "-g"]),
        lambda: monkeypatch.setattr(kernel_module, "LINK", [*kernel_module.LINK, "-g"]),
        lambda: monkeypatch.setattr(kernel_module, "SOURCE", shutil.copy(__file__, tmp_path / "kernel.cpp")),
    ]
    for count, change in enumerate(changes, start=2):
        change()
        for _ in range(2):
            kernel_module.kernel.__wrapped__()
        assert [len(found) for found in built_by(stub_compiler)] == [count, 2 * count]
    assert {path.suffix for path in built_by(stub_compiler)[0]} == {".so"}


def test_it_is_compiled_and_linked_beside_its_place(stub_compiler):
    kernel_module.kernel.__wrapped__()
    (library,), (compiling, linking) = built_by(stub_compiler)
    made = compiling.rpartition(" -o ")[2]
    assert compiling == " ".join([*kernel_module.COMPILE, "-c", str(kernel_module.SOURCE), "-o", made])
    assert Path(made).parents[1] == library.parent  # on one file system with it: the last step is a rename
    assert linking == " ".join([made, *kernel_module.LINK, "-o", str(Path(made).with_name("kernel.so"))])


def test_what_the_compiler_said_is_told(tmp_path):
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\necho no such flag >&2\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(RuntimeError) as caught:
        kernel_module._build(str(program), tmp_path / "kernel.so")
    assert str(caught.value) == f'{program} cannot build kernel.cpp; take backend "eager":\nno such flag\n'


def test_the_cache_folder_is_the_users_own_and_none_where_it_cant_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for _ in range(2):
        assert kernel_module._cache_folder() == tmp_path / "home" / ".cache" / "dual_focal_loss"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x" / "y"))
    folder = kernel_module._cache_folder()
    assert folder == tmp_path / "x" / "y" / "dual_focal_loss"
    assert folder.stat().st_mode & 0o777 == 0o700  # what is loaded from it runs as this user
    for missing in (os.W_OK, os.X_OK):
        monkeypatch.setattr(os, "access", lambda _folder, mode, missing=missing: not mode & missing)
        assert kernel_module._cache_folder() is None


def test_a_block_is_as_long_here_as_in_the_kernel():
    assert f"kBlock = {kernel_module.BLOCK};" in kernel_module.SOURCE.read_text()


def test_the_compiled_backend_is_refused_at_once_where_there_is_no_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("scripts.losses.dual_focal.loss.kernel", kernel_module.kernel.__wrapped__)
    with pytest.raises(RuntimeError, match='backend "compiled" needs a C\\+\\+ compiler'):
        DualFocalLoss(backend="compiled")
    monkeypatch.delenv("CXX")
    assert kernel_module.compiler() == shutil.which("g++")
