"""Each option of a training has its effect, is off as the paper has it, and is refused where it would have none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from ignite.engine import Engine, Events
from monai.data.meta_tensor import MetaTensor
from torch import nn

from scripts.configuration.error_report import user_message
from scripts.training.early_stopping import EarlyStopping
from tests.conditions import NARROW, alone, condition, resolved, train
from tests.workflows import CONFIGS, run_workflow, tiny_overrides

PICTURES = "small"  # see tests/quicker.py

NO_DROPOUT = {"network_def::dropout": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("options")


def refusal(folder: Path, *parts: str, **overrides: Any) -> str:
    """The one line that a person sees when the condition is refused at the start."""
    with pytest.raises((RuntimeError, ValueError)) as caught:
        condition(folder, *parts, **alone(**overrides)).initialize()
    message = user_message(caught.value)
    assert message is not None
    return message


def test_options_are_off_as_in_the_paper() -> None:
    config = yaml.safe_load((CONFIGS / "train.yaml").read_text())
    off = {
        "channels_last": False,
        "compile": False,
        "accumulation_steps": 1,
        "early_stopping": None,
        "no_foreground_share": None,
        "augmentation": False,
    }
    acw = {"acw_normalization": "sum", "acw_positive": False, "acw_learning_rate_factor": 1.0, "weight_decay": 0.0}
    assert {key: config[key] for key in {**off, **acw}} == {**off, **acw}


def test_accumulated_small_batches_make_the_step_of_a_large_one(folder: Path) -> None:
    """Without batch normalisation and dropout, gradients of 4 x 3 images add up to those of 12."""
    at_once = train(condition(folder, **alone(batch_size=12, **NO_DROPOUT)))
    in_parts = train(condition(folder, **alone(batch_size=3, accumulation_steps=4, **NO_DROPOUT)))
    single = train(condition(folder, **alone(batch_size=3, **NO_DROPOUT)))
    for (name, expected), got in zip(at_once.named_parameters(), in_parts.parameters(), strict=True):
        # Adam divides a gradient by its size: rounding of tiny gradients is enlarged up to the step of 5e-4.
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")
    difference = max((a - b).abs().max() for a, b in zip(at_once.parameters(), single.parameters(), strict=True))
    assert difference > 1e-4


def test_bfloat16_is_that_of_convolutions_alone_in_training_and_validation(folder: Path) -> None:
    types: dict[str, set[torch.dtype]] = {}
    networks = {}
    for precision in ("float32", "bfloat16"):
        workflow = condition(folder, **alone(precision=precision, **NO_DROPOUT))
        workflow.initialize()
        seen: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
        for module in resolved(workflow, "network_def").modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(lambda m, _i, output, seen=seen: seen[m.training].add(output.dtype))
        trainer = resolved(workflow, "train::trainer")
        logits: list[torch.dtype] = []
        trainer.add_event_handler(
            Events.ITERATION_COMPLETED,
            lambda engine, logits=logits: logits.append(engine.state.output[0]["pred"].dtype),
        )
        trainer.run()
        networks[precision] = resolved(workflow, "network")
        seen[False].clear()  # the check of the network at the start
        batch = next(iter(resolved(workflow, "validate::dataloader")))
        assert (
            resolved(workflow, "validate::inferer")(batch["image"], networks[precision].eval()).dtype == torch.float32
        )
        assert seen[True] == seen[False]
        types[precision] = seen[True]
        assert set(logits) == {torch.float32}
        assert all(parameter.dtype == torch.float32 for parameter in networks[precision].parameters())
    assert types == {"float32": {torch.float32}, "bfloat16": {torch.bfloat16}}
    assert any(not torch.equal(a, b) for a, b in zip(*(n.parameters() for n in networks.values()), strict=True))


def test_channels_last_changes_the_layout_and_no_more_than_rounding(folder: Path) -> None:
    plain = train(condition(folder, **alone(**NO_DROPOUT)))
    workflow = condition(folder, **alone(channels_last=True, **NO_DROPOUT))
    workflow.initialize()
    layouts = []
    for module in resolved(workflow, "network_def").modules():
        if isinstance(module, nn.Conv2d) and module.in_channels > 1:
            module.register_forward_hook(
                lambda _m, given, _o: layouts.append(given[0].is_contiguous(memory_format=torch.channels_last))
            )
    resolved(workflow, "train::trainer").run()
    assert layouts
    assert all(layouts)
    for got, expected in zip(resolved(workflow, "network").parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3)  # two steps of Adam are 1e-3


def test_a_precision_that_cannot_be_had_is_refused_at_the_start(folder: Path) -> None:
    assert refusal(folder, precision="double").startswith("precision must be auto, float32, bfloat16, float16, got 'do")
    assert refusal(folder, precision="float16") == "precision float16 needs a GPU; set --precision bfloat16 or float32"
    said = refusal(folder, amp=True)
    assert "'amp'" in said
    assert "it is precision now: --precision bfloat16 in place of --amp true" in said


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # torch's tracing
def test_compile_trains_the_same_network_through_torch_compile(folder: Path) -> None:
    eager = train(condition(folder, **alone(**NO_DROPOUT)))
    # The backend "eager" traces as the default one does and generates no code, which takes a minute.
    workflow = condition(
        folder, **alone(compile=True, **NO_DROPOUT, **{"train::trainer::compile_kwargs": {"backend": "eager"}})
    )
    compiled = train(workflow)
    assert isinstance(resolved(workflow, "train::trainer").network, torch._dynamo.OptimizedModule)
    assert list(compiled.state_dict()) == list(eager.state_dict())  # checkpoints fit either way
    for expected, got in zip(eager.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    ("patience", "val_interval", "epochs"),
    # The best validation is that of epoch 2: dice 0.1, 0.5, 0.4, 0.5, 0.3, ...
    [(None, 1, 7), (2, 1, 4), (4, 1, 6), (6, 1, 7), (1, 2, 4)],
)
def test_early_stopping_ends_after_so_many_epochs_without_a_better_dice(
    folder: Path, patience: int | None, val_interval: int, epochs: int
) -> None:
    dice = [0.1, 0.5, 0.4, 0.5, 0.3, 0.2, 0.1]
    handlers = {"train::handlers": _keep_handlers("ValidationHandler", "scripts.training.early_stopping.EarlyStopping")}
    overrides = {**handlers, "validate::handlers": None, "validate::evaluator::val_handlers": None}
    workflow = condition(
        folder, max_epochs=7, batch_size=12, early_stopping=patience, val_interval=val_interval, **overrides
    )
    workflow.initialize()
    trainer, evaluator = resolved(workflow, "train::trainer"), resolved(workflow, "validate::evaluator")
    (metric,) = resolved(workflow, "validate::key_metric").values()
    metric.scores = lambda: {"dice/mean": dice[evaluator.state.epoch - 1]}
    trainer.run()
    assert trainer.state.epoch == epochs
    assert evaluator.state.best_metric_epoch == 2


def _keep_handlers(*targets: str) -> list[dict[str, Any]]:
    """The trainer's handlers of ``train.yaml`` that have one of the targets, in their order."""
    handlers: list[dict[str, Any]] = yaml.safe_load((CONFIGS / "train.yaml").read_text())["train"]["handlers"]
    kept = [handler for handler in handlers if handler["_target_"] in targets]
    assert len(kept) == len(targets)
    return kept


@pytest.mark.parametrize("patience", [0, -1])
def test_early_stopping_below_one_epoch_is_refused(folder: Path, patience: int) -> None:
    said = f"early_stopping must be a whole number >= 1, or null, got {patience}; set another --early_stopping"
    before = sorted(folder.rglob("*"))
    with pytest.raises(RuntimeError) as caught:
        condition(folder, early_stopping=patience).initialize()
    assert user_message(caught.value) == said
    assert sorted(folder.rglob("*")) == before
    with pytest.raises(ValueError, match=re.escape(said)):
        EarlyStopping(Engine(lambda _engine, _batch: None), patience)


def augmented(folder: Path, epoch: int, **overrides: Any) -> list[dict[str, Any]]:
    """The training images as an epoch sees them, in the order of the data set."""
    workflow = condition(folder, **alone(**overrides))
    workflow.initialize()
    resolved(workflow, "train::sampler").set_epoch(epoch)
    return list(resolved(workflow, "train::dataset"))


def test_augmentation_changes_images_and_keeps_labels_labels(folder: Path) -> None:
    plain, first = augmented(folder, 1), augmented(folder, 1, augmentation=True)
    second, again = augmented(folder, 2, augmentation=True), augmented(folder, 1, augmentation=True)
    changed = [not torch.equal(a["image"], b["image"]) for a, b in zip(plain, first, strict=True)]
    moved = [not torch.equal(a["label"], b["label"]) for a, b in zip(plain, first, strict=True)]
    assert sum(changed) > len(plain) / 2
    assert any(moved)
    assert any(not torch.equal(a["image"], b["image"]) for a, b in zip(first, second, strict=True))
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(first, again, strict=True))
    for item in first:
        assert item["image"].shape == item["label"].shape == (1, 32, 32)
        assert set(item["label"].unique().tolist()) <= {0.0, 1.0}
        assert type(item["image"]) is type(item["label"]) is torch.Tensor


def test_augmentation_is_small_and_moves_image_and_label_together(folder: Path) -> None:
    """A label that is the thresholded image must stay so, but for the pixels at its edge."""
    workflow = condition(folder, **alone(augmentation=True))
    workflow.initialize()
    (augmentation,) = resolved(workflow, "train::random_transforms")
    square = torch.zeros(1, 32, 32)
    square[:, 6:18, 10:26] = 1.0
    overlaps = []
    for number in range(40):
        item = {"image": MetaTensor(square), "label": MetaTensor(square), "case_index": number, "slice": 0}
        moved = augmentation(item)
        image, label = moved["image"].numpy(), moved["label"].numpy()
        middle = (image.min() + image.max()) / 2
        assert np.mean((image > middle) != (label > 0.5)) < 0.02
        flipped = torch.flip(square, [1]).numpy()
        overlaps.append(max(np.mean((label > 0.5) == (reference > 0.5)) for reference in (square.numpy(), flipped)))
        assert 0.7 <= image.max() - image.min() <= 1.3
    assert min(overlaps) > 0.8
    assert min(overlaps) < 1.0


def test_acw_has_a_learning_rate_of_its_own_and_no_weight_decay(folder: Path) -> None:
    workflow = condition(folder, **alone(acw_learning_rate_factor=10.0, weight_decay=0.01))
    weighted = train(workflow)
    groups = resolved(workflow, "optimizer").param_groups
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(5e-4, 0.01), (5e-3, 0.0)]
    assert [parameter is weighted.class_weight.raw_weight for parameter in groups[1]["params"]] == [True]
    assert len(groups[0]["params"]) == len(list(weighted.network.parameters()))


def test_a_factor_of_0_keeps_the_first_class_weights(folder: Path) -> None:
    workflow = condition(folder, **alone(acw_learning_rate_factor=0.0))
    weighted = train(workflow)
    counts = resolved(workflow, "data").class_counts("train")
    expected = torch.tensor([counts[1], counts[0]]) / sum(counts)
    torch.testing.assert_close(weighted.class_weight.weight.detach(), expected)


@pytest.mark.parametrize("loss", ["loss_adfl.yaml", "loss_acw_ce.yaml"])
def test_acw_begins_with_mean_1_and_stays_positive_where_asked(folder: Path, loss: str) -> None:
    options = {"acw_normalization": "mean", "acw_positive": True, "acw_learning_rate_factor": 1e4}
    workflow = condition(folder, loss, **alone(**options))
    workflow.initialize()
    layer = resolved(workflow, "class_weight")
    assert float(layer.weight.detach().mean()) == pytest.approx(1.0)
    resolved(workflow, "train::trainer").run()
    assert bool((layer.weight > 0).all())


def test_an_option_of_acw_is_refused_without_acw(folder: Path) -> None:
    for key, value in (("acw_positive", True), ("acw_normalization", "mean"), ("acw_learning_rate_factor", 2.0)):
        said = refusal(folder, "loss_ce.yaml", **{key: value})
        assert said.startswith(f"{key} is {value}, but loss ce trains without adaptive class weights; leave --{key}")


def test_numbers_out_of_range_are_refused(folder: Path) -> None:
    said = refusal(folder, acw_learning_rate_factor=-1.0)
    assert said == "acw_learning_rate_factor must be >= 0, got -1.0"
    assert refusal(folder, accumulation_steps=0) == "accumulation_steps must be a whole number >= 1, got 0"


def test_a_network_of_other_channels_is_refused_before_training(folder: Path) -> None:
    said = refusal(folder, **{"network_def::in_channels": 3})
    assert "network_def (UNet) can't take images of 1 channel(s) and 32 x 32 pixels: " in said
    assert said.endswith("give it in_channels: '@in_channels', or another image_size")


def test_a_network_of_other_classes_is_refused_before_training(folder: Path) -> None:
    said = refusal(folder, **{"network_def::num_classes": 5})
    assert "network_def (UNet) gives scores [1, 5, 32, 32] of one image where [1, 2, 32, 32] are needed" in said
    assert "2 labels" in said


@pytest.mark.parametrize("network", ["network_deeplabv3plus.yaml", "network_vgg19_fcn.yaml"])
def test_pretrained_weights_that_are_not_there_or_do_not_fit_are_refused(folder: Path, network: str) -> None:
    missing = folder / "none.pth"
    said = refusal(folder, "loss_ce.yaml", network, **{"network_def::pretrained_path": str(missing)})
    assert said.startswith(f"no pretrained weights at {missing}")
    torch.save({"conv9.weight": torch.zeros(1)}, folder / "other.pth")
    said = refusal(folder, "loss_ce.yaml", network, **{"network_def::pretrained_path": str(folder / "other.pth")})
    assert "does not fit the backbone: missing (" in said
    assert "unexpected (1): conv9.weight" in said


def test_class_weights_of_other_classes_are_refused_before_training(folder: Path) -> None:
    overrides = {"class_weight::num_classes": 3, "class_weight::class_counts": [5, 4, 3]}
    workflow = condition(folder, **alone(**overrides))
    workflow.initialize()
    runs = set((folder / "runs").glob("*"))
    with pytest.raises(RuntimeError) as caught:
        workflow.run()
    assert user_message(caught.value) == "class_weight has 3 classes, but there are 2 labels"
    assert set((folder / "runs").glob("*")) == runs


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"optimizer::betas": [2, 3]}, "torch.optim.Adam can't be made of params, lr, "),
        ({"lr_scheduler::step_size": 0}, "lr_scheduler (StepLR) can't go on behind epoch 1 of 3: ZeroDivisionError"),
        ({"loss::gamma": -1}, "gamma must be finite and >= 0, got -1"),
        ({"loss::reduction": "none"}, "loss (DualFocalLoss) gives shape (1, "),
    ],
)
def test_an_optimiser_schedule_or_loss_that_can_t_train_leaves_no_run(
    tmp_path: Path, overrides: dict[str, Any], said: str
) -> None:
    workflow = condition(tmp_path, **alone(max_epochs=3, **overrides))
    workflow.initialize()
    with pytest.raises(RuntimeError) as caught:
        workflow.run()
    assert said in str(user_message(caught.value))
    assert not list((tmp_path / "runs").glob("*-phantom-*"))
    assert not (tmp_path / "runs" / "latest").is_symlink()


def test_a_loss_that_compares_other_shapes_is_refused() -> None:
    from scripts.configuration.compatibility import check_loss_fits

    with pytest.raises(ValueError, match="loss .CrossEntropyLoss. can't compare scores of 2 classes with labels: "):
        check_loss_fits(nn.CrossEntropyLoss(), 2, "cpu")


@pytest.mark.parametrize("loss", ["loss_adfl.yaml", "loss_ce.yaml"])
def test_coloured_data_on_a_gray_network_are_refused_and_leave_no_run(tmp_path: Path, loss: str) -> None:
    fixed = {"in_channels": 3, "network_def::in_channels": 1, **NARROW["network_unet.yaml"]}
    with pytest.raises(RuntimeError) as caught:
        run_workflow("train.yaml", "network_unet.yaml", loss, **tiny_overrides(tmp_path, **fixed))
    said = user_message(caught.value)
    assert said is not None
    assert said.startswith("network_def (UNet) can't take images of 3 channel(s) and 32 x 32 pixels: ")
    runs = tmp_path / "runs"
    assert {path.name for path in runs.glob("*")} <= {"data", "prepared"}


def test_the_check_leaves_the_network_as_it_was(folder: Path) -> None:
    from scripts.configuration.compatibility import check_network_fits

    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    check_network_fits(network, 1, ["a", "b"], [8, 6])
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_all_that_a_run_is_reaches_mlflow(folder: Path) -> None:
    files = ("train.yaml", "network_unet.yaml", "loss_ce.yaml", "optimizer_sgdm.yaml")
    settings = tiny_overrides(folder, bundle_root=str(folder), max_epochs=1, **NARROW["network_unet.yaml"])
    run_workflow(*files, **settings)
    run = folder / "runs" / "ce-unet-phantom-sgdm-f0-s0"
    state = json.loads((run / "tracking.json").read_text())
    params, tags = state["params"], state["tags"]
    config = yaml.safe_load((run / "config.yaml").read_text())
    for key in (
        *("image_size", "max_epochs", "batch_size", "seed", "fold", "precision", "compile", "accumulation_steps"),
        *("early_stopping", "augmentation", "learning_rate", "weight_decay", "acw_normalization", "acw_positive"),
        *("acw_learning_rate_factor", "labels", "num_folds", "split_seed", "val_interval"),
    ):
        assert params[key] == config[key], key
    condition_of_run = {key: params[key] for key in ("loss", "network", "data", "optimizer", "acw")}
    assert condition_of_run == {
        "loss": "ce", "network": "unet", "data": "phantom", "optimizer": "sgdm", "acw": False,
    }  # fmt: skip
    assert params["split_sha256"] == tags["split_sha256"] == json.loads((run / "split.json").read_text())["sha256"]
    checkpoint = torch.load(run / "checkpoint_last.pt", weights_only=True)
    assert tags["config_sha256"] == checkpoint["metadata"]["config_sha256"]
    assert "torch 2.13" in params["versions"]
    assert params["git_revision"] == tags["git_revision"]
    assert str(folder) not in json.dumps([params, tags])  # no path leaves the machine
