from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
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


def test_one_flipped_bit_of_the_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    weights = torch.arange(1000.0)
    checkpoint.save({"x": weights}, path)
    content = bytearray(path.read_bytes())
    content[content.index(weights[500:600].numpy().tobytes())] ^= 1
    path.write_bytes(content)
    assert not torch.equal(torch.load(path, weights_only=True)["x"], weights)  # torch does not see it
    with pytest.raises(ValueError, match=r"c\.pt can't be read as a checkpoint"):
        checkpoint.load(path)


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


def test_a_file_that_unpacks_to_more_than_it_is_is_refused(tmp_path: Path) -> None:
    checkpoint.save({"x": torch.zeros(10_000)}, tmp_path / "c.pt")
    with zipfile.ZipFile(tmp_path / "c.pt") as whole, zipfile.ZipFile(tmp_path / "packed.pt", "w") as packed:
        for entry in whole.infolist():
            packed.writestr(entry.filename, whole.read(entry), zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=r"packed\.pt can't be read as a checkpoint"):
        checkpoint.load(tmp_path / "packed.pt")


def test_what_holds_no_state_or_no_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    torch.save(torch.zeros(3), path)
    with pytest.raises(ValueError, match=r"c\.pt holds a Tensor, not a checkpoint; name another file"):
        checkpoint.load(path)
    for state in ({"network": torch.zeros(3)}, {"network": {"weight": [1.0, 2.0]}}, {"epoch": 3}):
        checkpoint.save(state, path)
        with pytest.raises(ValueError, match=r"c\.pt holds no weights of a network; name another file"):
            checkpoint.load_network(nn.Linear(2, 3), path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_and_counters_are_no_weights(tmp_path: Path, value: float) -> None:
    network = nn.BatchNorm1d(2)  # holds a count of batches, which is an integer
    weights = network.state_dict()
    checkpoint.save(weights, tmp_path / "flat.pt")
    assert checkpoint.load_network(nn.BatchNorm1d(2), tmp_path / "flat.pt").num_batches_tracked == 0
    checkpoint.save(weights | {"running_var": torch.tensor([1.0, value])}, tmp_path / "c.pt")
    kept = network.running_var.clone()
    with pytest.raises(ValueError, match=r"weights that are not finite \(running_var\)"):
        checkpoint.load_network(network, tmp_path / "c.pt")
    torch.testing.assert_close(network.running_var, kept, rtol=0, atol=0)


ODD_WEIGHTS = {
    "whole numbers": torch.ones(3, dtype=torch.int64),
    "complex": torch.ones(3, dtype=torch.complex64),
    "sparse": torch.ones(3).to_sparse(),
}


@pytest.mark.parametrize("odd", ODD_WEIGHTS.values(), ids=ODD_WEIGHTS)
def test_numbers_of_another_kind_are_no_weights(tmp_path: Path, odd: torch.Tensor) -> None:
    checkpoint.save(nn.Linear(2, 3).state_dict() | {"bias": odd}, tmp_path / "c.pt")
    with pytest.raises(ValueError, match=r"c\.pt holds bias as .*, no weights; name another file"):
        checkpoint.load_network(nn.Linear(2, 3), tmp_path / "c.pt")
    checkpoint.save(nn.Linear(2, 3).double().state_dict(), tmp_path / "c.pt")
    assert checkpoint.load_network(nn.Linear(2, 3), tmp_path / "c.pt").weight.dtype == torch.float32


def test_what_no_training_writes_is_no_checkpoint_and_a_table_no_network(tmp_path: Path) -> None:
    for progress, fault in (({"epoch": 0.5}, "progress::epoch"), (3, "progress")):
        network, path = run_state(tmp_path, progress=progress)
        for use in (checkpoint.load_network, start):
            with pytest.raises(ValueError, match=rf"c\.pt is no checkpoint .* has saved: {fault} is odd"):
                use(network, path)
    with pytest.raises(ValueError, match="network_def is a dict and no network"):
        checkpoint.load_network({}, run_state(tmp_path)[1])  # type: ignore[arg-type]


def test_of_many_keys_that_do_not_fit_three_are_named(tmp_path: Path) -> None:
    checkpoint.save({"network": nn.LSTM(2, 3).state_dict()}, tmp_path / "c.pt")
    named = "bias_hh_l0, bias_ih_l0, weight_hh_l0; use the configuration"
    with pytest.raises(ValueError, match=f"another network: 4 keys do not fit, such as {named}"):
        checkpoint.load_network(nn.LSTM(2, 4), tmp_path / "c.pt")


def test_the_network_is_returned_on_the_device_that_is_asked_for(tmp_path: Path) -> None:
    checkpoint.save(nn.Linear(2, 3).state_dict(), tmp_path / "c.pt")
    assert checkpoint.load(tmp_path / "c.pt", "meta")["weight"].device.type == "meta"
    assert checkpoint.load(tmp_path / "c.pt")["weight"].device.type == "cpu"
    network = nn.Linear(2, 3, device="meta")
    assert checkpoint.load_network(nn.Linear(2, 3), tmp_path / "c.pt", torch.device("cpu")).weight.device.type == "cpu"
    assert network.weight.device.type == "meta"


def run_state(folder: Path, **state: object) -> tuple[nn.Linear, Path]:
    network = nn.Linear(2, 3)
    checkpoint.save({"network": network.state_dict(), **state}, folder / "c.pt")
    return network, folder / "c.pt"


def start(*arguments: object, **options: object) -> Engine:
    """Start an evaluator with a RunCheckpointLoader."""
    engine = Engine(lambda _engine, _batch: None)
    checkpoint.RunCheckpointLoader(*arguments, **options).attach(engine)
    engine.run([0])
    return engine


def test_an_evaluator_scores_the_networks_of_the_run_and_knows_its_epoch(tmp_path: Path) -> None:
    trained, path = run_state(tmp_path, progress={"epoch": 7}, metadata={"split_sha256": "ab"})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    network = nn.Linear(2, 3)
    engine = start(network, str(path), "cpu", split_sha256="ab", sha256=digest)
    assert engine.state.checkpoint_epoch == 7
    torch.testing.assert_close(network.weight, trained.weight, rtol=0, atol=0)
    other = nn.Linear(2, 3)  # weights alone: no epoch, and nothing says on which split they were trained
    checkpoint.save(trained.state_dict(), path)
    assert not hasattr(start(other, path).state, "checkpoint_epoch")
    torch.testing.assert_close(other.weight, trained.weight, rtol=0, atol=0)


@pytest.mark.parametrize("state", [{}, {"metadata": {}}, {"metadata": {"split_sha256": "cd"}}])
def test_an_evaluator_refuses_a_network_that_may_have_been_trained_on_the_cases(
    tmp_path: Path, state: dict[str, object]
) -> None:
    _, path = run_state(tmp_path, **state)
    network = nn.Linear(2, 3)
    before = network.weight.clone()
    with pytest.raises(ValueError, match=r"c\.pt was trained on another split of the cases"):
        start(network, path, split_sha256="ab")
    torch.testing.assert_close(network.weight, before, rtol=0, atol=0)
    start(network, path)  # unchecked, because nobody asked


def test_an_evaluator_refuses_other_data_than_those_of_the_training(tmp_path: Path) -> None:
    _, path = run_state(tmp_path, metadata={"split_sha256": "ab", "data_fingerprint": "0123456789abcdef"})
    start(nn.Linear(2, 3), path, split_sha256="ab")  # unchecked, because nobody asked
    start(nn.Linear(2, 3), path, data_fingerprint="0123456789abcdef")
    with pytest.raises(ValueError, match=r"the data are not those .*fingerprint cd, was 0123456789ab\)"):
        start(nn.Linear(2, 3), path, data_fingerprint="cd")


def test_an_evaluator_refuses_the_network_of_another_run(tmp_path: Path) -> None:
    _, path = run_state(tmp_path, metadata={"config_sha256": "ab"})
    start(nn.Linear(2, 3), path)  # unchecked, because nobody asked
    start(nn.Linear(2, 3), path, config_sha256="ab")
    with pytest.raises(ValueError, match=r"c\.pt was written by a training of another configuration"):
        start(nn.Linear(2, 3), path, config_sha256="cd")
    checkpoint.save({"metadata": {"config_sha256": "ab"}}, tmp_path / "checkpoint_last.pt")
    start(nn.Linear(2, 3), path, config_sha256="cd")  # of the run itself, whose configuration an older version hashed
    checkpoint.save({"metadata": {"config_sha256": "cd"}}, tmp_path / "checkpoint_last.pt")
    with pytest.raises(ValueError, match="another configuration"):
        start(nn.Linear(2, 3), path, config_sha256="cd")
    start(nn.Linear(2, 3), run_state(tmp_path)[1], config_sha256="cd")  # weights that say nothing


class FullDisk(io.BytesIO):
    """A file that takes its first bytes, and can be closed."""

    def write(self, content: Any) -> int:
        if self.tell():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(content)


def test_a_full_disk_is_an_error_of_the_system_and_not_torchs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = SimpleNamespace(open=lambda _: FullDisk())
    monkeypatch.setattr(checkpoint, "write_atomically", lambda _, write: write(place))
    with pytest.raises(OSError, match="No space left on device"):
        checkpoint.save({"a": torch.zeros(100_000)}, tmp_path / "c.pt")


def test_flat_weights_tell_whose_they_are_and_are_plain_weights_to_everyone_else(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    checkpoint.save(checkpoint.flat_weights(network, "ab", 3), tmp_path / "model.pt")
    weights = torch.load(tmp_path / "model.pt", weights_only=True)
    assert list(weights) == list(network.state_dict())
    assert checkpoint.epoch_of(checkpoint.load(tmp_path / "model.pt")) == 3
    copy = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    copy.load_state_dict(weights)
    torch.testing.assert_close(copy.state_dict(), network.state_dict(), rtol=0, atol=0)
    for mine in (None, "ab"):
        checkpoint.load_network(copy, tmp_path / "model.pt", config_sha256=mine)
    with pytest.raises(ValueError, match=r"model\.pt was written by a training of another configuration"):
        checkpoint.load_network(copy, tmp_path / "model.pt", config_sha256="cd")
    checkpoint.save(checkpoint.flat_weights(network, None), tmp_path / "model.pt")
    checkpoint.load_network(copy, tmp_path / "model.pt", config_sha256="cd")  # weights that say nothing
    assert checkpoint.epoch_of(checkpoint.load(tmp_path / "model.pt")) is None
    assert checkpoint.epoch_of(dict(weights)) is None


def test_an_evaluator_refuses_a_file_of_another_hash(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it is another file than the one trusted"):
        start(nn.Linear(2, 3), run_state(tmp_path)[1], sha256="00")
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*none\.pt; train first"):
        checkpoint.require_sha256(tmp_path / "none.pt", "00")


def test_an_error_of_torch_alone_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: object) -> None:
        raise RuntimeError("torch's own")

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(RuntimeError, match="torch's own"):
        checkpoint.save({"x": 1}, tmp_path / "c.pt")
    assert not list(tmp_path.iterdir())
