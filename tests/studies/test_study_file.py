from __future__ import annotations

import re
import shlex
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from monai.bundle import ConfigParser, ConfigWorkflow

from scripts.configuration.error_report import user_message
from scripts.errors import UserError
from scripts.studies.blocks import all_runs
from scripts.studies.check_conditions import check_conditions
from scripts.studies.factors import base_config
from scripts.studies.grid import PlannedRun, plan_repeats, plan_tuning
from scripts.studies.paper_rows import paper_rows
from scripts.studies.status import refuse_other_run
from scripts.studies.study_file import read_study
from tests.processes import end, run_command_line, start_one
from tests.studies.tiny_study import COMMANDS, tiny_config, tiny_study
from tests.workflows import CONFIGS, ROOT

SHIPPED = sorted(CONFIGS.glob("study_*.yaml"))


def shipped(name: str, **changes: Any) -> Any:
    return read_study({**ConfigParser.load_config_file(CONFIGS / f"study_{name}.yaml"), **changes})


def test_the_demonstration_the_race_and_the_papers_tables_are_shipped() -> None:
    names = {path.stem for path in SHIPPED}
    assert names == {"study_demo", "study_which_loss", *(f"study_table{n}" for n in range(2, 8))}


def test_the_pages_example_is_a_study_and_needs_the_keys_that_it_says() -> None:
    page = (ROOT / "docs" / "studies.md").read_text()
    block = page.partition("## The study file\n")[2].partition("\n\n`study`, `factors`, `tune` and either")[0]
    example = yaml.safe_load(textwrap.dedent(block))
    shipped_one = ConfigParser.load_config_file(CONFIGS / "study_demo.yaml")
    entries = ("studying", "planning", "reporting")
    assert {key: example[key] for key in entries} == {key: shipped_one[key] for key in entries}
    assert len(read_study(example).conditions) == 4
    needed = {}
    for key in set(example) - set(entries):
        try:
            read_study({name: value for name, value in example.items() if name != key})
        except UserError as error:
            needed[key] = str(error)
    assert set(needed) == {"study", "factors", "tune", "repeats"}
    without = {name: value for name, value in example.items() if name != "repeats"}
    assert read_study({**without, "hours": 5}).hours == 5


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_study_can_be_planned(path: Path) -> None:
    study = read_study(ConfigParser.load_config_file(path))
    runs = all_runs(study)
    assert len({run.name for run in runs}) == len(runs) > 5
    assert study.output_dir == (Path.cwd() / "runs" / "studies" / study.name)
    for run in runs:
        known = base_config(run.files)
        assert {key.split("::")[0] for key in run.overrides} <= set(known)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"repeat": 3}, "unknown key 'repeat' of a study file: did you mean repeats?"),
    "no name": ({"study": None}, "study must name the study by letters"),
    "name that is a path": ({"study": "../x"}, "study must name the study by letters"),
    "unknown kind of part": ({"parts": {"model": "unet"}}, "unknown kind of part 'model': parts are of data, network"),
    "a setting of the runs": ({"max_epochs": 3}, "unknown key 'max_epochs' .* give it as --settings::max_epochs"),
    "unknown part": ({"factors": {"loss": ["ce", "adlf"]}}, "unknown loss part 'adlf': did you mean adfl?"),
    "unknown fixed part": ({"parts": {"network": "unett"}}, "unknown network part 'unett': did you mean unet?"),
    "no factor": ({"factors": None}, "factors must say what is compared"),
    "empty factor": ({"factors": {"loss": []}}, "factor loss has no levels"),
    "one condition": ({"factors": {"loss": ["ce"]}}, "factors give the one condition ce; a comparison needs"),
    "a level twice": ({"factors": {"loss": ["ce", "ce"]}}, "factor loss has a level twice"),
    "unknown factor": (
        {"factors": {"batchsize": [2, 4]}},
        "unknown key 'batchsize' in factors: did you mean batch_siz",
    ),
    "data as a factor": ({"factors": {"data": ["trus", "camvid"]}}, "data is no factor"),
    "equal folders": ({"factors": {"loss": {"a b": "ce", "a-b": "fl"}}}, "would share run folders"),
    "unknown setting": (
        {"settings": {"max_epoch": 2}},
        "unknown key 'max_epoch' in settings: did you mean max_epochs?",
    ),
    "the study's own key": ({"settings": {"seed": 2}}, "settings may not hold seed: the study sets seed itself"),
    "a fold too many": ({"folds": {"number": 5, "run": 6}}, "folds::run must be a whole number, 1 to 5, got 6"),
    "two folds": ({"folds": 2}, "folds must be 3 or more"),
    "no repeat": ({"repeats": 0}, "repeats must be a whole number, 1 to 100, got 0"),
    "score": ({"score": "dise"}, "score must be one of dice, iou, original/dice, .* got 'dise'"),
    "size as a factor": (
        {"factors": {"image_size": [96, 224]}},
        "image_size is a factor, so each condition would be scored on pixels of its own; set score: original/dice,",
    ),
    "spacing in a level": (
        {"factors": {"loss": {"a": "ce", "b": {"loss": "ce", "pixel_spacing": 0.6}}}, "score": "iou/prostate"},
        "pixel_spacing is a factor, .* set score: original/iou/prostate,",
    ),
    "score of no label": ({"score": "dice/tumour"}, "score must be one of .*dice/prostate.* got 'dice/tumour'"),
    "precision auto": (
        {"settings": {"precision": "auto"}},
        "settings: precision auto may come to another precision on each machine, .*; set float32, bfloat16 or float16",
    ),
    "precision auto in a level": (
        {"factors": {"precision": ["auto", "float32"]}, "parts": {"loss": "ce"}},
        "factors: auto: precision auto may come to another precision on each machine",
    ),
    "margin": ({"margin": 0}, "margin must be a number above 0 and below 1, got 0"),
    "margin in percent": ({"margin": 1.0}, "margin must be a number above 0 and below 1, got 1.0"),
    "reference": ({"reference": "wce"}, "reference must be one of the conditions ce, adfl, got 'wce'"),
    "tune left open": ({"tune": None}, "tune is missing; write tune: true .* or tune: false"),
    "tune as a word": ({"tune": "yes"}, "tune is 'yes'; write tune: true .* or tune: false"),
    "tuned and set": ({"tune": True, "factors": {"learning_rate": [0.1, 0.2]}}, "tune chooses the learning rate"),
    "race with repeats": ({"hours": 2}, "hours makes the study a race, .* leave repeats away"),
    "no hours": ({"hours": -1, "repeats": None}, "hours must be a number above 0, got -1"),
    "margin that is no number": ({"margin": float("nan")}, "margin must be a number above 0 and below 1, got nan"),
    "hours without end": ({"hours": float("inf"), "repeats": None}, "hours must be a number above 0, got inf"),
    "a level under two names": (
        {"factors": {"loss": {"a": "ce", "b": {"loss": "ce", "max_epochs": 2}}}},
        "conditions a and b differ in nothing but their names",
    ),
    "a level under two names, by a place": (
        {"factors": {"loss": {"a": "fl", "b": {"loss": "fl", "loss::gamma": 2.0}}}},
        "conditions a and b differ in nothing but their names",
    ),
    "a level that another factor undoes": (
        {"factors": {"loss": {"a": {"loss": "ce", "learning_rate": 0.1}, "b": "fl"}, "learning_rate": [0.1, 0.2]}},
        "factors loss and learning_rate both set learning_rate",
    ),
    "a part that another factor undoes": (
        {"factors": {"loss": {"a": {"loss": "ce", "optimizer": "sgdm"}, "b": "fl"}, "optimizer": ["adam", "sgdm"]}},
        "factors loss and optimizer both set optimizer",
    ),
    "a number and its text": ({"factors": {"loss": {1: "ce", "1": "fl", "b": "dfl"}}}, "has a level twice: 1, 1, b"),
    "a name that no folder can have": ({"factors": {"loss": {"ä": "ce", "b": "fl"}}}, "can't name its runs' folders"),
    "a name without end": ({"factors": {"loss": {"n" * 200: "ce", "b": "fl"}}}, "can't name its runs' folders"),
    "a name in two lines": ({"factors": {"loss": {"a\nb": "ce", "b": "fl"}}}, "give it a name that can be read"),
    "no name for a level": ({"factors": {"loss": {" ": "ce", "b": "fl"}}}, "give it a name that can be read"),
    "classes as a factor": (
        {"factors": {"include_background": [True, False]}},
        "include_background is a factor, but decides which cases, classes or pixels are scored",
    ),
    "cases as a factor": (
        {"factors": {"cases::num_cases": [6, 9]}},
        "cases::num_cases is a factor, but decides which cases, classes or pixels are scored",
    ),
    "pixels by a place": (
        {"factors": {"data_settings::image_size": [32, 48]}},
        "data_settings::image_size is a factor, but decides which cases",
    ),
    "data in a level": (
        {"factors": {"loss": {"a": "ce", "b": {"loss": "ce", "data": "trus"}}}},
        "data is no factor",
    ),
    "leaky by a place": (
        {"settings": {"data_settings::split_unit": "image_leaky"}},
        "settings may not hold data_settings::split_unit: it takes @split_unit, which the study sets itself",
    ),
    "one seed by a place": (
        {"factors": {"loss": {"a": "ce", "b": {"loss": "fl", "train::sampler::seed": 1}}}},
        "may not hold train::sampler::seed: it takes @seed",
    ),
    "a section without the seed": (
        {"settings": {"initialize": []}},
        "settings may not hold initialize: it takes @seed",
    ),
    "no such place": ({"settings": {"max_epochs::x": 2}}, "settings: there is no place max_epochs::x"),
    "a part of another kind": (
        {"parts": {"network": str(CONFIGS / "loss_ce.yaml")}},
        "loss_ce.yaml is no network part: it sets none of network, network_def, network_name",
    ),
    "rate that can't be tuned": (
        {"tune": True, "settings": {"learning_rate": None}},
        "tune tries thirds and triples of learning_rate, which must be a number, got None",
    ),
    "score of labels in settings": (
        {"settings": {"labels": ["background", "gland"]}, "score": "dice/prostate"},
        "score must be one of .*dice/gland.* got 'dice/prostate'",
    ),
    "score of nothing": ({"score": "dice/"}, "score must be one of .* got 'dice/'"),
    "two folds of which one is run": ({"folds": {"number": 2, "run": 1}}, "folds must be 3 or more"),
    "question": ({"question": ["a", "b"]}, "question must be a text, got .*; put it in quotes"),
    "unit in two lines": ({"unit": "a\nb"}, "unit must be a noun in the singular"),
    "name without end": ({"study": "n" * 300}, "study must have at most 100 characters, got 300"),
    "output_dir": ({"output_dir": 20241124}, "output_dir must be a path, got 20241124"),
    "no output_dir": ({"output_dir": " "}, "output_dir must be a path, got ' '"),
    "saved_runs": ({"saved_runs": True}, "saved_runs must be a path, got True"),
    "saved_runs in a file": ({"saved_runs": "/etc/passwd"}, "saved_runs /etc/passwd can't be made: .* is a file"),
    "commands without a file": ({"commands": True}, "commands must be a path, got True"),
    "dataset_dir": ({"dataset_dir": ["a"]}, "dataset_dir must be a path, got"),
    "time that YAML reads as a number": (
        {"slurm": yaml.safe_load("time: 12:00:00")},
        "slurm::time must be .*got 43200",
    ),
    "line break for Slurm": ({"slurm": {"partition": "a\n#SBATCH --x"}}, "slurm::partition must be a text of one line"),
    "options of Slurm in one text": ({"slurm": {"options": "--x"}}, "slurm::options must be a list such as"),
    "no task at once": ({"slurm": {"at_once": 0}}, "slurm::at_once must be a whole number, 1 to 100000, got 0"),
    "half a GPU": ({"slurm": {"gpus": 0.5}}, "slurm::gpus must be a whole number, 0 to 1000, got 0.5"),
    "follow": ({"slurm": {"follow": "no"}}, "slurm::follow must be true or false, got 'no'"),
    "jobs": ({"jobs": 0}, "jobs must be a whole number, 1 to 1000, got 0"),
    "protocol": ({"protocol": "random"}, "protocol must be one of whole_patients, random_images_leaky"),
    "slurm": ({"slurm": {"tme": "1:00"}}, "unknown key 'tme' of slurm: did you mean time?"),
    "paper_table": ({"paper_table": 8}, "paper_table must be a whole number, 2 to 7, got 8"),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_a_wrong_study_file_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    changes, message = WRONG[case]
    with pytest.raises(ValueError, match=message) as error:
        read_study(tiny_config(tmp_path, **changes))
    assert user_message(error.value) == str(error.value)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    "content", ["", "[1, 2]\n", "loss: [\n", "loss: {a: 1, a: 2}\n", "loss_name: a\nloss_name: b\n"]
)
def test_a_part_that_holds_no_keys_or_one_twice_is_refused_by_name(tmp_path: Path, content: str) -> None:
    part = tmp_path / "loss_own.yaml"
    part.write_text(content)
    with pytest.raises(
        UserError, match="loss_own.yaml (holds no keys|can't be read|has the key '(a|loss_name)' twice)"
    ):
        read_study(tiny_config(tmp_path, factors={"loss": ["ce", str(part)]}))


@pytest.mark.parametrize(
    ("factors", "reference", "name"),
    [({"batch_size": [2, 4]}, 2, "2"), ({"learning_rate": [0.001, 0.01]}, 1e-3, "0.001"),
     ({"augmentation": [True, False]}, False, "False")],
)  # fmt: skip
def test_a_reference_is_found_by_the_value_that_its_level_is_named_by(
    tmp_path: Path, factors: dict[str, Any], reference: Any, name: str
) -> None:
    assert tiny_study(tmp_path, factors=factors, reference=reference).reference == name


def test_one_fold_takes_the_data_sets_own_parts(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, folds=1, repeats=2)
    assert {(run.fold, run.overrides.get("num_folds")) for run in plan_repeats(study, [1, 2])} == {(0, None)}
    check_conditions(study, prepare=False)
    with pytest.raises(UserError, match="folds is 1, which asks for parts of the data set's own, and phantom has none"):
        check_conditions(study)


def test_two_hundred_runs_are_planned_alike_each_time_in_seconds(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, repeats=10, folds=5, factors={"loss": ["ce", "fl"], "batch_size": [2, 4]})
    start = time.process_time()
    runs = all_runs(read_study(config))
    assert time.process_time() - start < 20  # less than one; the limit is for slow machines
    assert len(runs) == len({run.name for run in runs}) == 200
    assert runs == all_runs(read_study(config))


def by_place(runs: list[PlannedRun]) -> dict[tuple[int, int], list[PlannedRun]]:
    found: dict[tuple[int, int], list[PlannedRun]] = {}
    for run in runs:
        found.setdefault((run.repeat, run.fold), []).append(run)
    return found


def test_partition_weights_and_order_are_new_in_each_repeat_and_the_same_for_every_condition(tmp_path: Path) -> None:
    places = by_place(plan_repeats(tiny_study(tmp_path, repeats=3), [1, 2, 3]))
    assert sorted(places) == [(repeat, fold) for repeat in (1, 2, 3) for fold in (0, 1, 2)]
    seeds = set()
    for (repeat, fold), runs in places.items():
        assert [run.condition for run in runs] == ["ce", "adfl"]
        shared = {(o["split_seed"], o["seed"], o["fold"], o["num_folds"]) for o in (run.overrides for run in runs)}
        ((split_seed, seed, own_fold, num_folds),) = shared
        assert (split_seed, own_fold, num_folds) == (repeat, fold, 3)
        seeds.add(seed)
    assert len(seeds) == 9


def test_levels_are_crossed_and_may_set_several_keys(tmp_path: Path) -> None:
    factors = {"loss": {"CE": "ce", "mine": {"loss": "fl", "learning_rate": 0.01}}, "batch_size": [2, 4]}
    study = tiny_study(tmp_path, factors=factors)
    assert [condition.name for condition in study.conditions] == ["CE+2", "CE+4", "mine+2", "mine+4"]
    run = plan_repeats(study, [1], conditions=["mine+4"])[0]
    assert run.name == "mine-4-r1-f0"
    assert Path(run.files[-1]).name == "loss_fl.yaml"
    assert (run.overrides["learning_rate"], run.overrides["batch_size"]) == (0.01, 4)


def test_tuning_tries_a_third_once_and_three_times_the_rate(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, tune=True, factors={"loss": {"CE": "ce", "FL": "fl"}})
    runs = plan_tuning(study)
    rates = [(run.condition, round(run.learning_rate or 0, 7)) for run in runs]
    assert rates == [(name, rate) for name in ("CE", "FL") for rate in (0.0001667, 0.0005, 0.0015)]
    losses = {"loss": {"CE": "ce", "FL": {"loss": "fl", "learning_rate": 0.3}}}
    own = plan_tuning(tiny_study(tmp_path, tune=True, factors=losses, settings={"learning_rate": 0.003}))
    assert [run.learning_rate for run in own] == pytest.approx([0.001, 0.003, 0.009, 0.1, 0.3, 0.9])
    assert {(run.repeat, run.fold, run.overrides["split_seed"]) for run in runs} == {(0, 0, 0)}
    assert {run.repeat for run in plan_repeats(study, range(1, 3))} == {1, 2}


def test_where_a_study_runs_is_no_part_of_its_hash(tmp_path: Path) -> None:
    study = tiny_study(tmp_path)
    assert tiny_study(tmp_path, jobs=8, output_dir=str(tmp_path / "b"), slurm=True).sha256 == study.sha256
    assert tiny_study(tmp_path, margin=0.02).sha256 != study.sha256


def test_the_leaky_protocol_is_a_study_of_its_own(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, protocol="random_images_leaky")
    assert (study.name, study.leaky, study.num_folds, study.run_folds) == ("tiny-random_images_leaky", True, 20, 3)
    assert {run.overrides["split_unit"] for run in plan_repeats(study, [1])} == {"image_leaky"}
    study = tiny_study(tmp_path, protocol="random_images_leaky", folds={"number": 5, "run": 4})
    assert (study.num_folds, study.run_folds) == (5, 4)
    assert {run.overrides["split_unit"] for run in plan_repeats(tiny_study(tmp_path), [1])} == {"patient"}


@pytest.mark.parametrize(
    ("table", "conditions", "rows"), [(2, 12, 11), (3, 4, 4), (4, 8, 8), (5, 3, 3), (6, 2, 2), (7, 2, 2)]
)
def test_the_conditions_of_the_papers_tables_find_their_rows(table: int, conditions: int, rows: int) -> None:
    study = shipped(f"table{table}")  # FL with U-Net of Table 2 is missing in the print
    assert len(study.conditions) == conditions
    assert len(set(paper_rows(study).values())) == rows


def test_another_data_set_finds_its_own_rows() -> None:
    study = shipped("table5", study="table5-trus", parts={"data": "trus", "network": "deeplabv3plus"})
    assert paper_rows(study)["DFL with ACW"] == "DFL with ACW layer + TRUS"


def test_runs_compute_in_float32_unless_the_study_says_otherwise(tmp_path: Path) -> None:
    def precisions(**changes: Any) -> set[Any]:
        return {run.overrides["precision"] for run in all_runs(tiny_study(tmp_path, **changes))}

    assert precisions() == {"float32"}
    assert precisions(settings={"precision": "bfloat16"}) == {"bfloat16"}
    assert precisions(factors={"precision": ["float32", "bfloat16"]}) == {"float32", "bfloat16"}
    saved = all_runs(tiny_study(tmp_path))[0]
    record = saved.record() | {"overrides": {k: v for k, v in saved.overrides.items() if k != "precision"}}
    refuse_other_run(tmp_path / saved.name, record, saved)  # of a version that knew float32 alone
    other = replace(saved, overrides={**saved.overrides, "precision": "bfloat16"})
    with pytest.raises(UserError, match="was made with precision float32 and the study now says bfloat16"):
        refuse_other_run(tmp_path / saved.name, record, other)


def test_a_study_file_elsewhere_is_planned_without_complaint_where_the_bundles_own_files_are_named(
    tmp_path: Path,
) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**tiny_config(tmp_path), **COMMANDS}))
    (named,) = re.findall(r"`(--meta_file [^`]*)`", (ROOT / "docs" / "studies.md").read_text())
    assert f"SHARED := {named}\n" in (ROOT / "Makefile").read_text()
    words = ["run", "planning", "--config_file", str(path), *shlex.split(named)]
    codes = end([start_one(tmp_path / "log", run_command_line, words)])
    said = (tmp_path / "log").read_text()
    assert codes == [0], said
    assert "study tiny" in said
    assert not re.search("error|cannot find|not exist", said, re.IGNORECASE), said


@pytest.mark.parametrize("name", ["study_demo.yaml", "bundle_study.yaml"])
@pytest.mark.parametrize("run_id", ["studing", "settings", "check", "training"])
def test_what_is_no_command_of_a_study_file_is_refused(name: str, run_id: str) -> None:
    hint = "did you mean studying? " if run_id == "studing" else ""
    workflow = ConfigWorkflow(str(CONFIGS / name), run_id=run_id, logging_file=False)
    with pytest.raises(RuntimeError) as info:
        workflow.initialize()
    said = user_message(info.value) or ""
    assert said.startswith(f"there is no workflow '{run_id}'; {hint}")
    assert said.endswith("workflows here: studying, planning, reporting")


def test_every_study_file_checks_what_is_to_run() -> None:
    files = [*CONFIGS.glob("*study*.yaml"), *(ROOT / "docs" / "evidence").glob("*/study.yaml")]
    assert len(files) >= 20
    for file in files:
        assert yaml.safe_load(file.read_text())["initialize"] == COMMANDS["initialize"], file
