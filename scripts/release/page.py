"""docs/README.md of the built bundle: the model zoo's headings, links that hold wherever the page is shown."""

from __future__ import annotations

import re
from typing import Any

LINK = re.compile(r"\[([^\]]+)\]\((?!https?://|#)([^)]+)\)")


def bundle_page(page: str, metadata: dict[str, Any], url: str | None) -> str:
    """The page of the project for a built bundle.

    Args:
        page: docs/README.md as it stands in the project.
        metadata: of the built bundle; gives the scores and the run.
        url: where the project's files are shown, a folder; None turns links to other pages into their names, since
            Hugging Face shows the page in another place than the zoo.
    """

    def absolute(link: re.Match[str]) -> str:
        return f"[{link[1]}]({url.rstrip('/')}/docs/{link[2]})" if url else f"{link[1]} (docs/{link[2]})"

    return LINK.sub(absolute, page).replace("## Performance\n", f"## Performance\n\n{scores(metadata)}\n", 1)


def scores(metadata: dict[str, Any]) -> str:
    """What the bundle's own weights were trained on and how they score, as sentences and a table."""
    run = metadata["trained_run"]
    trained, planned = run.get("trained_epochs"), run["max_epochs"]
    epochs = f"{planned} epochs" if trained in (None, planned) else f"{trained} of {planned} epochs"
    lines = [
        f"The weights in `models/` are those of the run `{run['run']}` (data {run['data_name']}, network "
        f"{run['network_name']}, loss {run['loss_name']}, {epochs}, fold {run['fold']}, seed "
        f"{run['seed']}). One training, so without intervals, and no comparison of losses.",
    ]
    if run["data_name"] == "phantom":
        lines.append("They were trained on the embedded phantom: a demonstration, of no use on patients.")
    if metadata["eval_metrics"]:
        rows = [f"| {name} | {value:.4f} |" for name, value in metadata["eval_metrics"].items()]
        lines.append("\n".join(["| score | value |", "| --- | --- |", *rows]))
    return "\n\n".join(lines) + "\n"
