"""The report in a browser: nothing fails, and a telephone shows it without scrolling sideways."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.studies.report.build import build_report
from scripts.studies.report.record import Curve, Failure, Provenance, StudyRecord, TuningTrial
from tests.studies.report.made_up import made_up_scores

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LONG = "a_loss_with_a_name_that_is_longer_than_any_column_of_a_telephone"
FRAME = """<!DOCTYPE html><body><iframe src="report.html" width="{width}" height="800" frameborder="0"></iframe>
<p id="widths"></p><script>
onload = () => {{
  const page = document.querySelector("iframe").contentDocument.documentElement;
  document.querySelector("#widths").textContent = `${{page.clientWidth}} ${{page.scrollWidth}}`;
}};
</script></body>"""

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
    frame = report.with_name(f"frame{width}.html")
    frame.write_text(FRAME.format(width=width))
    words = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    words += ["--enable-logging=stderr", f"--user-data-dir={tmp_path}", "--window-size=1400,1000", "--dump-dom"]
    done = subprocess.run([*words, frame.as_uri()], capture_output=True, text=True, check=True, timeout=120)
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    found = re.search(r'<p id="widths">(\d+) (\d+)</p>', done.stdout)
    assert found is not None, done.stdout[-2000:]
    visible, needed = map(int, found.groups())
    assert width - 20 <= visible <= width
    assert needed <= visible
