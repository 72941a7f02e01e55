"""The report in a browser: nothing fails, and a telephone shows it without scrolling sideways."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.studies.report.build import build_report
from scripts.studies.report.record import Curve, Failure, Provenance, StudyRecord, TuningTrial
from tests.browser import CHROMIUM, shown_and_needed
from tests.studies.report.made_up import made_up_scores

LONG = "a_loss_with_a_name_that_is_longer_than_any_column_of_a_telephone"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    losses = {"ce": 0.0, "adfl": 0.02, LONG: 0.01}
    study = StudyRecord(
        name="in a browser",
        scores=made_up_scores(losses),
        curves=[Curve(loss, 1, 0, [1, 2, 3], [0.2, 0.5, 0.6]) for loss in losses],
        tuning=[TuningTrial(loss, rate, 0.5, rate == 1e-3) for loss in losses for rate in (1e-3, 3e-3)],
        failures=[Failure("ce-r1-f0", f"/a/path/without/any/space/{LONG}/{LONG}", "ce")],
        segment_command=f"python -m monai.bundle run --run_name {LONG}-r1-f0 --runs_dir runs/studies/in_a_browser",
        provenance=Provenance(study_file="study.yaml", sha256_at_launch="a" * 64, split_sha256={"repeat 1": "b" * 64}),
    )
    return build_report(study, tmp_path_factory.mktemp("page"))


@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_has_no_errors_and_does_not_scroll_sideways(report: Path, tmp_path: Path, width: int) -> None:
    visible, needed = shown_and_needed(report, width, tmp_path)
    assert width - 20 <= visible <= width
    assert needed <= visible
