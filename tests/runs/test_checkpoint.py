from __future__ import annotations

import hashlib
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from scripts.runs import checkpoint
from scripts.runs.random_states import random_states, restore_random_states
from scripts.storage.atomic_files import write_atomically


def test_what_is_saved_is_loaded_without_pickle(tmp_path: Path) -> None:
    network = nn.Linear(2, 3)
    state = {"network": network.state_dict(), "random": random_states(), "progress": {"epoch": 2}}
    checkpoint.save(state, tmp_path / "c.pt")
    assert checkpoint.load(tmp_path / "c.pt")["progress"] == {"epoch": 2}
    other = checkpoint.load_network(nn.Linear(2, 3), tmp_path / "c.pt")
    torch.testing.assert_close(other.weight, network.weight, rtol=0, atol=0)
    assert list(tmp_path.iterdir()) == [tmp_path / "c.pt"]


def test_random_states_come_back_exactly(tmp_path: Path) -> None:
    checkpoint.save({"random": random_states()}, tmp_path / "c.pt")
    drawn = torch.rand(3), np.random.rand(3), random.random()  # noqa: NPY002  # the legacy generator is the one MONAI uses
    restore_random_states(checkpoint.load(tmp_path / "c.pt")["random"])
    again = torch.rand(3), np.random.rand(3), random.random()  # noqa: NPY002
    assert torch.equal(drawn[0], again[0])
    assert np.array_equal(drawn[1], again[1])
    assert drawn[2] == again[2]


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    checkpoint.save({"epoch": 1}, path)

    def breaks_off(temporary: Path) -> None:
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomically(path, breaks_off)
    assert checkpoint.load(path) == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    checkpoint.save({"x": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"c\.pt can't be read as a checkpoint"):
        checkpoint.load(path)


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, (f"open({str(tmp_path / 'executed')!r}, 'w')",))

    torch.save({"network": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match=r"evil\.pt can't be read as a checkpoint"):
        checkpoint.load(tmp_path / "evil.pt")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(("other", "keys"), [(nn.Linear(2, 4), "bias, weight"), (nn.Linear(2, 3, bias=False), "bias")])
def test_weights_of_another_network_are_refused_by_key(tmp_path: Path, other: nn.Module, keys: str) -> None:
    checkpoint.save({"network": nn.Linear(2, 3).state_dict()}, tmp_path / "c.pt")
    with pytest.raises(ValueError, match=f"weights of another network: .*such as {keys}"):
        checkpoint.load_network(other, tmp_path / "c.pt")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*none\.pt"):
        checkpoint.load(tmp_path / "none.pt")


def test_a_file_of_another_hash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    checkpoint.save({"network": nn.Linear(2, 3).state_dict()}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    checkpoint.require_sha256(path, digest.upper())
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ValueError, match=f"and not {digest}: it is another file than the one trusted"):
        checkpoint.require_sha256(path, digest)


def test_equal_states_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.pt", "other.pt"):
        checkpoint.save({"x": torch.arange(5), "y": [1, "two"]}, tmp_path / name)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "other.pt").read_bytes()
