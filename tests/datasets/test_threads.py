from __future__ import annotations

import threading
import time

import pytest

from scripts.datasets.threads import run_in_threads


def test_results_come_in_order_of_the_items():
    assert run_in_threads(lambda n: n * n, range(50), title="squares", num_workers=4) == [n * n for n in range(50)]
    assert run_in_threads(str, [], title="nothing") == []


def test_the_first_fault_in_order_ends_it_and_the_rest_is_not_begun():
    begun, second_failed = [], threading.Event()

    def work(item: int) -> int:
        begun.append(item)
        if item == 0:
            second_failed.wait(10)
            raise ValueError("the first")
        if item == 1:
            second_failed.set()
            raise ValueError("the second, though earlier")
        time.sleep(0.1)  # all thousand would take most of a minute, long after the fault has been seen
        return item

    with pytest.raises(ValueError, match="the first"):
        run_in_threads(work, range(1000), title="faults", num_workers=2)
    assert len(begun) < 1000


def test_a_negative_number_of_threads_is_refused():
    with pytest.raises(ValueError, match="num_workers must be >= 0, got -1"):
        run_in_threads(str, [1], title="x", num_workers=-1)
