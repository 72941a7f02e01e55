from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from monai.data import load_net_with_metadata
from torch import nn

from scripts.configuration.error_report import user_message
from scripts.errors import UserError
from scripts.exporting import FORMS, export, export_run, forms
from scripts.networks import VGG19FCN, AdaptiveClassWeight, ClassWeightedNetwork, DeepLabV3Plus, UNet
from scripts.runs.checkpoint import save
from tests.runs.test_publishing import make_run
from tests.tiny_network import TinyNetwork
from tests.workflows import run_workflow

NARROW: dict[str, Any] = {
    "DeepLabV3Plus": lambda: DeepLabV3Plus(1, 3),
    "UNet": lambda: UNet(1, 3, channels=(2, 4, 8, 16, 32)),
    "VGG19FCN": lambda: VGG19FCN(1, 3, fc_channels=4),
}


def weighted(name: str) -> tuple[ClassWeightedNetwork, nn.Module]:
    """A network with class weights behind it, and the network alone with them folded in."""
    torch.manual_seed(0)
    network = ClassWeightedNetwork(NARROW[name](), AdaptiveClassWeight(3, class_counts=[90, 9, 1])).eval()
    return network, network.folded().eval()


@pytest.mark.parametrize("name", NARROW)
def test_every_network_is_traced_for_other_batches_and_sizes_with_its_class_weights(name: str) -> None:
    network, folded = weighted(name)
    program, multiple = forms.traced_program(folded, 1)
    assert multiple == {"DeepLabV3Plus": 1, "UNet": 32, "VGG19FCN": 32}[name]
    image = torch.rand(3, 1, 32 * multiple if multiple == 1 else 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(image), network(image), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_a_run_is_written_compared_and_says_what_it_is(form: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript") if form == "onnx" else None
    make_run(tmp_path, "first", num_classes=3)
    run_workflow("export.yaml", run_id="exporting", bundle_root=str(tmp_path), run_name="first", format=form)
    path = tmp_path / "runs/first/export" / f"model.{form}"
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    network = TinyNetwork(1, 3)
    network.load_state_dict(torch.load(tmp_path / "runs/first/model.pt", weights_only=True))
    image = torch.rand(2, 1, 40, 72)
    with torch.no_grad():
        expected = network.eval()(image)
    logits, metadata = read(path, image)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    assert metadata["network_data_format"]["outputs"]["pred"]["channel_def"]["2"] == "class 2"
    assert metadata["eval_metrics"] == {"dice/mean": 0.8, "validation dice/mean": 0.75}
    assert metadata["trained_run"]["run"] == "first"
    assert "Doe" not in json.dumps(metadata)


def read(path: Path, image: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
    with torch.no_grad():
        if path.suffix == ".ts":
            module, metadata, extra = load_net_with_metadata(str(path), more_extra_files=["inference.json"])
            assert json.loads(extra["inference.json"])["labels"][2] == "class 2"
            return module(image), metadata
        if path.suffix == ".pt2":
            extra = {"metadata.json": ""}
            return torch.export.load(path, extra_files=extra).module()(image), json.loads(extra["metadata.json"])
        import onnx
        from onnx.reference import ReferenceEvaluator

        model = onnx.load(path)
        (logits,) = ReferenceEvaluator(model).run(None, {"image": image.numpy()})
        words = {entry.key: entry.value for entry in model.metadata_props}
        return torch.from_numpy(logits), json.loads(words["metadata"])


def test_what_computes_something_else_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path, "first")

    def faulty(network: nn.Module, channels: int, content: Any, path: Path) -> Any:
        path.write_text("faulty")
        return lambda image: network(image) + 2e-4

    monkeypatch.setitem(FORMS, "pt2", faulty)
    with pytest.raises(ValueError, match="is not written: the pt2 export of TinyNetwork gives logits that differ"):
        export_run(tmp_path / "runs", "first", "pt2")
    assert list((run / "export").iterdir()) == []
    assert export.TOLERANCE < 2e-4


def test_faults_are_one_line_and_leave_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path, "first")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"run_name": "second"}, "no run 'second' under"),
        ({"run_name": None}, "exporting needs the name of a run: --run_name NAME; runs in"),
        ({"run_name": "first", "format": "tflite"}, "format is 'tflite'; give one of ts, pt2, onnx"),
    ]
    for overrides, message in cases:
        with pytest.raises(RuntimeError) as info:
            run_workflow("export.yaml", run_id="exporting", bundle_root=str(tmp_path), **overrides)
        assert message in (user_message(info.value) or "")
    save(UNet(channels=(2, 4, 8, 16, 32)).state_dict(), run / "model.pt")
    with pytest.raises(ValueError, match="holds the weights of another network"):
        export_run(tmp_path / "runs", "first", "ts")
    assert not (run / "export").exists()


def test_a_target_that_can_not_be_written_is_named_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, "first")
    (tmp_path / "file").write_text("mine")
    for target, told in (
        (tmp_path, "is a folder; give --target a file in it"),
        (".", "is a folder; give --target a file in it"),
        (tmp_path / "file" / "model.ts", "target .*file can't be made: .* is a file"),
        (5, "target must be the path of a file, got 5"),
        ("a\0b", "target must be the path of a file"),
    ):
        with pytest.raises(UserError, match=told):
            export_run(tmp_path / "runs", "first", "ts", target)  # type: ignore[arg-type]
    (run / "export").write_text("mine")
    with pytest.raises(UserError, match="target .*export can't be made: .*export is a file"):
        export_run(tmp_path / "runs", "first", "ts")
    with pytest.raises(UserError, match="give one of ts, pt2, onnx"):
        export_run(tmp_path / "runs", "first", ["ts"])  # type: ignore[arg-type]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path, "first")

    def fails(*_: Any) -> Any:
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setitem(FORMS, "pt2", fails)
    with pytest.raises(RuntimeError, match="PytorchStreamWriter"):
        export_run(tmp_path / "runs", "first", "pt2")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(OSError, match="No space left on device"):
        export_run(tmp_path / "runs", "first", "pt2")
    assert list((run / "export").iterdir()) == []
