from __future__ import annotations

from scripts.evaluation.score_line import score_line

STREET = [*["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian"], "bicyclist"]


def test_few_classes_are_shown_each_with_the_mean_before_them() -> None:
    scores = {"dice/mean": 0.7, "iou/mean": 0.55, "dice/background": 0.99, "iou/background": 0.98}
    scores |= {"dice/nerve": 0.6, "iou/nerve": 0.45, "dice/vessel": 0.8, "iou/vessel": 0.65}
    expected = "mean Dice 0.700 IoU 0.550 (nerve Dice 0.600 IoU 0.450, vessel Dice 0.800 IoU 0.650)"
    assert score_line(scores, ["background", "nerve", "vessel"]) == expected


def test_many_classes_are_the_mean_and_the_lowest_in_a_line_that_fits() -> None:
    scores = {"dice/mean": 0.7, "iou/mean": 0.55}
    scores |= {f"dice/{name}": 0.9 - 0.05 * place for place, name in enumerate(STREET[:-1])}
    scores |= {f"iou/{name}": 0.5 for name in STREET[:-1]}  # no bicyclist was seen
    line = score_line(scores, STREET)
    assert line == ("mean Dice 0.700 IoU 0.550 of 10 classes, lowest pedestrian 0.450, car 0.500, fence 0.550")
    assert len(line) < 120


def test_three_classes_are_shown_each_and_four_by_the_lowest_three() -> None:
    names = ["background", "a", "b", "c", "d"]
    scores = {"dice/mean": 0.5, "iou/mean": 0.4} | {f"iou/{name}": 0.4 for name in names}
    scores |= {"dice/background": 0.9, "dice/a": 0.6, "dice/b": 0.5, "dice/c": 0.4, "dice/d": 0.3}
    assert score_line(scores, names[:4]).endswith(
        "(a Dice 0.600 IoU 0.400, b Dice 0.500 IoU 0.400, c Dice 0.400 IoU 0.400)"
    )
    assert score_line(scores, names) == "mean Dice 0.500 IoU 0.400 of 5 classes, lowest d 0.300, c 0.400, b 0.500"
