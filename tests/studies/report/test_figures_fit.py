"""No letter of a figure is cut off, and none lies on another, however long the names."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from scripts.studies.components import Components
from scripts.studies.report.curves import draw_learning_curves
from scripts.studies.report.forest import draw_forest, draw_significance
from scripts.studies.report.noise import apart, draw_noise
from scripts.studies.report.palette import GRID, MUTED
from scripts.studies.report.patients import draw_differences, draw_pair, patient_scores
from scripts.studies.report.record import Curve
from tests.studies.report.made_up import LOSSES, made_up_context

LONG = {f"{name} with a name of many words": gap for name, gap in (("dual", 0.02), ("focal", 0.0), ("cross", 0.01))}
CONTEXT = made_up_context(LONG)
CHOSEN, RIVAL = CONTEXT.chosen, CONTEXT.rival
SCORES = patient_scores(CONTEXT.analysis.table)
FEW = Components(patient=0.0, training=2e-4, residual=6e-3, folds=3)  # all lines end near one another


def _differences() -> Figure:
    losses = CONTEXT.analysis.table.losses
    others = [loss for loss in losses if loss != CHOSEN]
    return draw_differences(SCORES, losses, CHOSEN, others, CONTEXT.styles)[0]


def test_the_other_losses_can_be_told_from_the_lines_of_the_grid() -> None:
    figure = draw_learning_curves([Curve(loss, 1, 0, [4, 8], [0.7, 0.8]) for loss in LONG], CONTEXT.styles)
    for axis in figure.axes[:3]:
        assert [line.get_color() for line in axis.lines].count(MUTED) == 3
        assert GRID not in [line.get_color() for line in axis.lines]


def _one_validation() -> Figure:
    return draw_learning_curves([Curve(loss, 1, 0, [4], [0.8]) for loss in LONG], CONTEXT.styles)


FIGURES: dict[str, Callable[[], Figure]] = {
    "forest": lambda: draw_forest(CONTEXT.analysis, CONTEXT.styles),
    "map": lambda: draw_significance(CONTEXT.analysis),
    "differences": _differences,
    "pair": lambda: draw_pair(SCORES, CONTEXT.analysis.table.losses, CHOSEN, RIVAL, CONTEXT.styles[CHOSEN])[0],
    "noise": lambda: draw_noise(FEW, 24, 3, 0.01, LOSSES),
    "curves": _one_validation,
}


def _texts(figure: Figure) -> list[Text]:
    """All words that are drawn: of the axes that are seen, and of the ticks within their limits."""
    FigureCanvasAgg(figure).draw()
    found: list[Text] = [text for legend in figure.legends for text in legend.get_texts()]
    for axes in (axes for axes in figure.axes if axes.get_visible()):
        beyond = [
            label
            for axis in (axes.xaxis, axes.yaxis)
            for tick in axis.get_major_ticks()
            if not axes.axison or not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
            for label in (tick.label1, tick.label2)
        ]
        found += [text for text in axes.findobj(Text) if text not in beyond]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


@pytest.mark.parametrize("name", FIGURES)
def test_every_word_is_whole_and_on_free_ground(name: str) -> None:
    figure = FIGURES[name]()
    shown = _texts(figure)
    boxes = {text.get_text(): text.get_window_extent() for text in shown}
    assert boxes
    width, height = figure.bbox.width, figure.bbox.height
    for word, box in boxes.items():
        assert box.x0 >= -1, word
        assert box.x1 <= width + 1, word
        assert box.y0 >= -1, word
        assert box.y1 <= height + 1, word
    upright = [text for text in shown if text.get_rotation() in (0.0, 90.0)]
    for first, second in combinations(upright, 2):
        a, b = first.get_window_extent().padded(-1.5), second.get_window_extent().padded(-1.5)
        assert not a.overlaps(b), (first.get_text(), second.get_text())


def test_one_validation_has_a_whole_number_as_its_epoch() -> None:
    axis = _one_validation().axes[0]
    assert [tick for tick in axis.get_xticks() if tick != round(tick)] == []
    assert 4 in axis.get_xticks()


def test_labels_that_would_overlap_are_moved_apart() -> None:
    assert apart([0.2, 0.6], 1.0) == [0.2, 0.6]
    assert apart([0.20, 0.21, 0.9], 1.0) == pytest.approx([0.20, 0.275, 0.9])
    assert apart([0.98, 1.0, 7.0], 1.0) == pytest.approx([0.85, 0.925, 1.0])  # never above the axis
