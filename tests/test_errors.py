from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from scripts.errors import MissingFileError, UserError, join_fault


@pytest.mark.parametrize("kind", [UserError, MissingFileError])
def test_an_error_keeps_its_file_apart_from_its_fault(kind):
    error = kind("is truncated; copy it again", path="/data/Doe  Jane/scan.dcm")
    assert str(error) == "/data/Doe  Jane/scan.dcm is truncated; copy it again"
    assert (error.path, error.fault) == (Path("/data/Doe  Jane/scan.dcm"), "is truncated; copy it again")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.path, again.fault) == (str(error), error.path, error.fault)


def test_an_error_without_a_file_is_its_message():
    error = UserError("seed must be >= 0, got -1")
    assert (str(error), error.path, error.fault) == ("seed must be >= 0, got -1", None, "seed must be >= 0, got -1")


def test_a_fault_may_go_on_with_a_colon():
    assert str(UserError(": NDims must be 2 or 3", path="a.mhd")) == "a.mhd: NDims must be 2 or 3"
    assert join_fault("its image", "is truncated") == "its image is truncated"
