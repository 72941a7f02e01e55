"""``make bundle RUN=NAME``: dist/dual_focal_loss_segmentation/ and its zip.

    configs/    the YAML files, logging.conf, metadata.json of the run's network; train, evaluate, inference as JSON
    docs/       the pages and data_license.txt
    models/     model.pt, model.json, model.ts, model.safetensors
    scripts/    the package; metadata.json, LICENSE, SHA256SUMS and, with URL=..., large_files.yml beside it

Nothing of it is committed, and nothing in it names a place of the machine that built it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import save_file

from ..configuration.error_report import user_message
from ..configuration.places import require_place
from ..configuration.reading import BASE_CONFIG
from ..errors import UserError
from ..exporting.content import bundle_metadata
from ..exporting.export import export_network
from ..inference.model import find_members
from ..runs.checkpoint import load
from ..runs.publishing import PROVENANCE, describe_run, place_weights
from ..runs.run_files import MODEL
from ..runs.run_folder import find_run_dir, run_names
from .checksums import LIST, write_checksums, write_large_files
from .page import bundle_page
from .twins import inference_twin, twins
from .zoo_rules import find_faults

logger = logging.getLogger(__name__)

ROOT = BASE_CONFIG.parents[1]
NAME = "dual_focal_loss_segmentation"
# The model zoo's settings of its formatters, setup.cfg and pyproject.toml there
# Both leave out whatever lies below a folder "dist" or "build" unless they are told what to leave out.
ISORT = ("--profile", "black", "--line-length", "120", "--skip", "__pycache__")
BLACK = (
    *("--line-length", "120", "--skip-magic-trailing-comma", "--exclude", "/__pycache__/"),
    *(f"--target-version=py3{n}" for n in (7, 8, 9)),
)


def build_bundle(run_name: str, output_dir: Path, dist: Path, url: str | None = None) -> Path:
    """Build folder and zip from a run; both are replaced when all of the new ones is written.

    Args:
        run_name: the run whose weights become the bundle's.
        output_dir: the folder of all runs.
        dist: where folder and zip go.
        url: where the large files and the project's pages will lie; None writes no ``large_files.yml``.

    Returns:
        The zip.

    Raises:
        FileNotFoundError, ValueError: see ``scripts.runs.publishing.publish_run`` and ``export_network``; or what
            stands in the place of folder or zip was not built here.
    """
    if not run_name:
        known = ", ".join(run_names(Path(output_dir).resolve())) or "none"
        raise UserError(f"a bundle is built from a run: make bundle RUN=NAME; runs in {output_dir}: {known}")
    run_dir = find_run_dir(output_dir, run_name)
    _check_url(url)
    dist = require_place(dist, "dist")
    _refuse_others_work(dist)
    describe_run(run_dir)  # refuses a run without weights, and weights of another network, before anything is written
    dist.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=dist) as folder:
        bundle = Path(folder) / NAME
        _copy_sources(bundle)
        place_weights(run_dir, bundle / "models")
        _write_generated(bundle, run_dir, url)
        _format(bundle / "scripts")
        if url:
            write_large_files(bundle, url)
        write_checksums(bundle)
        archive = _zip(bundle)
        for built in (bundle, archive):
            _put(built, dist / built.name, Path(folder) / f"old-{built.name}")
    for fault in find_faults(dist / NAME):
        logger.warning("the model zoo would refuse it: %s", fault)
    return dist / f"{NAME}.zip"


def _check_url(url: str | None) -> None:
    if url and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        raise UserError(f"url {url!r} is no folder at http:// or https://; give URL=https://HOST/FOLDER")


def _refuse_others_work(dist: Path) -> None:
    """Refuse to replace what is no bundle or zip of an earlier build."""
    folder, archive = dist / NAME, dist / f"{NAME}.zip"
    built = folder.is_dir() and not folder.is_symlink() and ((folder / LIST).is_file() or not any(folder.iterdir()))
    if os.path.lexists(folder) and not built:
        raise UserError(f"{folder} is no bundle that was built here (it has no {LIST}); move it away")
    if os.path.lexists(archive) and not archive.is_file():
        raise UserError(f"{archive} is no zip that was built here; move it away")


def _put(built: Path, target: Path, aside: Path) -> None:
    """Give what was built its name; what had it goes with the temporary folder, or back where that fails."""
    if os.path.lexists(target):
        target.rename(aside)
    try:
        built.rename(target)
    except OSError:
        if os.path.lexists(aside):
            aside.rename(target)
        raise


def _copy_sources(bundle: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "evidence")
    for name in ("configs", "docs", "scripts"):
        try:
            shutil.copytree(ROOT / name, bundle / name, ignore=ignore)
        except shutil.Error as error:  # of every file one, each with its reason
            source, target, reason = error.args[0][0]
            raise UserError(
                f"{source} can't be copied to {target}: {reason}; make room, or give another --dist"
            ) from None
    for name in ("LICENSE", "constraints.txt"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, bundle / name)


def _write_generated(bundle: Path, run_dir: Path, url: str | None) -> None:
    (member,) = find_members(run_dir.name, run_dir.parent, "")
    member = replace(member, weights=bundle / "models" / MODEL)  # the run's may be others by now, if it is training
    provenance = json.loads((bundle / "models" / PROVENANCE).read_text(encoding="utf-8"))
    metadata = bundle_metadata(member, provenance)
    for path in (bundle / "configs" / "metadata.json", bundle / "metadata.json"):
        path.write_text(_json(metadata), encoding="utf-8")
    configs = twins(run_dir, member)
    for name, config in configs.items():
        (bundle / "configs" / f"{name}.json").write_text(_json(config), encoding="utf-8")
    shipped = yaml.safe_load((ROOT / "configs" / "inference.yaml").read_text(encoding="utf-8"))
    if inference_twin(member) != shipped:
        text = "# As inference.json: the settings of the network in models/.\n"
        text += yaml.safe_dump(inference_twin(member), sort_keys=False, allow_unicode=True)
        (bundle / "configs" / "inference.yaml").write_text(text, encoding="utf-8")
    page = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    (bundle / "docs" / "README.md").write_text(bundle_page(page, metadata, url), encoding="utf-8")
    content = {"metadata": metadata, "inference": configs["inference"]}
    export_network(member, "ts", content, bundle / "models" / "model.ts")
    facts = {"format": "pt", "run": str(provenance["run"]), "sha256_of_model_pt": str(provenance["sha256"])}
    tensors = {name: value.contiguous() for name, value in load(bundle / "models" / MODEL).items()}
    save_file(tensors, bundle / "models" / "model.safetensors", metadata=facts)


def _format(folder: Path) -> None:
    """The model zoo's formatting of the copy, where its tools are installed."""
    tools = {"isort": ISORT, "black": BLACK}
    missing = [tool for tool in tools if find_spec(tool) is None]
    if missing:
        logger.warning("not formatted for the zoo: no %s (pip install -e '.[release]')", " and ".join(missing))
        return
    for tool, options in tools.items():
        subprocess.run([sys.executable, "-m", tool, "--quiet", *options, str(folder)], check=True)


def _zip(bundle: Path) -> Path:
    """The folder as a zip whose bytes depend on its content alone."""
    archive = bundle.with_name(f"{NAME}.zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(bundle.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(f"{NAME}/{path.relative_to(bundle).as_posix()}")
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                file.writestr(entry, path.read_bytes())
    return archive


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=4) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build from the command line; an error of the user's is one line."""
    parser = argparse.ArgumentParser(description="Build dist/dual_focal_loss_segmentation and its zip.")
    parser.add_argument("run", help="name of the run whose weights become the bundle's; latest is the newest")
    parser.add_argument("--output_dir", type=Path, default=ROOT / "runs", help="the folder of all runs")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="where folder and zip go")
    parser.add_argument("--url", help="where the bundle's files will lie, for large_files.yml and the page's links")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        archive = build_bundle(given.run, given.output_dir, given.dist, given.url or None)
    except Exception as error:
        message = user_message(error)
        if message is None:
            raise
        sys.stderr.write(f"error: {message}\n")
        return 1
    sys.stdout.write(f"{archive}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
