"""What a run is, as parameters to compare runs by: collected from the configuration, so that no list can lack one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..configuration.paths import PLACES
from ..configuration.workflow import executed_config
from ..runs.provenance import config_sha256, git_revision, software_versions

if TYPE_CHECKING:
    from ..datasets import PreparedDataset

NAMES = ("loss_name", "network_name", "data_name", "optimizer_name")  # tracked as loss, network, data, optimizer
NO_PARAMETERS = PLACES | {"experiment_name", "run_name"}


def run_parameters(**more: Any) -> dict[str, Any]:
    """Every top-level key of the running configuration with a plain value, places left out, and ``more``.

    A value is plain that is a number, a word, true, false or null, or a list of these, as it stands in the file or came
    from the command line. The revision of the code and the versions below it are added.

    Args:
        more: parameters that no key holds.
    """
    plain = {key: value for key, value in executed_config().items() if key not in NO_PARAMETERS and _is_plain(value)}
    named = {key.removesuffix("_name") if key in NAMES else key: value for key, value in plain.items()}
    return {**named, **more, "git_revision": git_revision(), "versions": software_versions()}


def run_tags(dataset: PreparedDataset, **more: Any) -> dict[str, Any]:
    """What a run comes from: revision of the code, split, data, configuration, and ``more``.

    Args:
        dataset: the prepared data set.
        more: further tags.
    """
    return {
        **more,
        "git_revision": git_revision(),
        "split_sha256": dataset.split_sha256,
        "data_fingerprint": dataset.fingerprint,
        "config_sha256": config_sha256(),
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) and not isinstance(item, list) for item in value)
    if isinstance(value, str):
        return not value.startswith(("$", "@", "%"))
    return value is None or isinstance(value, bool | int | float)
