"""What a program that labels images hands over to a training, in the words of this configuration.

MONAI Label trains a bundle on what its users have drawn by setting three places of ``train.json`` itself:

- ``train::dataset::data`` and ``validate::dataset::data`` become lists of files. They are the ``cases``, which are
  checked and prepared as those of any data set.
- ``train::trainer::max_epochs`` becomes a number. It is ``max_epochs``, by which runs are told apart.
- ``train::handlers`` gets a ``CheckpointLoader`` for ``models/model.pt``, which is not strict. Names of the plain
  network are none of the network with class weights, so that it would load nothing and say nothing.
"""

from __future__ import annotations

from typing import Any

from monai.bundle import ConfigParser

from ..errors import UserError
from .reading import load_config
from .workflow import running_workflow

TRAINED, VALIDATED, EPOCHS, HANDLERS = (
    "train::dataset::data", "validate::dataset::data", "train::trainer::max_epochs", "train::handlers",
)  # fmt: skip
NAME = "datalist"  # of the data set
OF_CASES = ("dataset_dir", "split_file", "split_unit")  # say something of a data set of one's own, and not of these


def take_what_is_handed_over() -> None:
    """Bring files, epochs and weights that a program hands over to where this configuration has them.

    A step of ``initialize``, before keys and sections are checked. Where nothing is handed over it changes nothing.

    Raises:
        ValueError: there are files to validate on and none to train on.
    """
    workflow = running_workflow()
    if workflow is None:
        return
    parser = workflow.parser
    changes = {**own_epochs(parser), **own_cases(parser), **own_weights(parser)}
    for place, value in changes.items():
        parser[place] = value
    if changes:
        parser.parse(reset=True)


def own_cases(parser: ConfigParser) -> dict[str, Any]:
    """What to set where lists of files stand for the training's and the validation's slices."""
    train, val = parser.get(TRAINED), parser.get(VALIDATED)
    if not isinstance(train, list):
        if isinstance(val, list):
            raise UserError(f"{VALIDATED} is a list of files and {TRAINED} is none; hand over both, or none")
        return {}
    base = load_config()
    parts = {"fold": 0} if isinstance(val, list) else {}  # the lists are the only split
    listed = {"_target_": "scripts.datasets.find_datalist", "train": train, "val": val if parts else None}
    slices = {place: ConfigParser(base)[place] for place in (TRAINED, VALIDATED)}
    return {**{key: base[key] for key in OF_CASES}, **parts, **slices, "data_name": NAME, "cases": listed}


def own_epochs(parser: ConfigParser) -> dict[str, Any]:
    """What to set where the trainer has a number of epochs of its own."""
    epochs = parser.get(EPOCHS)
    return {} if not isinstance(epochs, int) else {"max_epochs": epochs, EPOCHS: "@max_epochs"}


def own_weights(parser: ConfigParser) -> dict[str, Any]:
    """What to set where the trainer's handlers have MONAI Label's loader of the published network."""
    handlers = parser.get(HANDLERS)
    if not isinstance(handlers, list):
        return {}
    taken = [_own_loader(handler) if _is_label_loader(handler) else handler for handler in handlers]
    return {} if taken == handlers else {HANDLERS: taken}


def _is_label_loader(handler: Any) -> bool:
    return (
        isinstance(handler, dict)
        and handler.get("_target_") == "CheckpointLoader"
        and handler.get("load_dict") == {"model": "$@network"}
    )


def _own_loader(handler: dict[str, Any]) -> dict[str, Any]:
    own = {"_target_": "scripts.training.first_weights.FirstWeights", "network": "@network"}
    return {**own, "weights": handler.get("load_path"), "device": "@device"}
