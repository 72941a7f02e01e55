"""SHA-256 of every file, and the list of those that the model zoo does not take into its repository."""

from __future__ import annotations

from pathlib import Path

import yaml

from ..runs.provenance import file_sha256

LIST, LARGE_FILES = "SHA256SUMS", "large_files.yml"
LARGEST = 25 * 2**20  # bytes of a file in the model zoo's repository


def large_files(bundle: Path) -> list[str]:
    """Paths of files over 25 MB, relative to the bundle."""
    found = [path for path in sorted(bundle.rglob("*")) if path.is_file() and path.stat().st_size > LARGEST]
    return [path.relative_to(bundle).as_posix() for path in found]


def write_large_files(bundle: Path, url: str) -> None:
    """Write ``large_files.yml``, by which ``monai.bundle download_large_files`` fetches and checks each of them.

    Args:
        bundle: folder of the built bundle.
        url: folder that the files are fetched from, below which they have their paths in the bundle.
    """
    entries = [
        {
            "path": path,
            "url": f"{url.rstrip('/')}/{path}",
            "hash_val": file_sha256(bundle / path),
            "hash_type": "sha256",
        }
        for path in large_files(bundle)
    ]
    text = yaml.safe_dump({"large_files": entries}, sort_keys=False)
    (bundle / LARGE_FILES).write_text(text, encoding="utf-8")


def write_checksums(bundle: Path) -> None:
    """Write ``SHA256SUMS``, which ``sha256sum -c`` reads, of all other files."""
    files = [path for path in sorted(bundle.rglob("*")) if path.is_file() and path.name != LIST]
    lines = [f"{file_sha256(path)}  {path.relative_to(bundle).as_posix()}\n" for path in files]
    (bundle / LIST).write_text("".join(lines), encoding="utf-8")
