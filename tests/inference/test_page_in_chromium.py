"""The page of a folder of masks in a browser: a telephone shows it without scrolling sideways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.inference.report import render_page
from tests.browser import CHROMIUM, shown_and_needed

CLASSES = ["background", *(f"a_structure_with_a_long_name_{number}" for number in range(9))]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_does_not_scroll_sideways(tmp_path: Path, width: int) -> None:
    numbers = {"voxels": 1234567, "volume_ml": 123.4, "surface_mm2": 54321.0, "components": 12, "confidence": 0.87}
    row: dict[str, Any] = {
        **{"case": f"{'a_case_with_a_long_name_' * 4}", "status": "new", "error": "", "overlay": "", "notes": []},
        **{"flags": [f"{CLASSES[1]} is in 12 parts"], "outputs": [f"{'a_mask_' * 12}.nii.gz"]},
        "classes": [{"class": name, **numbers} for name in CLASSES[1:]],
    }
    page = tmp_path / "index.html"
    page.write_text(render_page([row], CLASSES))
    visible, needed = shown_and_needed(page, width, tmp_path / "browser")
    assert needed <= visible
