from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.configuration.error_report import user_message
from scripts.configuration.keys import refuse_unknown_keys, refuse_unknown_workflow, refuse_unread_keys
from scripts.errors import UserError
from tests.workflows import CONFIGS, make_workflow

BASE = yaml.safe_load((CONFIGS / "train.yaml").read_text())


def test_a_misspelt_override_is_refused_with_the_nearest_key() -> None:
    config = {"max_epochs": 3, "max_epoch": 1, "evaluator": {"epochs": "@max_epochs"}}
    with pytest.raises(ValueError, match="unknown key or override 'max_epoch': .*did you mean max_epochs"):
        refuse_unknown_keys(config)


def test_a_key_of_the_users_own_is_known_once_something_refers_to_it() -> None:
    refuse_unknown_keys({"mine": 1, "evaluator": ["$@mine + 1"]})
    with pytest.raises(ValueError, match="'mine'"):
        refuse_unknown_keys({"mine": "@mine", "evaluator": []})


def test_what_resembles_nothing_is_answered_with_the_known_keys() -> None:
    with pytest.raises(ValueError, match="'zzz': .*known keys: .*evaluator"):
        refuse_unknown_keys({"zzz": 1, "evaluator": {}})


@pytest.mark.parametrize(
    ("key", "config", "said"),
    [
        ("part", {"train": {}, "imports": []}, "it is a key of configs/evaluate.yaml and configs/compare.yaml"),
        ("max_epochs", {"evaluator": {}}, "it is a key of configs/train.yaml"),
        ("hours", {"train": {}}, "it is a key of configs/study_which_loss.yaml"),
        ("import", {"evaluator": {}, "imports": [], "initialize": []}, "known keys: evaluator"),
    ],
)
def test_a_key_of_another_workflow_is_named_as_that(key: str, config: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=f"unknown key or override '{key}'") as error:
        refuse_unknown_keys({key: "test", **config})
    assert str(error.value).endswith(said)


@pytest.mark.parametrize(
    ("file", "run_id", "key", "said"),
    [
        ("train.yaml", "training", "run", "the option is --run_name"),
        ("train.yaml", "training", "training", "leave --training away"),
        ("evaluate.yaml", "evaluating", "run", "the option is --run_name"),
        ("inference.yaml", "run", "run", "the option is --run_name"),
        ("publish.yaml", "publishing", "run", "the option is --run_name"),
        ("export.yaml", "exporting", "run", "the option is --run_name"),
        ("compare.yaml", "comparing", "run", "the option is --runs"),
        ("report.yaml", "reporting", "reporting", "leave --reporting away"),
    ],
)
@pytest.mark.parametrize("value", ["a_run", 7, True, ["ce", "dfl"]])
def test_a_word_in_the_place_of_a_workflow_is_refused(
    tmp_path: Path, file: str, run_id: str, key: str, said: str, value: Any
) -> None:
    places = {} if file == "inference.yaml" else {"output_dir": str(tmp_path)}
    if file == "evaluate.yaml":
        (tmp_path / "latest").mkdir()
        (tmp_path / "latest" / "config.yaml").write_text((CONFIGS / "train.yaml").read_text())
    with pytest.raises(RuntimeError) as error:
        make_workflow(file, run_id=run_id, **places, **{key: value}).initialize()
    assert str(error.value.__cause__) == (
        f"{key} is what the command does and can't be {value!r}, or nothing would be done; {said}"
    )


def test_every_key_of_train_yaml_is_known_in_a_training() -> None:
    refuse_unknown_keys({"train": {}, "class_weight": None, "lr_scheduler": None})


@pytest.mark.parametrize(
    ("run_id", "said"),
    [("train", "did you mean training?"), ("trainig", "did you mean training?"), ("network_def", "workflows here: ")],
)
def test_a_workflow_that_does_not_exist_is_refused_with_the_nearest(run_id: str, said: str) -> None:
    with pytest.raises(UserError, match=f"there is no workflow '{run_id}'") as info:
        refuse_unknown_workflow(run_id, BASE)
    assert said in str(info.value)


@pytest.mark.parametrize("run_id", ["run", "training", "check", "describe", "sync", "my_own"])
def test_a_workflow_that_exists_is_run(run_id: str) -> None:
    refuse_unknown_workflow(run_id, {**BASE, "my_own": ["$print(1)"]})


@pytest.mark.parametrize(
    ("file", "run_id", "said"),
    [
        ("evaluate.yaml", "evaluate", "did you mean evaluating?"),
        ("evaluate.yaml", "training", "workflows here: evaluating, run"),
        ("compare.yaml", "compare", "did you mean comparing?"),
        ("inference.yaml", "inference", "workflows here: run"),
        ("publish.yaml", "publish", "did you mean publishing?"),
        ("export.yaml", "export", "did you mean exporting?"),
        ("report.yaml", "report", "did you mean reporting?"),
    ],
)
def test_every_file_refuses_a_workflow_that_it_has_not(file: str, run_id: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "config.yaml").write_text(yaml.safe_dump(BASE))
    run = {"run_name": "one"} if file == "evaluate.yaml" else {}
    with pytest.raises((RuntimeError, ValueError)) as info:
        make_workflow(file, run_id=run_id, bundle_root=str(tmp_path), **run).initialize()
    assert said in str(user_message(info.value))


def test_a_value_that_nothing_reads_any_more_is_refused() -> None:
    base = {"decay": 0.0, "rate": 0.1, "optimizer": {"decay": "@decay", "rate": "@rate"}}
    own = {**base, "optimizer": {"rate": "@rate"}}
    with pytest.raises(UserError, match="decay is 0.5, but nothing in the configuration reads it; .*take @decay"):
        refuse_unread_keys({**own, "decay": 0.5}, base)
    refuse_unread_keys(own, base)  # nobody has asked for it
    refuse_unread_keys({**base, "decay": 0.5}, base)
    refuse_unread_keys(BASE, BASE)
