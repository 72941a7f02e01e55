"""A saved view of MLflow's page of an experiment: which runs it lists, and which charts it shows.

MLflow keeps a view that somebody shares as a tag of the experiment, ``mlflow.sharedViewState.<key>``, whose value is
the state of the page as JSON, and opens it by ``viewStateShareKey=<key>``. The page itself adds a chart for every
metric that the state does not name, in a section of the name's first parts: those sections are folded up.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..configuration.passwords import without_password
from ..configuration.reading import BASE_CONFIG

VIEW_TAG = "mlflow.sharedViewState."
LOCAL = "http://127.0.0.1:5000"  # of make ui
MOST_RUNS = 20  # that a chart shows
FOLDED = ["best", "best/dice", "best/iou", "val/dice", "val/iou", "train", "acw", "test/dice", "test/iou"]  # sections


def view_state(
    bars: Sequence[str],
    curves: Sequence[str],
    folded: Sequence[str],
    search_filter: str = "",
    order_by: str | None = None,
) -> dict[str, Any]:
    """The state of a page with bar charts on top, learning curves below them, and all else folded up.

    Args:
        bars: metrics with one value per run, in this order.
        curves: metrics by step, in this order.
        folded: sections that are folded up, those of all other metrics; see ``section_of``.
        search_filter: MLflow's filter of the runs that are listed; empty for all.
        order_by: metric by which the runs are sorted, the greatest first; None for the time.
    """
    sections = [_section("Scores"), _section("Learning curves")]
    charts = [_chart("BAR", name, sections[0]["uuid"]) for name in bars]
    charts += [_chart("LINE", name, sections[1]["uuid"]) for name in curves]
    return {
        "searchFilter": search_filter,
        "orderByKey": f"metrics.`{order_by}`" if order_by else "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunCharts": charts,
        "compareRunSections": [*sections, *(_section(name, display=False) for name in folded)],
        "isAccordionReordered": True,  # the order is ours: MLflow would sort it by name
        "hideEmptyCharts": True,
        "selectedColumns": [*(f"metrics.`{name}`" for name in bars), "params.`loss`"],
    }


def section_of(metric: str) -> str:
    """The section that MLflow's page puts a metric into."""
    return metric.rpartition("/")[0] or "Model metrics"


def run_view() -> tuple[str, str]:
    """The view of an experiment of trainings, as the tag of the experiment that keeps it: name and value."""
    state = view_state(["best/dice/mean", "best/iou/mean"], ["val/dice/mean", "train/loss"], FOLDED)
    key, value = _packed(state)
    return VIEW_TAG + key, value


def save_view(client: Any, experiment_id: str, state: dict[str, Any]) -> str:
    """Keep a view with its experiment and return its key, which follows from the view alone.

    Args:
        client: an ``MlflowClient``.
        experiment_id: MLflow's id of the experiment.
        state: from ``view_state``.
    """
    key, value = _packed(state)
    client.set_experiment_tag(experiment_id, VIEW_TAG + key, value)
    return key


def link(tracking_uri: str, experiment_id: str, key: str) -> str:
    """The address that opens a view; for a database that of ``make ui``."""
    is_server = tracking_uri.startswith(("http://", "https://"))
    base = without_password(tracking_uri).rstrip("/") if is_server else LOCAL
    return f"{base}/#/experiments/{quote(experiment_id)}/runs?viewStateShareKey={key}&compareRunsMode=CHART"


def pages_command(runs: Path, bundle: Path = BASE_CONFIG.parents[1]) -> str:
    """The command that shows the pages of a folder of runs, as it works in the working folder.

    A built bundle has no Makefile.
    """
    runs, here = runs.resolve(), Path.cwd().resolve() == bundle
    own = runs == bundle / "runs"
    if (bundle / "Makefile").is_file():
        make = "make" if here else f"make -C {shlex.quote(str(bundle))}"
        return f"{make} ui" + ("" if own else f" RUNS={shlex.quote(str(runs))}")
    change = "" if here else f"cd {shlex.quote(str(bundle))} && "
    return f"{change}python -m scripts.tracking.pages" + ("" if own else f" --output_dir {shlex.quote(str(runs))}")


def _packed(state: dict[str, Any]) -> tuple[str, str]:
    """Key and text of a view, packed as MLflow's page does it; a tag of an experiment takes 20,000 characters."""
    text = json.dumps(state, sort_keys=True)
    packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    return hashlib.sha256(text.encode()).hexdigest(), f"deflate;{packed}"


def _section(name: str, display: bool = True) -> dict[str, Any]:
    return {"uuid": _uuid("section", name), "name": name, "display": display, "isReordered": True}


def _chart(kind: str, metric: str, section: str) -> dict[str, Any]:
    chart = {
        "uuid": _uuid(kind, metric),
        "type": kind,
        "metricKey": metric,
        "displayName": metric,
        "metricSectionId": section,
        "isGenerated": True,
        "deleted": False,
        "runsCountToCompare": MOST_RUNS,
    }
    if kind == "LINE":
        chart |= {"xAxisKey": "step", "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True, "lineSmoothness": 0}
        chart |= {"scaleType": "linear", "xAxisScaleType": "linear", "selectedXAxisMetricKey": "", "range": {}}
        chart |= {"yAxisKey": "metric", "yAxisExpressions": [], "ignoreOutliers": False, "selectedMetricKeys": [metric]}
    return chart


def _uuid(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]
