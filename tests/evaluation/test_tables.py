from __future__ import annotations

import csv
import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.engines import IterationEvents

from scripts.datasets import Case, PreparedDataset, prepare_dataset
from scripts.evaluation import case_scores, tables
from scripts.evaluation.case_scores import CaseScores
from scripts.evaluation.metrics import OverlapScores
from scripts.evaluation.tables import ScoreTables
from scripts.runs.run_files import JOURNAL
from scripts.tracking.journal import read_records
from tests.synthetic import random_volume, write_mhd

LABELS = ["background", "gland", "tumour"]
SIZE = (20, 16, 2)  # at 0.5 x 0.5 x 3 mm: 10 x 8 x 6 mm, the diagonal is sqrt(200) mm


def _box(value: int, x: slice, z: slice = slice(None)) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[x, 4:8, z] = value
    return mask


# truth and prediction of each case, and their Dice worked by hand
CASES = {
    # the gland is right, the tumour missed: (1 + 0) / 2
    "A": (_box(1, slice(2, 6)) + _box(2, slice(8, 10)), _box(1, slice(2, 6))),
    # 4 of 8 rows of the gland are found: 2 * 4 / (4 + 8) = 2/3, no tumour in either: 2/3
    "B": (_box(1, slice(2, 10)), _box(1, slice(2, 6))),
    # nothing in either: no score
    "C": (_box(0, slice(0, 1)), _box(0, slice(0, 1))),
    # the gland is right, a tumour invented: (1 + 0) / 2
    "D": (_box(1, slice(2, 6)), _box(1, slice(2, 6)) + _box(2, slice(12, 14))),
    # in one of two slices the gland is right, in the other it is missed: 2 * 16 / (16 + 32) = 2/3
    "E": (_box(1, slice(2, 6)), _box(1, slice(2, 6), slice(1))),
}
DICE = {"A": 0.5, "B": 2 / 3, "C": None, "D": 0.5, "E": 2 / 3}


def _prepare(folder: Path, image_size: tuple[int, int] = (20, 16), **options: Any) -> PreparedDataset:
    cases = []
    others = {"Y": CASES["A"], "Z": CASES["A"]}  # for training and validation, which have to be there
    for index, (name, (truth, _)) in enumerate((CASES | others).items()):
        image = write_mhd(folder / "raw" / f"{name}.mhd", random_volume(index, SIZE)[0])
        label = write_mhd(folder / "raw" / f"{name}_segmentation.mhd", truth)
        cases.append(
            Case(name, str(image), str(label), f"patient {name}", part={"Y": "train", "Z": "val"}.get(name, "test"))
        )
    settings = {"name": "toy", "labels": LABELS, "image_size": image_size, "prepared_dir": folder / "prepared"}
    return prepare_dataset(cases, **(settings | options))


def _evaluator(dataset: PreparedDataset) -> Engine:
    """An evaluator whose network says what ``CASES`` say, and is sure of it to 0.9."""

    def step(engine: Engine, batch: dict[str, Any]) -> list[dict[str, torch.Tensor]]:
        planes = [
            [volume[:, :, place] for volume in CASES[dataset.case_names[case]]]
            for case, place in zip(batch["case_index"].tolist(), batch["slice"].tolist(), strict=True)
        ]
        truth, said = (torch.from_numpy(np.stack(these)).long() for these in zip(*planes, strict=True))
        logits = torch.log(torch.where(torch.nn.functional.one_hot(said, 3).movedim(-1, 1) == 1, 0.9, 0.05))
        engine.state.output = {"pred": logits, "label": truth[:, None]}
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        keys = zip(batch["case_index"].tolist(), batch["slice"].tolist(), strict=True)
        engine.state.batch = [{"case_index": case, "slice": place} for case, place in keys]
        from monai.data import MetaTensor

        return [{"label": MetaTensor(t[None]), "pred": MetaTensor(p[None])} for t, p in zip(truth, said, strict=True)]

    engine = Engine(step)
    engine.register_events(*IterationEvents)
    return engine


def _batches(dataset: PreparedDataset, size: int = 3) -> list[dict[str, torch.Tensor]]:
    where = torch.tensor([[item["case_index"], item["slice"]] for item in dataset.items("test")])
    return [{"case_index": rows[:, 0], "slice": rows[:, 1]} for rows in where.split(size)]


def _evaluate(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    dataset: PreparedDataset,
    metric: OverlapScores | None = None,
    **options: Any,
) -> tuple[Any, Any, Any]:
    """Rows of both tables, and the summary."""
    monkeypatch.setattr(tables.ScoreTables, "_track", lambda self, scores, figure: None)
    engine, metric = _evaluator(dataset), metric or OverlapScores(LABELS)
    metric.attach(engine, "dice/mean")
    ScoreTables(folder, "test", {"dice/mean": metric}, dataset, **options).attach(engine)
    engine.run(_batches(dataset))
    written = folder / "evaluation" / "test"
    rows = []
    for name in ("per_case.csv", "per_image.csv"):
        with (written / name).open() as file:
            rows.append(list(csv.DictReader(file)))
    return *rows, json.loads((written / "summary.json").read_text())


def test_the_primary_score_of_every_case_is_as_worked_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases, images, summary = _evaluate(tmp_path, monkeypatch, _prepare(tmp_path))
    assert [(row["case"], row["patient"], row["slices"]) for row in cases] == [(c, f"patient {c}", "2") for c in CASES]
    for row in cases:
        expected = DICE[row["case"]]
        for column in ("dice/mean", "original/dice/mean"):  # the slices have the size of the files
            assert row[column] == ("" if expected is None else f"{expected:.6f}")
    assert summary["cases_without_score"] == 1
    assert summary["scores"]["dice/mean"] == pytest.approx((0.5 + 2 / 3 + 0.5 + 2 / 3) / 4)
    # the tumour: in A missed, in D invented, in the others in neither mask
    assert summary["scores"]["dice/tumour"] == 0
    assert summary["objects"]["tumour"] == {"true": 1, "missed": 1, "invented": 1, "in neither mask": 3}
    assert summary["objects"]["gland"] == {"true": 4, "missed": 0, "invented": 0, "in neither mask": 1}
    assert summary["original/objects"] == summary["objects"]
    assert len(images) == 10
    assert [summary[name] for name in ("part", "cases", "images")] == ["test", 5, 10]
    assert summary["original_grid"] == summary["distances"] == "scored"
    assert (tmp_path / "evaluation" / "test" / "summary.json").read_text().startswith('{\n "part": "test",\n')
    # of case E the second slice alone misses the gland
    assert [(row["slice"], row["dice/gland"]) for row in images if row["case"] == "E"] == [
        ("0", "1.000000"),
        ("1", "0.000000"),
    ]
    assert {row["patient"] for row in images} == {f"patient {c}" for c in CASES}


def test_the_tables_are_scored_as_the_metric_and_the_user_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tumour ignored, the background scored: A's gland is right, and all else of what counts is background.

    B: of 2 x 320 pixels 576 are background, 608 are said to be: 2 * 576 / (576 + 608) = 0.972973, the gland has 2/3.
    """
    metric = OverlapScores(LABELS, include_background=True, ignore_index=2)
    settings = {"surface_tolerance": 3.5, "computed_with": {"image_size": [20, 16]}}
    cases, _, summary = _evaluate(tmp_path, monkeypatch, _prepare(tmp_path), metric, **settings)
    for grid in ("", "original/"):
        assert [row[f"{grid}dice/mean"] for row in cases[:2]] == ["1.000000", "0.819820"]
        assert cases[0][f"{grid}hd95_mm/background"] == "0.000000"
        assert cases[0][f"{grid}surface_dice_3.5mm/mean"] == "1.000000"
    assert summary["surface_tolerance"] == 3.5
    assert summary["computed_with"] == {"image_size": [20, 16]}


def test_a_second_evaluation_replaces_the_files_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = _prepare(tmp_path)
    first = _evaluate(tmp_path, monkeypatch, dataset)
    monkeypatch.setitem(CASES, "A", (CASES["A"][0], CASES["A"][0]))
    cases, images, summary = _evaluate(tmp_path, monkeypatch, dataset)
    assert [row["dice/mean"] for row in (first[0][0], cases[0])] == ["0.500000", "1.000000"]
    assert (len(cases), len(images), summary["computed_with"]) == (5, 10, {})


def test_the_log_has_the_scores_on_every_level_and_says_where_the_tables_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        _evaluate(tmp_path, monkeypatch, _prepare(tmp_path))
    assert "test part: 5 cases, 10 images" in caplog.messages
    of_gland = [
        f"per case Dice {(1 + 2 / 3 + 1 + 2 / 3) / 4:.3f} IoU {(1 + 1 / 2 + 1 + 1 / 2) / 4:.3f}",
        f"per image Dice {(2 + 2 * 2 / 3 + 2 + 1) / 8:.3f} IoU {(2 + 2 * 1 / 2 + 2 + 1) / 8:.3f}",
        # hits 32 + 32 + 32 + 16 of 112 predicted and 32 + 64 + 32 + 32 true pixels
        f"all pixels Dice {2 * 112 / (112 + 160):.3f} IoU {112 / 160:.3f}",
    ]
    assert f"  {'gland':<12} {'; '.join(of_gland)}" in caplog.messages
    assert any(line.startswith("  in original size, per case: dice 0.583, ") for line in caplog.messages)
    assert f"tables: {tmp_path / 'evaluation' / 'test'}" in caplog.messages


def test_the_files_are_text_that_people_and_programs_read() -> None:
    rows = [{"case": "A", "slice": 3, "dice/gland": 0.5, "hd95_mm/gland": math.nan, "note": "1,5"}]
    assert tables._table(rows) == 'case,slice,dice/gland,hd95_mm/gland,note\nA,3,0.500000,,"1,5"\n'


def test_what_slices_do_not_show_counts_as_background_in_the_size_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slices show 16 of 20 pixels along x, from 2 to 18, and 4 more rows around the 16 along y.

    A's network is right wherever it looks, but the file's gland lies at 0 to 6: on the slices all 4 x 4 pixels of a
    plane are found, in the file 16 of 24: 2 * 16 / (16 + 24) = 0.8. In each of two planes 8 pixels of 0.75 mm3 are
    missed, 12 mm3.
    """
    in_file = _box(1, slice(0, 6))
    seen = np.pad(in_file[2:18], ((0, 0), (2, 2), (0, 0)))
    monkeypatch.setitem(CASES, "A", (in_file, in_file))
    dataset = _prepare(tmp_path, (16, 20), pixel_spacing=0.5)
    for name, pair in CASES.items():
        shown = [np.pad(mask[2:18], ((0, 0), (2, 2), (0, 0))) for mask in pair]
        monkeypatch.setitem(CASES, name, (shown[0], shown[1]))
    assert np.array_equal(CASES["A"][0], seen)
    row = _evaluate(tmp_path, monkeypatch, dataset)[0][0]
    assert (row["case"], row["dice/gland"], row["original/dice/gland"]) == ("A", "1.000000", "0.800000")
    assert float(row["volume_difference_ml/gland"]) == 0
    assert float(row["original/volume_difference_ml/gland"]) == pytest.approx(-0.012)
    # the surface of the file's gland at 0 to 6 is 2 pixels, 1 mm, beyond that of the prediction at one of its ends
    assert float(row["original/hd95_mm/gland"]) == pytest.approx(1.0)
    assert float(row["hd95_mm/gland"]) == 0


def test_the_tables_and_the_picture_of_this_network_wait_for_mlflow_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_away(*_place: Any, **_options: Any) -> None:
        raise OSError("away")

    monkeypatch.setattr(tables, "MlflowMirror", is_away)
    (tmp_path / "figures").mkdir()
    for name in ("test_epoch_003.png", "test_epoch_007.png", "validation_epoch_007.png"):
        (tmp_path / "figures" / name).write_bytes(b"")
    dataset = _prepare(tmp_path)
    engine, metric = _evaluator(dataset), OverlapScores(LABELS)
    metric.attach(engine, "dice/mean")
    ScoreTables(tmp_path, "test", {"dice/mean": metric}, dataset).attach(engine)
    engine.state.checkpoint_epoch = 7
    engine.run(_batches(dataset))
    sent = [record["artifact"] for record, _ in read_records(tmp_path / JOURNAL) if "artifact" in record]
    files = [f"evaluation/test/{name}" for name in ("per_case.csv", "per_image.csv", "summary.json")]
    assert sent == [*files, "figures/test_epoch_007.png"]


def test_distances_and_volumes_are_in_millimetres_and_missed_objects_the_worst(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases, _, summary = _evaluate(tmp_path, monkeypatch, _prepare(tmp_path))
    assert (summary["distance_unit"], summary["volume_unit"], summary["surface_tolerance"]) == ("mm", "ml", 2)
    rows = {row["case"]: row for row in cases}
    worst = f"{math.sqrt(10**2 + 8**2 + 6**2):.6f}"
    for case in ("A", "D"):
        assert rows[case]["hd95_mm/tumour"] == rows[case]["original/hd95_mm/tumour"] == worst
        assert rows[case]["assd_mm/tumour"] == worst
        assert rows[case]["surface_dice_2mm/tumour"] == "0.000000"
        assert rows[case]["hd95_mm/gland"] == "0.000000"
        assert float(rows[case]["hd95_mm/mean"]) == pytest.approx(math.sqrt(200) / 2, abs=1e-6)
    # 2 x 4 x 2 voxels of 0.75 mm3 are 12 mm3
    assert [rows[c]["volume_difference_ml/tumour"] for c in "ABCD"] == ["-0.012000", "", "", "0.012000"]
    assert [rows[c]["volume_difference_relative/tumour"] for c in "AD"] == ["-2.000000", "2.000000"]
    assert summary["scores"]["volume_difference_ml/tumour"] == 0
    assert summary["scores"]["abs_volume_difference_ml/tumour"] == pytest.approx(0.012)
    # B: the missed 4 rows of 0.5 mm; the far end is 2 mm off, and 16 of the 128 lengths of the truth's surface
    assert rows["B"]["hd95_mm/gland"] == "2.000000"
    assert all(rows["C"][column] == "" for column in rows["C"] if "_mm" in column or "dice/mean" in column)


def test_calibration_of_a_network_that_is_always_sure_to_nine_tenths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases, _, summary = _evaluate(tmp_path, monkeypatch, _prepare(tmp_path))
    rows = {row["case"]: row for row in cases}
    # A: of 640 pixels 32 claim 0.9 gland and are, 608 claim 0.05 and none is
    assert float(rows["A"]["ece/gland"]) == pytest.approx((32 * 0.1 + 608 * 0.05) / 640, abs=1e-6)
    # its top label is claimed with 0.9, and right but for the 16 pixels of the tumour
    assert float(rows["A"]["ece/top_label"]) == pytest.approx(abs(0.9 - 624 / 640), abs=1e-6)
    assert rows["C"]["ece/gland"] == "0.050000"
    assert 0 < summary["scores"]["ece_pooled/mean"] < 0.1


def test_without_the_files_masks_the_slices_alone_are_scored_and_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = _prepare(tmp_path)
    dataset.original_label_file("B").unlink()
    cases, _, summary = _evaluate(tmp_path, monkeypatch, dataset)
    assert not [column for column in cases[0] if column.startswith("original/")]
    assert cases[0]["dice/mean"] == "0.500000"
    assert cases[0]["hd95_mm/gland"] == "0.000000"
    reason = summary["original_grid"]
    assert "scores are of the slices alone" in reason
    assert "B.npz is missing (1 of 5 cases)" in reason
    assert reason in caplog.messages


def test_parts_of_cases_have_overlap_but_no_distances_and_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = _prepare(tmp_path)
    whole = dataset.items
    monkeypatch.setattr(dataset, "items", lambda part: [item for item in whole(part) if item["slice"] == 1])
    cases, _, summary = _evaluate(tmp_path, monkeypatch, dataset)
    assert not [column for column in cases[0] if "_mm" in column or "volume" in column]
    # of case E the second slice misses the gland, in the size of the file as in the slices
    assert [cases[4][f"{grid}dice/gland"] for grid in ("", "original/")] == ["0.000000", "0.000000"]
    assert "5 of 5 cases, A among them, have only some of their slices in this part" in summary["distances"]


def test_in_another_size_the_slices_have_the_same_field_of_view(tmp_path: Path) -> None:
    dataset = _prepare(tmp_path, (40, 16))
    scores = CaseScores(dataset, "test", LABELS)
    for case, place in ((0, 0), (0, 1)):
        truth, said = (np.repeat(volume[:, :, place], 2, axis=0) for volume in CASES["A"])
        odds = torch.nn.functional.one_hot(torch.from_numpy(said).long(), 3).movedim(-1, 0).float()
        scores._collect_slice(case, place, odds, truth)
    row = scores.results()[0].row
    for column in ("hd95_mm/tumour", "volume_difference_ml/tumour", "volume_difference_ml/gland", "assd_mm/gland"):
        assert row[column] == pytest.approx(row[f"original/{column}"])


def test_what_two_processes_have_seen_of_a_case_is_scored_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = _prepare(tmp_path)
    batches = _batches(dataset, 1)
    alone, *both = (CaseScores(dataset, "test", LABELS) for _ in range(3))
    engine = _evaluator(dataset)
    alone.attach(engine)
    engine.run(batches)
    # one has the first slice of all and the second of case A, the other has the rest and one that is repeated
    parts = [[*batches[0::2], batches[1]], [*batches[3::2], batches[0]]]
    for scores, seen in zip(both, parts, strict=True):
        engine = _evaluator(dataset)
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, scores._collect)
        engine.run(seen)
    states = [(scores._open, scores._bins, scores._results) for scores in both]
    monkeypatch.setattr(case_scores, "_from_all_processes", lambda state: states)
    both[0]._finish(engine)
    assert list(both[0].results()) == list(alone.results())
    for one, other in zip(both[0].results().values(), alone.results().values(), strict=True):
        assert one.row == pytest.approx(other.row, nan_ok=True)
    assert both[0].pooled_calibration() == pytest.approx(alone.pooled_calibration())


def test_a_case_that_is_not_whole_is_no_score(tmp_path: Path) -> None:
    dataset = _prepare(tmp_path)
    engine = _evaluator(dataset)
    CaseScores(dataset, "test", LABELS).attach(engine)
    with pytest.raises(RuntimeError, match="not every slice of E was evaluated"):
        engine.run(_batches(dataset)[:-1])


def test_an_output_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    scores = CaseScores(_prepare(tmp_path), "test", LABELS)
    odds = torch.full((3, 20, 16), float("nan"))
    with pytest.raises(ValueError, match="output for B slice 1 is not finite; its training has diverged"):
        scores._collect_slice(1, 1, odds, np.zeros((20, 16), np.uint8))


@pytest.mark.parametrize("tolerance", [-1, float("nan"), float("inf"), "2", True])
def test_a_tolerance_that_is_no_distance_is_refused(tmp_path: Path, tolerance: Any) -> None:
    with pytest.raises(ValueError, match="surface_tolerance must be a number >= 0"):
        CaseScores(_prepare(tmp_path), "test", LABELS, tolerance=tolerance)


def test_a_surface_dice_without_tolerance_counts_what_is_exactly_right(tmp_path: Path) -> None:
    scores = CaseScores(_prepare(tmp_path), "test", LABELS, tolerance=0)
    truth, said = CASES["B"]
    for place in range(2):
        odds = torch.nn.functional.one_hot(torch.from_numpy(said[:, :, place]).long(), 3).movedim(-1, 0).float()
        scores._collect_slice(1, place, odds, truth[:, :, place])
    assert 0 < scores.results()[1].row["surface_dice_0mm/gland"] < 1


def test_the_states_of_all_processes_are_brought_together(monkeypatch: pytest.MonkeyPatch) -> None:
    assert case_scores._from_all_processes("mine") == []

    def gather(states: list[Any], mine: Any) -> None:
        states[:] = [mine, "another's"]

    monkeypatch.setattr(torch.distributed, "is_available", lambda: True)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    assert case_scores._from_all_processes("mine") == ["mine", "another's"]


@pytest.mark.parametrize("size", [(40, 30), (13, 17), (20, 16), (64, 5)])
def test_the_way_back_to_the_size_of_the_file_is_that_of_inference(size: tuple[int, int]) -> None:
    from monai.data import MetaTensor
    from monai.transforms import Compose, Invertd, Resized

    from scripts.datasets.slice_grid import SliceGrid
    from scripts.evaluation.original_grid import in_original_size

    resize = Compose([Resized("image", (20, 16, -1), mode="bilinear", align_corners=False, anti_aliasing=True)])
    item = resize({"image": MetaTensor(torch.rand(1, *size, 2))})
    odds = torch.rand(3, 20, 16, 2, generator=torch.Generator().manual_seed(0)).softmax(0)
    item["pred"] = MetaTensor(odds, meta=item["image"].meta, applied_operations=item["image"].applied_operations)
    back = Invertd("pred", resize, "image", nearest_interp=False, to_tensor=True)(item)["pred"].argmax(0)
    for place in range(2):
        grid = SliceGrid(size, (20, 16), (20, 16))
        np.testing.assert_array_equal(in_original_size(odds[..., place], grid), back[..., place])
