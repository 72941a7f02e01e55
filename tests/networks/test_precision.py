from __future__ import annotations

import logging

import pytest
import torch

from scripts.networks import precision as module
from scripts.networks.precision import PrecisionInferer, choose_precision
from scripts.training.precision import MixedPrecisionInferer

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")


def hardware(monkeypatch: pytest.MonkeyPatch, gpu: bool = False, processor: bool = False) -> None:
    """Let GPU and processor have bfloat16 or not."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: gpu)
    monkeypatch.setattr(module, "processor_has_bfloat16", lambda: processor)


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_what_is_asked_for_is_taken(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    hardware(monkeypatch, gpu=True, processor=True)
    assert [choose_precision(name, device) for device in (CPU, GPU)] == [name, name]
    assert choose_precision("float16", GPU) == "float16"


@pytest.mark.parametrize("device", [CPU, GPU])
def test_auto_is_bfloat16_on_a_device_that_computes_in_it(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    for has in (False, True):
        hardware(monkeypatch, gpu=has and device == GPU, processor=has and device == CPU)
        assert choose_precision("auto", device) == ("bfloat16" if has else "float32")


def test_bfloat16_on_a_processor_without_it_is_warned_of_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for has, lines in ((True, 0), (False, 1)):
        hardware(monkeypatch, processor=has)
        with caplog.at_level(logging.WARNING):
            assert choose_precision("bfloat16", CPU) == "bfloat16"
        assert len(caplog.records) == lines
    assert "does not compute in bfloat16" in caplog.text


def test_a_gpu_without_bfloat16_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hardware(monkeypatch)
    with pytest.raises(ValueError, match=r"bfloat16 needs a GPU that computes in it .* set --precision float16"):
        choose_precision("bfloat16", GPU)


def test_a_run_goes_on_in_the_precision_that_it_was_started_in(caplog: pytest.LogCaptureFixture) -> None:
    """A run with precision auto may go on on a device of another kind; config.yaml says the same for both."""
    for before, now, said in (("bfloat16", "bfloat16", ""), ("bfloat16", "float32", "goes on in bfloat16")):
        caplog.clear()
        inferer = PrecisionInferer(now)
        inferer.load_state_dict(PrecisionInferer(before).state_dict())
        assert inferer.precision == before
        assert said in caplog.text
        assert bool(caplog.records) == bool(said)


@pytest.mark.parametrize("before", ["float16", "float64", 3])
def test_a_state_of_a_precision_that_auto_never_comes_to_is_refused(before: object) -> None:
    with pytest.raises(ValueError, match="the run was trained in .*, and can't go on in float32"):
        PrecisionInferer("float32").load_state_dict({"precision": before})


def test_runs_before_the_setting_are_evaluated_as_they_were() -> None:
    assert [MixedPrecisionInferer(enabled).precision for enabled in (False, True)] == ["float32", "bfloat16"]
