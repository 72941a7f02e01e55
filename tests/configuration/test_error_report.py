from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from scripts.configuration.error_report import causes, report_user_errors, user_message
from scripts.errors import MissingFileError, UserError
from scripts.runs.checkpoint import load
from tests.processes import end, start_one


def _caught(function: object, *args: object) -> BaseException:
    with pytest.raises(Exception) as info:  # noqa: PT011  # any exception is what these tests look at
        function(*args)  # type: ignore[operator]
    return info.value


def _wrapped_as_monai_does() -> None:
    try:
        load("/nowhere/model.pt")
    except FileNotFoundError as error:
        try:
            raise RuntimeError("Failed to instantiate component") from error
        except RuntimeError as wrapper:
            raise RuntimeError("Failed to evaluate expression") from wrapper


def test_the_cause_that_this_package_raised_is_the_message() -> None:
    error = _caught(_wrapped_as_monai_does)
    assert [type(cause) for cause in causes(error)] == [RuntimeError, RuntimeError, MissingFileError]
    assert user_message(error) == "no checkpoint /nowhere/model.pt; train first, or name another file by --checkpoint"


def test_an_error_that_nobody_meant_keeps_its_traceback() -> None:
    assert user_message(_caught(int, "x")) is None
    assert user_message(_caught(lambda: {}["key"])) is None


def test_a_value_error_raised_outside_this_package_keeps_its_traceback() -> None:
    def elsewhere() -> None:
        raise ValueError("not ours")

    assert user_message(_caught(elsewhere)) is None


def test_a_full_disk_is_one_line() -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/data/x")

    assert user_message(_caught(full)) == "[Errno 28] No space left on device: '/data/x'"


def test_a_folder_in_place_of_a_file_is_one_line(tmp_path: Path) -> None:
    assert user_message(_caught(tmp_path.read_text)) == f"[Errno 21] Is a directory: '{tmp_path}'"


def test_a_path_keeps_its_spaces_and_the_message_is_one_line() -> None:
    def refuse() -> None:
        raise UserError("/data/two  spaces/a.png is\n  damaged")

    assert user_message(_caught(refuse)) == "/data/two  spaces/a.png is damaged"


def test_what_a_terminal_would_obey_is_written_out() -> None:
    said = user_message(UserError("is damaged", path="/a/\x1b[31mx\u202ey\x00.png"))
    assert said == "/a/\\x1b[31mx\\u202ey\\x00.png is damaged"


def test_a_misspelt_argument_of_a_component_is_one_line() -> None:
    from monai.bundle import ConfigParser

    parser = ConfigParser({"x": {"_target_": "SimpleInferer", "batchsize": 1}})
    message = user_message(_caught(parser.get_parsed_content, "x"))
    assert message is not None
    assert "unexpected keyword argument 'batchsize'" in message


@pytest.mark.parametrize(
    ("component", "said"),
    [
        (
            {"_target_": "torch.optim.SGD", "params": "$[__import__('torch').zeros(1)]", "lr": -1},
            "Invalid learning rate",
        ),
        ({"_target_": "scripts.networks.UNet", "num_classes": 2, "dropout": 3}, "dropout probability"),
        ({"_target_": "torch.nn.Linear", "in_features": "x", "out_features": 2}, "int"),
    ],
)
def test_a_value_that_another_library_refuses_is_one_line_that_names_the_component(
    component: dict[str, Any], said: str
) -> None:
    from monai.bundle import ConfigParser

    message = user_message(_caught(ConfigParser({"x": component}).get_parsed_content, "x"))
    assert message is not None
    assert message.startswith(f"{component['_target_']} can't be made of {', '.join(list(component)[1:])}: ")
    assert said in message


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("@nothing", "the configuration refers to @nothing, which it does not have; correct the name"),
        ("$@nothing + 1", "the configuration refers to @nothing, which it does not have; correct the name"),
        ({"_target_": "no.such"}, "the configuration names no.such, which can't be found; correct its _target_, or"),
        ("@x", "the configuration lets x refer to itself; give it a value"),
    ],
)
def test_a_name_in_the_configuration_that_nothing_has_is_one_line(value: Any, line: str) -> None:
    from monai.bundle import ConfigParser

    message = user_message(_caught(ConfigParser({"x": value}).get_parsed_content, "x"))
    assert message is not None
    assert message.startswith(line)


def test_an_error_within_a_component_of_this_package_keeps_its_traceback() -> None:
    from monai.bundle import ConfigParser

    parser = ConfigParser({"x": {"_target_": "scripts.datasets.find_phantom", "dataset_dir": 3}})
    assert user_message(_caught(parser.get_parsed_content, "x")) is None


def load_what_is_not_there() -> None:
    report_user_errors()
    load("missing.pt")


def test_a_process_prints_one_line_and_fails(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert end([start_one(log, load_what_is_not_there)]) == [1], log.read_text()
    assert log.read_text() == "error: no checkpoint missing.pt; train first, or name another file by --checkpoint\n"
