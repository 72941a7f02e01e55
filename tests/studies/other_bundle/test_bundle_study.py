"""The study file of another bundle: what is refused before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

import scripts.losses
from scripts.errors import UserError
from scripts.studies.other_bundle.bundle_study import read_bundle_study
from scripts.studies.other_bundle.check import check_plan
from scripts.studies.other_bundle.plan import EVALUATE, TRAIN, plan_runs, read_workflow
from scripts.studies.other_bundle.report_record import ONE_RATE, bundle_record
from scripts.studies.report.rates import rates_in_words
from scripts.studies.report.record import StudyRecord
from scripts.studies.terms import Terms
from tests.studies.other_bundle.zoo_bundle import CASES, study_config, write_bundle, write_volumes
from tests.workflows import CONFIGS

pytestmark = pytest.mark.filterwarnings("ignore")  # of MONAI's, about configurations that are code
DFL = {"_target_": "dual_focal_loss.losses.DualFocalLoss"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle")
    write_volumes(tmp_path / "data")
    return tmp_path


def config(folder: Path, **changes: Any) -> dict[str, Any]:
    return {**study_config(folder / "bundle", folder / "data", folder / "study"), **changes}


def change(folder: Path, name: str, edit: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "bundle" / "configs" / f"{name}.json"
    given = json.loads(path.read_text())
    edit(given)
    path.write_text(json.dumps(given))


def saver(given: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = given["validate#handlers"][1]
    return found


def test_each_condition_fold_and_repeat_is_a_run_with_a_seed_that_conditions_share(folder: Path) -> None:
    study = read_bundle_study(config(folder, repeats=2))
    runs = plan_runs(study)
    assert len(runs) == 2 * 3 * 2
    assert study.score == ("val_mean_dice", "mean")
    seeds = {(run.repeat, run.fold): run.overrides["seed"] for run in runs}
    assert len(set(seeds.values())) == len(seeds) == 6
    assert all(run.overrides["seed"] == seeds[run.repeat, run.fold] for run in runs)
    own, ours = runs[:2]
    assert "loss" not in read_workflow(TRAIN, own.overrides).settings
    assert read_workflow(TRAIN, ours.overrides).settings["loss"] == DFL
    assert read_workflow(EVALUATE, own.overrides).files == ("configs/train.json", "configs/evaluate.json")


def test_the_shipped_file_takes_any_bundle_with_the_standard_ids(folder: Path) -> None:
    shipped = ConfigParser.load_config_file(CONFIGS / "bundle_study.yaml")
    study = read_bundle_study({**shipped, "bundle": str(folder / "bundle")})
    assert [condition.name for condition in study.conditions] == ["own", "CE", "DFL"]
    assert study.same_cases
    assert len(plan_runs(study)) == 9
    losses = [condition.settings["loss"]["_target_"] for condition in study.conditions[1:]]
    assert all(hasattr(scripts.losses, loss.removeprefix("dual_focal_loss.losses.")) for loss in losses)


def test_a_changed_bundle_makes_other_runs(folder: Path) -> None:
    before = read_bundle_study(config(folder)).bundle_sha256
    assert read_bundle_study(config(folder)).bundle_sha256 == before
    change(folder, "train", lambda given: given.update(epochs=3))
    assert read_bundle_study(config(folder)).bundle_sha256 != before


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bundle": None}, "bundle must name the folder"),
        ({"bundle": "/nowhere/at/all"}, "/nowhere/at/all is no bundle"),
        ({"settings": {"epoch": 3}}, "the bundle has no key 'epoch'; did you mean epochs?"),
        ({"settings": {"optimizer::rate": 3}}, "no key 'optimizer::rate'"),
        ({"settings": {"bundle_root": "/tmp"}}, "may not hold bundle_root"),
        ({"settings": {"class_weight": 1}}, "no key 'class_weight'"),
        ({"factors": {"los": {"a": DFL, "b": {}}}}, "no key 'los'; did you mean loss?"),
        ({"factors": {"loss": {"DFL": DFL}}}, "at least two"),
        ({"folds": 3}, "folds must be 1 or a list of overrides"),
        ({"folds": [{"image": "$[]"}]}, "folds::0: the bundle has no key 'image'; did you mean images?"),
        ({"score": "val_iou"}, "saves for every case, val_mean_dice, got val_iou"),
        ({"scores": "val_iou"}, "unknown key 'scores' of the study file of another bundle: did you mean score?"),
        ({"train": {"run_id": "training"}}, "no id 'training'"),
        ({"train": {"files": []}}, "train::files must be a list of files"),
        ({"train": {"settings": [1]}}, "train::settings must hold overrides of the bundle's keys, got [1]"),
        ({"bundle": "a\0b"}, "bundle must be a path, got"),
        ({"question": ["a"]}, "question must be a text, got ['a']"),
        ({"output_dir": ""}, "output_dir must be a path, got ''"),
        ({"factors": {"loss": {"own": {}, "again": {"epochs": 2}}}}, "own and again differ in nothing but their names"),
        ({"factors": {"epochs": {"a": 4, "b": 4.0}}}, "conditions a and b differ in nothing but their names"),
        ({"evaluate": {"files": ["configs/test.json"]}}, "no configs/test.json in the bundle"),
    ],
)
def test_what_can_not_be_run_is_refused_in_one_line(folder: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as caught:
        read_bundle_study(config(folder, **changes))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (folder / "study").exists()


@pytest.mark.parametrize(
    ("name", "edit", "told"),
    [
        ("train", lambda given: given.pop("run"), "no id 'run'"),
        ("train", lambda given: given["train"].pop("trainer"), "no id 'train::trainer'"),
        ("evaluate", lambda given: saver(given).pop("metric_details"), "no MetricsSaver"),
        ("evaluate", lambda given: saver(given).update(_disabled_=True), "no MetricsSaver"),
        ("evaluate", lambda given: saver(given).pop("batch_transform"), "does not say which case"),
    ],
)
def test_a_bundle_without_what_a_study_needs_is_refused(
    folder: Path, name: str, edit: Callable[[dict[str, Any]], Any], told: str
) -> None:
    change(folder, name, edit)
    with pytest.raises(UserError, match=told):
        read_bundle_study(config(folder))


def test_a_new_argument_of_a_class_and_a_key_that_others_refer_to_are_taken(folder: Path) -> None:
    weighted = {"class_weight": {"_target_": "torch.nn.Identity"}, "network": "$@class_weight"}
    settings = {"loss::lambda_dice": 0.5, "optimizer::weight_decay": 0.1, "train::handlers::0::_disabled_": True}
    study = read_bundle_study(config(folder, settings=settings, factors={"own": {"a": {}, "b": weighted}}))
    assert [condition.name for condition in study.conditions] == ["a", "b"]
    with pytest.raises(UserError, match="no key 'loss::lamda_dice'"):
        read_bundle_study(config(folder, settings={"loss::lamda_dice": 0.5}))


def test_conditions_that_test_different_cases_are_refused(folder: Path) -> None:
    fewer = "$sorted(glob.glob(@dataset_dir + '/imagesTr/*.nii.gz'))[1:-1]"
    labels = fewer.replace("images", "labels")
    factors = {"cases": {"all": {}, "fewer": {"images": fewer, "labels": labels}}}
    with pytest.raises(UserError, match="conditions all and fewer test different cases, such as .*part the cases by"):
        look(folder, factors=factors, folds=1)


def look(folder: Path, **changes: Any) -> dict[str, Any]:
    study = read_bundle_study(config(folder, **changes))
    facts = check_plan([run.record() for run in plan_runs(study)])
    assert not (folder / "study").exists()
    return facts


def monai_loss(**arguments: Any) -> dict[str, Any]:
    return {"loss": {"own": {}, "other": {"_target_": "monai.losses.DiceLoss", **arguments}}}


def test_a_look_before_the_first_run_finds_every_case_once(folder: Path) -> None:
    assert look(folder, factors=monai_loss()) == {"cases": CASES}
    weights = (folder / "bundle" / "models" / "model.pt").read_bytes()
    assert weights == b"the weights that it was handed out with"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"factors": monai_loss(softmacks=True)}, "condition other, repeat 1, fold 0: .*softmacks"),
        ({"factors": monai_loss(), "settings": {"dataset_dir": "/nowhere"}}, "train::dataset::data holds no cases"),
        ({"factors": monai_loss(), "folds": [{}, {}]}, "folds 0 and 1 both test .*spleen_4"),
        (
            {"factors": monai_loss(), "folds": 1, "settings": {"validate::dataset::data": "@train::dataset::data"}},
            "cases that are tested are trained on too",
        ),
        ({"factors": monai_loss(), "settings": {"ckpt_dir": "/tmp"}}, "writes into /tmp, which all runs would share"),
    ],
)
def test_what_would_fail_or_deceive_later_is_refused_before_the_first_run(
    folder: Path, changes: dict[str, Any], told: str
) -> None:
    settings = {"dataset_dir": str(folder / "data"), **changes.pop("settings", {})}
    with pytest.raises(UserError, match=told):
        look(folder, settings=settings, **changes)


def record_of(folder: Path, **changes: Any) -> StudyRecord:
    return bundle_record(read_bundle_study(config(folder, **changes)), [], "study.yaml", [])


def test_a_report_speaks_of_the_bundles_cases_and_of_what_is_compared(folder: Path) -> None:
    record = record_of(folder)
    assert record.terms == Terms("loss", "case", losses_differ=True)
    assert (record.settings["learning rate"], "loss" in record.settings) == ("0.01", False)
    assert ONE_RATE in record.notes
    networks = record_of(folder, factors={"network_def": {"own": {}, "wide": {"network_def::channels": [8, 16]}}})
    assert networks.terms == Terms("network", "case")
    assert networks.settings["loss"] == "DiceCELoss"


@pytest.mark.parametrize("key", ["optimizer::lr", "optimizer", "rate"])
def test_a_learning_rate_that_is_compared_is_not_said_to_be_the_same_for_all(folder: Path, key: str) -> None:
    levels: dict[str, Any] = {"own": {}, "high": 0.1}
    if key == "optimizer":
        levels["high"] = {"_target_": "torch.optim.SGD", "params": "$@network.parameters()", "lr": 0.1}
    if key == "rate":
        change(folder, "train", lambda given: given.update(rate=0.01, optimizer={**given["optimizer"], "lr": "@rate"}))
    record = record_of(folder, factors={key: levels})
    assert record.terms.thing == ("optimiser" if key == "optimizer" else "condition")
    assert "learning rate" not in record.settings
    assert ONE_RATE not in record.notes
    assert rates_in_words(record) == "the learning rate is part of what is compared"
