"""Where the bundle lies, when a configuration is run from another folder."""

from __future__ import annotations

from .places import settle_typed_places
from .reading import BASE_CONFIG
from .workflow import running_workflow

BUNDLE = BASE_CONFIG.parents[1]


def settle_bundle_root() -> None:
    """Let ``bundle_root: "."`` mean the bundle also where the working folder is another: a step of ``initialize``.

    A folder that is named stays, and so does "." where it is a bundle. Runs, data and weights of ``/here/bundle`` are
    then below it, wherever ``--config_file /here/bundle/configs/train.yaml`` is given. Other places are as
    ``settle_typed_places`` takes them.
    """
    settle_typed_places()
    workflow = running_workflow()
    if workflow is None or workflow.parser.get("bundle_root") != ".":
        return
    if not BASE_CONFIG.relative_to(BUNDLE).is_file():
        workflow.parser["bundle_root"] = str(BUNDLE)
        workflow.parser.parse(reset=True)
