from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from scripts.configuration.error_report import user_message
from scripts.errors import UserError
from scripts.runs.checkpoint import flat_weights, save
from scripts.runs.publishing import describe_run, publish_run
from tests.tiny_network import TinyNetwork
from tests.workflows import CONFIGS, run_workflow


def make_run(folder: Path, name: str, num_classes: int = 2, **settings: Any) -> Path:
    """A run folder as a training leaves it, without the training."""
    run = folder / "runs" / name
    (run / "evaluation" / "test").mkdir(parents=True)
    config = yaml.safe_load((CONFIGS / "train.yaml").read_text())
    network = {"_target_": "tests.tiny_network.TinyNetwork", "in_channels": 1, "num_classes": "$len(@labels)"}
    labels = [f"class {number}" for number in range(num_classes)]
    config |= {"labels": labels, "network_def": network, "dataset_dir": "/hospital/Doe", **settings}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    (run / "split.json").write_text(json.dumps({"sha256": "5" * 64, "fingerprint": "f" * 64}))
    (run / "evaluation/test/summary.json").write_text(json.dumps({"scores": {"dice/mean": 0.8}}))
    save(TinyNetwork(1, num_classes).state_dict(), run / "model.pt")
    save({"progress": {"best": {"epoch": 3, "score": 0.75}}}, run / "checkpoint_best.pt")
    return run


def publish(folder: Path, **overrides: Any) -> None:
    run_workflow("publish.yaml", run_id="publishing", bundle_root=str(folder), **overrides)


def test_a_named_run_becomes_the_bundles_own_with_its_provenance_beside_it(tmp_path: Path) -> None:
    run = make_run(tmp_path, "first")
    publish(tmp_path, run_name="first")
    models = tmp_path / "models"
    assert (models / "model.pt").read_bytes() == (run / "model.pt").read_bytes()
    said = json.loads((models / "model.json").read_text())
    assert said["run"] == "first"
    assert said["sha256"] == hashlib.sha256((models / "model.pt").read_bytes()).hexdigest()
    assert (said["best_epoch"], said["validation_dice_mean"], said["test_scores"]) == (3, 0.75, {"dice/mean": 0.8})
    assert said["settings"]["labels"] == ["class 0", "class 1"]
    assert said["settings"]["image_size"] == 224
    assert said["split_sha256"] == "5" * 64
    assert "Doe" not in (models / "model.json").read_text()
    assert sorted(path.name for path in models.iterdir()) == ["model.json", "model.pt"]


def test_a_run_of_other_classes_replaces_it_since_it_is_named(tmp_path: Path) -> None:
    make_run(tmp_path, "two")
    make_run(tmp_path, "five", num_classes=5)
    publish(tmp_path, run_name="two")
    publish(tmp_path, run_name="five")
    assert len(json.loads((tmp_path / "models/model.json").read_text())["settings"]["labels"]) == 5
    assert torch.load(tmp_path / "models/model.pt", weights_only=True)["classifier.bias"].shape == (5,)


def test_without_a_name_nothing_is_published(tmp_path: Path) -> None:
    make_run(tmp_path, "first")
    with pytest.raises(RuntimeError) as info:
        publish(tmp_path)
    message = user_message(info.value) or ""
    assert "publishing needs the name of a run: --run_name NAME" in message
    assert message.endswith("first")
    assert not (tmp_path / "models").exists()


def test_what_is_no_whole_run_leaves_the_published_weights_alone(tmp_path: Path) -> None:
    publish_run(tmp_path / "runs", make_run(tmp_path, "good").name, tmp_path / "models")
    before = {path: path.read_bytes() for path in (tmp_path / "models").iterdir()}
    (make_run(tmp_path, "unvalidated") / "model.pt").unlink()
    broken = TinyNetwork().state_dict()
    broken["classifier.bias"][0] = float("nan")
    save(broken, make_run(tmp_path, "broken") / "model.pt")
    save(TinyNetwork(1, 5).state_dict(), make_run(tmp_path, "other") / "model.pt")
    reasons = {
        "unvalidated": "has no model.pt",
        "broken": "not finite",
        "other": "weights of another network",
        "none": "no run 'none'",
        "../runs/good": "plain folder name",
    }
    for name, reason in reasons.items():
        with pytest.raises((ValueError, FileNotFoundError), match=reason):
            publish_run(tmp_path / "runs", name, tmp_path / "models")
    assert {path: path.read_bytes() for path in (tmp_path / "models").iterdir()} == before


def test_weights_of_another_epoch_than_the_best_state_are_not_published(tmp_path: Path) -> None:
    run = make_run(tmp_path, "first")
    for epoch in (3, None):
        save(flat_weights(TinyNetwork(1, 2), None, epoch), run / "model.pt")
        publish_run(tmp_path / "runs", "first", tmp_path / "models")
    save(flat_weights(TinyNetwork(1, 2), None, 2), run / "model.pt")
    with pytest.raises(UserError, match=r"model\.pt is of epoch 2 and the checkpoint_best\.pt beside it of epoch 3"):
        publish_run(tmp_path / "runs", "first", tmp_path / "models")


def test_test_scores_of_other_weights_are_not_published_with_these(tmp_path: Path) -> None:
    run = make_run(tmp_path, "first")
    for best, reason in ((run / "checkpoint_best.pt", None), (run / "model.pt", "holds the scores of other weights")):
        with best.open("rb") as file:
            made = {"checkpoint_sha256": hashlib.file_digest(file, "sha256").hexdigest()}
        summary = {"scores": {"dice/mean": 0.8}, "computed_with": made}
        (run / "evaluation/test/summary.json").write_text(json.dumps(summary))
        if reason is None:
            publish_run(tmp_path / "runs", "first", tmp_path / "models")
        else:
            with pytest.raises(UserError, match=rf"{reason} .*; evaluate it again \(make evaluate RUN=first\)"):
                publish_run(tmp_path / "runs", "first", tmp_path / "models")


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null"])
@pytest.mark.parametrize("file", ["split.json", "evaluation/test/summary.json"])
def test_a_damaged_record_of_a_run_is_named_and_nothing_published(tmp_path: Path, file: str, content: str) -> None:
    (make_run(tmp_path, "first") / file).write_text(content)
    with pytest.raises(UserError, match=f"{file} is damaged: it can't be read; put the run's own file back"):
        publish_run(tmp_path / "runs", "first", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def odd(run: Path, what: str) -> None:
    """Put something that no training writes into a run."""
    best, model, config = (
        run / "checkpoint_best.pt",
        run / "model.pt",
        yaml.safe_load((run / "config.yaml").read_text()),
    )
    weights = torch.load(model, weights_only=True)
    settings: dict[str, Any] = {
        "one label": {"labels": ["prostate"]}, "equal labels": {"labels": ["a", "a"]}, "no labels": {"labels": None},
        "size": {"image_size": "big"}, "spacing": {"pixel_spacing": -1}, "channels": {"in_channels": 2},
        "network": {"network_def": "unet"}, "no network": {"network_def": {"_target_": "builtins.dict", "a": 1}},
    }  # fmt: skip
    states: dict[str, Any] = {
        "progress": {"progress": [1]}, "metadata": {"metadata": [1]}, "best": {"progress": {"best": 3}},
        "score": {"progress": {"best": {"epoch": 1, "score": "high"}}}, "epoch": {"progress": {"epoch": "x"}},
        "tensor": {"progress": {"best": {"epoch": 1, "score": torch.ones(1)}}},
        "nan": {"progress": {"best": {"epoch": 1, "score": float("nan")}}},
    }  # fmt: skip
    scores: dict[str, Any] = {
        "score 17": {"scores": {"dice/mean": 17.0}}, "score text": {"scores": {"dice/mean": "high"}},
        "score NaN": {"scores": {"hd95_mm/mean": float("nan")}}, "scores list": {"scores": [1]},
        "computed": {"scores": {}, "computed_with": 5},
    }  # fmt: skip
    kinds = {"whole": torch.int32, "complex": torch.complex64}
    if what in settings:
        (run / "config.yaml").write_text(yaml.safe_dump({**config, **settings[what]}))
    elif what in states:
        save(states[what], best)
    elif what in scores:
        (run / "evaluation/test/summary.json").write_text(json.dumps(scores[what]))
    elif what in kinds:
        save({k: v.to(kinds[what]) if v.is_floating_point() else v for k, v in weights.items()}, model)
    else:
        save({k: v.to_sparse() if v.dim() == 4 else v for k, v in weights.items()}, model)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("one label", "config.yaml is damaged: labels must be 2 to 256 different names"),
        ("equal labels", "config.yaml is damaged: labels must be 2 to 256 different names"),
        ("no labels", "config.yaml is damaged: labels is None, no list"),
        ("size", "config.yaml is damaged: image_size must be one or two whole numbers"),
        ("spacing", "config.yaml is damaged: pixel_spacing must be null or"),
        ("channels", "config.yaml is damaged: in_channels must be 1"),
        ("network", "config.yaml is damaged: network_def must name a network by _target_, got 'unet'"),
        ("no network", "network_def is a dict and no network"),
        *((what, "progress is odd") for what in ("progress",)),
        ("metadata", "metadata is odd"),
        ("epoch", "progress::epoch is odd"),
        *((what, "progress::best is odd") for what in ("best", "score", "tensor", "nan")),
        ("score 17", r"summary.json is damaged: dice/mean is 17.0; evaluate the run again, or delete .*/test"),
        ("score text", "summary.json is damaged: dice/mean is high"),
        ("score NaN", "summary.json is damaged: hd95_mm/mean is nan"),
        ("scores list", r"summary.json is damaged: scores is \[1\]"),
        ("computed", "summary.json is damaged: computed_with is 5"),
        ("whole", "model.pt holds .* as torch.int32 .*, no weights"),
        ("complex", "model.pt holds .* as torch.complex64 .*, no weights"),
        ("sparse", "model.pt holds .* as torch.float32 .torch.sparse_coo., no weights"),
    ],
)
def test_what_no_training_writes_is_named_and_nothing_published(tmp_path: Path, what: str, told: str) -> None:
    odd(make_run(tmp_path, "first"), what)
    with pytest.raises(UserError, match=told):
        publish_run(tmp_path / "runs", "first", tmp_path / "models")
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("missing", ["labels", "image_size", "in_channels", "network_def"])
def test_a_configuration_without_a_setting_is_named(tmp_path: Path, missing: str) -> None:
    run = make_run(tmp_path, "first")
    config = yaml.safe_load((run / "config.yaml").read_text())
    del config[missing]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match=r"config.yaml is damaged: it holds no configuration of a training"):
        publish_run(tmp_path / "runs", "first", tmp_path / "models")


def test_a_place_that_can_not_take_weights_is_named_and_keeps_what_it_has(tmp_path: Path) -> None:
    make_run(tmp_path, "first")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(
        UserError, match=r"models_dir .*file can't be made: .*file is a file; choose another --models_dir"
    ):
        publish_run(tmp_path / "runs", "first", tmp_path / "file")
    for name in ("model.pt", "model.json"):
        (tmp_path / "models" / name).mkdir(parents=True)
        with pytest.raises(UserError, match=f"{name} stands where weights are published, and is no file; move it away"):
            publish_run(tmp_path / "runs", "first", tmp_path / "models")
        assert [path.name for path in (tmp_path / "models").iterdir()] == [name]
        (tmp_path / "models" / name).rmdir()


def test_a_training_that_replaces_its_weights_meanwhile_leaves_the_published_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_run(tmp_path / "runs", make_run(tmp_path, "first").name, tmp_path / "models")
    before = {path: path.read_bytes() for path in (tmp_path / "models").iterdir()}
    run = make_run(tmp_path, "second")

    def describe_then_train_on(folder: Path) -> dict[str, Any]:
        found = describe_run(folder)
        save(TinyNetwork(1, 2).state_dict(), run / "model.pt")
        return found

    monkeypatch.setattr("scripts.runs.publishing.describe_run", describe_then_train_on)
    with pytest.raises(UserError, match="run second is training and has just replaced its model.pt; do the same again"):
        publish_run(tmp_path / "runs", "second", tmp_path / "models")
    assert {path: path.read_bytes() for path in (tmp_path / "models").iterdir()} == before


def test_how_far_a_training_has_come_is_told(tmp_path: Path) -> None:
    run = make_run(tmp_path, "first")
    assert describe_run(run)["trained_epochs"] is None
    save({"progress": {"epoch": 2}}, run / "checkpoint_last.pt")
    assert describe_run(run)["trained_epochs"] == 2


def test_a_kill_between_the_files_leaves_no_provenance_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        make_run(tmp_path, name)
    publish_run(tmp_path / "runs", "first", tmp_path / "models")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("scripts.runs.publishing.write_text", die)
    with pytest.raises(KeyboardInterrupt):
        publish_run(tmp_path / "runs", "second", tmp_path / "models")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["model.pt"]


# ---- inference -------------------------------------------------------------------------------------------------------


def infer(folder: Path, **overrides: Any) -> str:
    """What inference answers that must stop before it reads a volume."""
    with pytest.raises((RuntimeError, ValueError)) as info:
        run_workflow(
            "inference.yaml", workflow_type="infer", bundle_root=str(folder), dataset_dir=str(folder), **overrides
        )
    return user_message(info.value) or repr(info.value)


def test_inference_without_weights_says_how_to_get_them(tmp_path: Path) -> None:
    message = infer(tmp_path)
    assert f"no checkpoint {tmp_path}/models/model.pt" in message
    assert "--run_name" in message
    assert "make publish RUN=NAME" in message


def test_inference_takes_the_network_of_a_run_and_refuses_another(tmp_path: Path) -> None:
    make_run(tmp_path, "five", num_classes=5, image_size=64)
    assert "no image under" in infer(tmp_path, run_name="five", image_size=64)  # all else is in order
    message = infer(tmp_path, run_name="five", image_size=32)
    assert "image_size is 32, of" in message
    assert "five/model.pt it is 64" in message
    assert "no run 'six'" in infer(tmp_path, run_name="six")
