"""A training that was stopped and resumed gives the same bytes as one that never was."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.bundle import ConfigWorkflow

from scripts.configuration.error_report import user_message
from scripts.runs.checkpoint import load
from scripts.runs.resume import comparable, flatten, refuse_other_config, refuse_other_split
from scripts.runs.run_files import BEST, LAST
from scripts.runs.signals import EXIT_CODE
from scripts.tracking import read_curve, read_records
from tests.comparison_of_runs import assert_same_run, assert_same_state
from tests.workflows import make_workflow, tiny_overrides

PICTURES = "small"  # see tests/quicker.py

NETWORK = "network_def::_target_"
EPOCHS, LENGTH = 3, 3  # 12 training images in batches of 4


def start(folder: Path, **overrides: Any) -> ConfigWorkflow:
    """An initialised training of a tiny network with dropout and augmentation."""
    settings = {NETWORK: "tests.tiny_network.TinyNetwork", "max_epochs": EPOCHS, "augmentation": True, **overrides}
    settings["tracking_uri"] = f"sqlite:///{folder.parent / 'mlflow.db'}"  # one for all, as making one takes seconds
    settings["dataset_dir"] = str(folder.parent / "data")
    settings["data_settings::prepared_dir"] = str(folder.parent / "prepared")
    workflow = make_workflow("train.yaml", **tiny_overrides(folder, bundle_root=str(folder), **settings))
    workflow.initialize()
    return workflow


def finish(folder: Path, **overrides: Any) -> Path:
    """Train to the end; returns the run folder."""
    workflow = start(folder, **overrides)
    workflow.run()
    run_dir = workflow.parser.get_parsed_content("run_dir")
    assert isinstance(run_dir, Path)
    return run_dir


def stop_at(folder: Path, event: Any, engine: str = "train::trainer", **overrides: Any) -> Path:
    """Train until ``event`` of an engine, at which SIGTERM arrives; returns the run folder."""
    workflow = start(folder, **overrides)
    handlers = workflow.parser.get_parsed_content(engine)
    handlers.add_event_handler(event, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit) as info:
        workflow.run()
    assert info.value.code == EXIT_CODE == 75
    run_dir = workflow.parser.get_parsed_content("run_dir")
    assert isinstance(run_dir, Path)
    return run_dir


def losses(run_dir: Path) -> dict[int, float]:
    return read_curve(run_dir / "metrics.jsonl", "train/loss")


def recorded_twice(run_dir: Path) -> set[tuple[str, int]]:
    """Scores (not measurements of the machine) that have two values of one step."""
    records = [record for record, _ in read_records(run_dir / "metrics.jsonl") if "metrics" in record]
    counts = Counter((name, record["step"]) for record in records for name in record["metrics"])
    return {key for key, count in counts.items() if count > 1 and not key[0].startswith("system/")}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a training that was never stopped."""
    return finish(tmp_path_factory.mktemp("reference"))


def test_every_step_is_recorded_once(reference: Path) -> None:
    assert sorted(losses(reference)) == list(range(1, EPOCHS * LENGTH + 1))


@pytest.mark.parametrize("iteration", [1, 4, 5, 8])
def test_stopped_inside_an_epoch_it_goes_on_with_the_next_batch(
    reference: Path, tmp_path: Path, iteration: int
) -> None:
    stopped = stop_at(tmp_path, Events.ITERATION_STARTED(once=iteration))
    assert load(stopped / LAST)["progress"]["iteration"] == iteration
    resumed = finish(tmp_path, resume=True)
    assert resumed == stopped
    assert_same_run(resumed, reference)


def test_stopped_in_a_validation_it_repeats_the_validation_alone(reference: Path, tmp_path: Path) -> None:
    stopped = stop_at(tmp_path, Events.ITERATION_STARTED(once=1), engine="validate::evaluator")
    progress = load(stopped / LAST)["progress"]
    assert (progress["epoch"], progress["iteration"], progress["epoch_completed"]) == (1, LENGTH, False)
    assert_same_run(finish(tmp_path, resume=str(stopped)), reference)


def test_stopped_at_the_end_of_an_epoch(reference: Path, tmp_path: Path) -> None:
    stopped = stop_at(tmp_path, Events.COMPLETED, engine="validate::evaluator")
    assert load(stopped / LAST)["progress"]["epoch_completed"]
    assert_same_run(finish(tmp_path, resume=stopped.name), reference)


def test_stopped_at_every_iteration_by_the_clock(reference: Path, tmp_path: Path) -> None:
    for iteration in (2, 5, 7):
        workflow = start(tmp_path, checkpoint_interval=0, resume=True)
        trainer = workflow.parser.get_parsed_content("train::trainer")
        trainer.add_event_handler(Events.ITERATION_COMPLETED(once=iteration), _die)
        with pytest.raises(RuntimeError):
            workflow.run()
    assert_same_run(finish(tmp_path, resume=True), reference)


def test_epochs_that_are_kept_together_give_the_same_files_and_are_repeated_after_a_kill(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.runs.checkpoint_handler.SHARE", 1e9)
    workflow = start(tmp_path)
    trainer = workflow.parser.get_parsed_content("train::trainer")
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=2 * LENGTH + 1), _die)
    with pytest.raises(RuntimeError):
        workflow.run()
    run_dir = workflow.parser.get_parsed_content("run_dir")
    assert [load(run_dir / name)["progress"]["epoch"] for name in (BEST, LAST)] == [1, 1]  # the second was not kept
    assert_same_run(finish(tmp_path, resume=True), reference)


def test_a_stop_keeps_the_best_epoch_that_was_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.runs.checkpoint_handler.SHARE", 1e9)
    workflow = start(tmp_path)
    trainer, evaluator = (workflow.parser.get_parsed_content(key) for key in ("train::trainer", "validate::evaluator"))
    networks: dict[int, dict[str, Any]] = {}

    def make_second_best() -> None:
        evaluator.state.best_metric_epoch = 2
        networks[2] = {k: v.clone() for k, v in workflow.parser.get_parsed_content("network").state_dict().items()}

    evaluator.add_event_handler(Events.COMPLETED(once=2), make_second_best)
    trainer.add_event_handler(
        Events.ITERATION_STARTED(once=2 * LENGTH + 1), lambda: signal.raise_signal(signal.SIGTERM)
    )
    with pytest.raises(SystemExit):
        workflow.run()
    best = load(workflow.parser.get_parsed_content("run_dir") / BEST)
    assert best["progress"]["epoch"] == 2
    assert all(torch.equal(value, networks[2][name]) for name, value in best["network"].items())


def _die() -> None:
    raise RuntimeError("killed")


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_same_bytes(reference: Path, tmp_path: Path, workers: int) -> None:
    stop_at(tmp_path, Events.ITERATION_STARTED(once=4), num_workers=workers)
    assert_same_run(finish(tmp_path, num_workers=workers, resume=True), reference)


def test_a_training_in_bfloat16_with_channels_last_resumes_to_the_same_bytes(reference: Path, tmp_path: Path) -> None:
    mixed = {"precision": "bfloat16", "channels_last": True}
    whole = finish(tmp_path / "whole", **mixed)
    stop_at(tmp_path / "stopped", Events.ITERATION_STARTED(once=4), **mixed)
    assert_same_run(finish(tmp_path / "stopped", resume=True, **mixed), whole)
    assert losses(whole) != losses(reference)


def test_deterministic_algorithms_train_on_cpu(reference: Path, tmp_path: Path) -> None:
    try:
        run_dir = finish(tmp_path, deterministic_algorithms=True)
    finally:
        torch.use_deterministic_algorithms(False)
    assert losses(run_dir) == losses(reference)


def test_another_seed_gives_other_bytes(reference: Path, tmp_path: Path) -> None:
    assert losses(finish(tmp_path, seed=1)) != losses(reference)


def test_epochs_can_be_added_to_a_finished_run(reference: Path, tmp_path: Path) -> None:
    short = finish(tmp_path, max_epochs=2)
    assert finish(tmp_path, max_epochs=2, resume=True) == short  # nothing left to do
    assert sorted(losses(short)) == list(range(1, 2 * LENGTH + 1))
    assert recorded_twice(short) == set()
    assert_same_run(finish(tmp_path, max_epochs=EPOCHS, resume=True), reference)


def test_a_finished_run_can_keep_the_best_network_alone(reference: Path, tmp_path: Path) -> None:
    slim = finish(tmp_path, max_epochs=2, keep_checkpoints="slim")
    assert set(load(slim / LAST)) == {"progress", "random", "metadata"}
    assert (slim / LAST).stat().st_size < 20_000
    assert {"checkpoint_best.pt", "model.pt"} <= {path.name for path in slim.iterdir()}
    assert not (slim / "mlflow_model").exists()
    assert (reference / "mlflow_model").is_dir()
    before = losses(slim)
    message = _refusal(lambda: finish(tmp_path, max_epochs=EPOCHS, resume=True))
    assert message.startswith(f"{slim} can't go on to {EPOCHS} epochs: it was kept slim")
    assert "without the last network and the optimiser's state" in message
    assert "max_epochs: 2\n" in (slim / "config.yaml").read_text()
    assert finish(tmp_path, max_epochs=2, keep_checkpoints="slim", resume=True) == slim  # nothing left to do
    assert losses(slim) == before


def test_a_run_that_ended_early_stays_ended(tmp_path: Path) -> None:
    never_better = {"validate::evaluator::metric_cmp_fn": "$lambda score, best: False"}
    settings = {"early_stopping": 1, "max_epochs": 6, **never_better}
    run_dir = finish(tmp_path, **settings)
    before = losses(run_dir)
    assert sorted(before) == list(range(1, 2 * LENGTH + 1))
    assert finish(tmp_path, resume=True, **settings) == run_dir
    assert losses(run_dir) == before


def _refusal(call: Callable[[], Any]) -> str:
    with pytest.raises((RuntimeError, ValueError, FileNotFoundError)) as info:
        call()
    message = user_message(info.value)
    assert message is not None, repr(info.value)
    return message


def test_another_config_is_refused_with_the_differences(reference: Path, tmp_path: Path) -> None:
    stopped = stop_at(tmp_path, Events.ITERATION_STARTED(once=1))
    before = (stopped / "config.yaml").read_bytes(), load(stopped / LAST)
    message = _refusal(lambda: finish(tmp_path, resume=str(stopped), learning_rate=0.1, seed=2))
    assert f"{stopped} can't be resumed with another configuration" in message
    assert "learning_rate is 0.1 and was 0.0005" in message
    assert "seed is 2 and was 0" in message
    message = _refusal(lambda: finish(tmp_path, resume=str(stopped), fold=1))
    assert "fold is 1 and was 0" in message
    assert (stopped / "config.yaml").read_bytes() == before[0]
    assert_same_state(load(stopped / LAST), before[1])


def test_epochs_are_not_taken_away() -> None:
    run_dir = Path("r")
    refuse_other_config(run_dir, {"max_epochs": 2}, {"max_epochs": 3})
    with pytest.raises(ValueError, match="max_epochs of r was 3 and can't become 2, as it can be raised only"):
        refuse_other_config(run_dir, {"max_epochs": 3}, {"max_epochs": 2})
    reader = {"lr_scheduler": {"T_max": "@max_epochs"}}
    with pytest.raises(ValueError, match="can't become 4; it is read by lr_scheduler::T_max"):
        refuse_other_config(run_dir, {"max_epochs": 3, **reader}, {"max_epochs": 4, **reader})


def test_another_split_is_refused_by_case() -> None:
    before = {"fingerprint": "a" * 64, "sha256": "b", "cases": {"train": ["Case00", "Case01"], "val": ["Case02"]}}
    now = {"fingerprint": "a" * 64, "sha256": "c", "cases": {"train": ["Case00", "Case02"], "val": ["Case01"]}}
    with pytest.raises(ValueError, match="Case01 is not in the train part any more; Case02 is new in the train part"):
        refuse_other_split(Path("r"), before, now)
    with pytest.raises(ValueError, match="the prepared data have changed"):
        refuse_other_split(Path("r"), before, {**before, "fingerprint": "d" * 64})


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "no run to resume in none" in _refusal(lambda: finish(tmp_path, resume="none"))


def test_places_and_speed_may_differ() -> None:
    assert comparable({"output_dir": "a", "num_workers": 3, "seed": 1}) == {"seed": "1"}
    assert flatten({"a": [1, {"b": None}], "c": {}}) == {"a::0": "1", "a::1::b": "None", "c": "dict"}
