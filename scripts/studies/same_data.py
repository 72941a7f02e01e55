"""Whether the runs of a study had the same data and splits, without which they can't be compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError
from ..runs.run_files import CONFIG, SPLIT
from .grid import PlannedRun
from .run_record import read_json

# Keys that decide what is prepared.
DATA_KEYS = {"cases", "dataset_dir", "ignore_index", "image_size", "in_channels", "labels", "pixel_spacing"}


def split_hashes(study_dir: Path, runs: Sequence[PlannedRun]) -> dict[str, str]:
    """The hash of the split by repeat and fold.

    Raises:
        UserError: runs that are compared had other splits, or other data where their settings ask for the same; names
            them.
    """
    by_place: dict[str, str] = {}
    seen: dict[str, tuple[str, str]] = {}
    for run in runs:
        split = read_json(study_dir / run.name / SPLIT)
        if split is None and (study_dir / run.name / CONFIG).is_file():  # saved runs of unknown splits have neither
            raise UserError(
                f"{study_dir / run.name / SPLIT} is missing, so that nothing tells whether the run had the data of the "
                f"others; put it back, or delete {run.name} beside it and start the study again"
            )
        if split is None:
            continue
        if not {"sha256", "fingerprint"} <= set(split):
            raise UserError(
                f"{study_dir / run.name / SPLIT} is damaged: it names no split; delete {run.name} beside it"
            )
        place = f"repeat {run.repeat} fold {run.fold}"
        data = _data_of(run)
        by_place.setdefault(place, str(split["sha256"]))
        for key, name in ((f"{data} {place}", "sha256"), (data, "fingerprint")):
            first, value = seen.setdefault(key, (run.name, str(split.get(name))))
            if value != str(split.get(name)):
                what = "another split of the cases" if name == "sha256" else "other data"
                raise UserError(
                    f"runs {first} and {run.name} in {study_dir} had {what}, so they can't be compared: the "
                    "data have changed in between; delete the folders of the runs on the old data and start the study "
                    "again"
                )
    return by_place


def refuse_other_data(study_dir: Path, done: Sequence[PlannedRun], planned: PlannedRun, fingerprint: str) -> None:
    """Refuse to go on with a study on other data than those of its finished runs, before more are trained.

    Args:
        study_dir: folder of the study.
        done: finished runs.
        planned: a run that is to be trained.
        fingerprint: of the data that it would be trained on.

    Raises:
        UserError: names a finished run that asks for the same data and had others.
    """
    for run in done:
        split = read_json(study_dir / run.name / SPLIT)
        if split is not None and _data_of(run) == _data_of(planned) and split.get("fingerprint") != fingerprint:
            raise UserError(
                f"run {run.name} in {study_dir} had other data than there are now, so that no further run could be "
                "compared with it: the files have changed, or the cases have other published names, as in every new "
                "output folder; bring the old files back and set ADFL_SALT to what it was (or to the old folder's "
                "prepared/.salt), or begin anew with another --output_dir and --saved_runs null"
            )


def _data_of(run: PlannedRun) -> str:
    """What a run's settings say about its data, but for the split."""
    wanted = [item for item in sorted(run.overrides.items()) if item[0].split("::")[0] in DATA_KEYS]
    return repr((wanted, [file for file in run.files if Path(file).name.startswith("data_")]))
