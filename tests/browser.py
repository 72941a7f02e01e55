"""A page in a browser: that nothing in it fails, and how wide it is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FRAME = """<!DOCTYPE html><body><iframe src="{page}" width="{width}" height="800" frameborder="0"></iframe>
<p id="widths"></p><script>
onload = () => {{
  const page = document.querySelector("iframe").contentDocument.documentElement;
  document.querySelector("#widths").textContent = `${{page.clientWidth}} ${{page.scrollWidth}}`;
}};
</script></body>"""


def shown_and_needed(page: Path, width: int, profile: Path) -> tuple[int, int]:
    """How many pixels of a page a window of ``width`` shows, and how many it needs; no error is on its console.

    Args:
        page: the page; the frame that shows it is written beside it.
        width: of the window.
        profile: an empty folder for the browser.
    """
    frame = page.with_name(f"frame{width}.html")
    frame.write_text(FRAME.format(width=width, page=page.name))
    words = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    words += ["--enable-logging=stderr", f"--user-data-dir={profile}", "--window-size=1400,1000", "--dump-dom"]
    done = subprocess.run([*words, frame.as_uri()], capture_output=True, text=True, check=True, timeout=120)
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    found = re.search(r'<p id="widths">(\d+) (\d+)</p>', done.stdout)
    assert found is not None, done.stdout[-2000:]
    visible, needed = map(int, found.groups())
    return visible, needed
