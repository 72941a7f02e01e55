"""Files of weights and training states: whole or not there, and read without executing anything."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn

from ..errors import MissingFileError, UserError
from ..storage.atomic_files import write_atomically
from .run_files import LAST
from .state_check import refuse_odd_tables

_METADATA = "_metadata"  # of a state dict: a table for each submodule
_RUN = "training"  # in it: no submodule can have the name of this attribute of every one


def save(state: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values with ``torch.save``, whole or not at all; equal states give equal bytes."""
    write_atomically(path, lambda temporary: _save(state, temporary))


def load(path: str | Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint or a state dict; nothing in the file is executed.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is not a checkpoint, is cut short, or holds more than tensors and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"no checkpoint {path}; train first, or name another file by --checkpoint")
    try:
        _refuse_packed(path)
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise UserError(f"{path} can't be read as a checkpoint ({type(error).__name__}); name another file") from error
    if not isinstance(state, dict):
        raise UserError(f"{path} holds a {type(state).__name__}, not a checkpoint; name another file")
    return state


def flat_weights(network: nn.Module, config_sha256: str | None, epoch: int | None = None) -> dict[str, Any]:
    """A network's state dict, in whose metadata (that of ``torch.nn``) stands which run's it is, and of which epoch.

    Args:
        network: the network.
        config_sha256: hash of the run's configuration; None tells nothing.
        epoch: of the training; None tells nothing.
    """
    weights = network.state_dict()
    facts = {"config_sha256": config_sha256, "epoch": epoch}
    getattr(weights, _METADATA)[_RUN] = {key: value for key, value in facts.items() if value is not None}
    return weights


def epoch_of(state: dict[str, Any]) -> Any:
    """Epoch that a flat state dict names; None where it names none."""
    return getattr(state, _METADATA, {}).get(_RUN, {}).get("epoch")


def require_network(network: Any) -> None:
    """Refuse what a configuration has made in place of a network.

    Raises:
        ValueError: it is none; names the key.
    """
    if not isinstance(network, nn.Module):
        raise UserError(f"network_def is a {type(network).__name__} and no network; correct it in the configuration")


def load_network(
    network: nn.Module, path: str | Path, device: torch.device | str = "cpu", config_sha256: str | None = None
) -> nn.Module:
    """Load a network's weights from a checkpoint of a run or from a flat state dict.

    Args:
        network: takes the weights; returned on ``device``.
        path: ``checkpoint_best.pt``, ``model.pt`` or any file of that form.
        device: where the network shall be.
        config_sha256: hash of the configuration of the run whose folder the file lies in; None leaves it unchecked.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the weights are of another network, or another run's; names keys that do not fit.
    """
    state = load(path, device)
    refuse_odd_tables(Path(path), state)
    require_network(network)
    if config_sha256 is not None:
        refuse_other_run(Path(path), state, config_sha256)
    weights = state.get("network", state)
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise UserError(f"{path} holds no weights of a network; name another file")
    own = network.state_dict()
    wrong = sorted(set(own) ^ set(weights)) or sorted(k for k in own if own[k].shape != weights[k].shape)
    if wrong:
        raise UserError(
            f"{path} holds the weights of another network: {len(wrong)} keys do not fit, such as "
            f"{', '.join(wrong[:3])}; use the configuration and overrides of the training (its config.yaml)"
        )
    for name, value in weights.items():
        if value.layout is not torch.strided or _kind(value) != _kind(own[name]):
            raise UserError(f"{path} holds {name} as {value.dtype} ({value.layout}), no weights; name another file")
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise UserError(f"{path} holds weights that are not finite ({name}); name another file")
    network.load_state_dict(weights)
    return network.to(device)


class RunCheckpointLoader:
    """Handler of an evaluator that loads a run's network before it is scored.

    Programs that bring weights of their own, such as MONAI's federated client, switch off what stands in
    ``validate::handlers`` and has CheckpointLoader in its name.

    Args:
        network: takes the weights.
        checkpoint: file of the run.
        device: where the network is.
        split_sha256: hash of the split in use; the checkpoint's own must be the same, for otherwise cases that it was
            trained on might be scored. None leaves it unchecked.
        data_fingerprint: of the prepared data in use; the checkpoint's own must be the same, for otherwise the scores
            would be of other data under this run's name. None leaves it unchecked.
        sha256: hash that the file must have; None leaves it unchecked.
        config_sha256: hash of the run's configuration, see ``refuse_other_run``; None leaves it unchecked.
        run_dir: folder of the run, for a checkpoint that lies elsewhere.

    Raises:
        FileNotFoundError, ValueError: at the start, see ``load_network``, or when split, data or run differ.
    """

    def __init__(
        self,
        network: nn.Module,
        checkpoint: str | Path,
        device: torch.device | str = "cpu",
        split_sha256: str | None = None,
        data_fingerprint: str | None = None,
        sha256: str | None = None,
        config_sha256: str | None = None,
        run_dir: str | Path | None = None,
    ) -> None:
        self.config_sha256 = config_sha256
        self.run_dir = None if run_dir is None else Path(run_dir)
        self.network = network
        self.checkpoint = Path(checkpoint)
        self.device = device
        self.split_sha256 = split_sha256
        self.data_fingerprint = data_fingerprint
        self.sha256 = sha256

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self._load)

    def _load(self, engine: Engine) -> None:
        if self.sha256 is not None:
            require_sha256(self.checkpoint, self.sha256)
        state = load(self.checkpoint)
        refuse_odd_tables(self.checkpoint, state)
        if "epoch" in state.get("progress", {}):
            engine.state.checkpoint_epoch = state["progress"]["epoch"]  # for the names of pictures
        self._refuse_other_data(state.get("metadata", {}))
        if self.config_sha256 is not None:
            refuse_other_run(self.checkpoint, state, self.config_sha256, self.run_dir)
        load_network(self.network, self.checkpoint, self.device)

    def _refuse_other_data(self, trained_on: dict[str, Any]) -> None:
        if self.split_sha256 is not None and trained_on.get("split_sha256") != self.split_sha256:
            raise UserError(
                f"{self.checkpoint} was trained on another split of the cases, so that some of the cases to score may "
                "have been trained on; give the data, --fold and --split_seed of the training (its config.yaml)"
            )
        before = trained_on.get("data_fingerprint")
        if self.data_fingerprint is not None and before != self.data_fingerprint:
            raise UserError(
                f"the data are not those that {self.checkpoint} was trained with (fingerprint "
                f"{self.data_fingerprint[:12]}, was {str(before)[:12]}): images, masks or their preparation have "
                "changed; give the run's own data by --dataset_dir, or train on the new data"
            )


def refuse_other_run(path: Path, state: dict[str, Any], config_sha256: str, run_dir: Path | None = None) -> None:
    """Refuse a checkpoint or weights that another run has written, whose scores would stand under this run's name.

    Args:
        path: the file.
        state: its content.
        config_sha256: of the run's configuration.
        run_dir: folder of the run, with the checkpoint with which it goes on; None: that of the file.

    Raises:
        ValueError: it says another configuration, and not that of the run's last checkpoint, as where a later version
            of this bundle would hash the run's own configuration otherwise.
    """
    found, last = _config_of(state), (run_dir or path.parent) / LAST
    if found in (None, config_sha256):
        return
    if not last.is_file() or _config_of(load(last)) != found:
        raise UserError(
            f"{path} was written by a training of another configuration than the config.yaml of the run "
            f"{(run_dir or path.resolve().parent).name}; put the run's own file back, or name the run that it is of"
        )


def require_sha256(path: Path, sha256: str) -> None:
    """Refuse a file that has another hash than was written down when it was trusted.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the hashes differ.
    """
    if not path.is_file():
        raise MissingFileError(f"no checkpoint {path}; train first, or name another file by --checkpoint")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256.lower():
        raise UserError(f"{path} has the SHA-256 {found} and not {sha256}: it is another file than the one trusted")


def _kind(value: torch.Tensor) -> tuple[bool, bool]:
    """Whole, real or complex numbers: those of one kind are rounded, those of another would lose a part."""
    return value.is_floating_point(), value.is_complex()


def _config_of(state: dict[str, Any]) -> Any:
    """Hash of the configuration that a checkpoint or a flat state dict names; None where it names none."""
    flat = getattr(state, _METADATA, {}).get(_RUN, {})
    return state.get("metadata", flat).get("config_sha256")


def _refuse_packed(path: Path) -> None:
    """Refuse a file with a damaged part, which torch would load, or one larger in memory: torch compresses nothing."""
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
            raise ValueError("compressed")
        if archive.testzip() is not None:
            raise ValueError("a part is not what its checksum says")


def _save(state: dict[str, Any], path: Path) -> None:
    # through a Python file: a full disk is then an OSError, and the file's own name does not become a part of its bytes
    with path.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch's complaint that the file is not whole, on top of the reason
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
