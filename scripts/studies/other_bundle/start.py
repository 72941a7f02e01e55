"""Run a command of this package in a process that keeps the name ``scripts`` free for the bundle that is studied.

    python scripts/studies/other_bundle/start.py run STUDY_FOLDER RUN [THREADS]
    python scripts/studies/other_bundle/start.py check PLAN_FILE

Every bundle may have a package ``scripts``, and a process can have one. This tree is ``dual_focal_loss`` here, as it is
where it is installed.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

NAME = "dual_focal_loss"


def name_this_tree() -> None:
    """Make this tree importable as ``dual_focal_loss``, another installed copy or not."""
    tree = Path(__file__).resolve().parents[2]
    spec = spec_from_file_location(NAME, tree / "__init__.py", submodule_search_locations=[str(tree)])
    assert spec is not None
    assert spec.loader is not None
    sys.modules[NAME] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[NAME])


if __name__ == "__main__":
    sys.path.pop(0)  # this file's folder holds modules of a package
    name_this_tree()
    sys.exit(import_module(f"{NAME}.studies.other_bundle.child").main(sys.argv[1:]))
