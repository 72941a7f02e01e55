"""Processes that share one training or evaluation: who is the first, what they agree on, and how they end together.

torchrun starts them and tells each its number by environment variables. The first one alone writes files and asks
MLflow. A process alone is the first of one: nothing here costs it anything or changes a number.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import ignite.distributed as idist
import numpy as np
import torch
from monai.utils.dist import RankFilter
from torch import distributed

from ..configuration.workflow import executed_config
from ..errors import UserError

T = TypeVar("T")
logger = logging.getLogger(__name__)

TIMEOUT = timedelta(hours=6)  # that a process waits for the others, such as for the first one that prepares the data
LOST = ("gloo", "connection closed by peer", "connection reset by peer", "broken pipe")


def join_processes(device: torch.device | str, seed: int = 0, batch_size: int | None = None) -> None:
    """Join the processes that torchrun has started; a step of ``initialize``, behind all checks and seeds.

    Random numbers are drawn from here on from a stream of each process's own; that of the first stays as it is. What
    all would log alike is logged by the first.

    Args:
        device: of this process, see ``own_device``.
        seed: of the training.
        batch_size: images of all processes together; None where nothing is trained.

    Raises:
        ValueError: the batch can't be dealt to the processes, several share a GPU, or MONAI's own tracking is on.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return
    device = torch.device(device)
    if batch_size is not None and batch_size % count:
        raise UserError(
            f"batch_size is {batch_size}, the images of all processes together, which {count} processes can't share "
            f"evenly; set --batch_size to a multiple of {count}"
        )
    if device.type == "cuda" and device.index != _local_rank():
        raise UserError(f"device {device} would be shared by {count} processes; leave --device away, or set it to cpu")
    if "MLFlowHandler" in str(executed_config()):
        raise UserError("MONAI's --tracking opens a run of each process; leave it away, runs are tracked without it")
    with _without_slurm():
        cuda = device.type == "cuda"
        distributed.init_process_group("nccl" if cuda else "gloo", timeout=TIMEOUT, device_id=device if cuda else None)
        if cuda:
            torch.cuda.set_device(device)
        idist.sync()
    if not is_first():
        _leave_logging_to_the_first()
        torch.manual_seed(int(np.random.SeedSequence([seed, idist.get_rank()]).generate_state(1)[0]))
    logger.info("%d processes share this work, by %s", count, distributed.get_backend())


def leave_processes() -> None:
    """Leave the others at the end of the work; nothing may be shared any more."""
    if several():
        idist.barrier()
        idist.finalize()


def own_device() -> torch.device:
    """The device of this process: the GPU of its number on its machine, or the CPU where there are none.

    Raises:
        ValueError: there are more processes than GPUs on this machine.
    """
    gpus, here = torch.cuda.device_count(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if gpus == 0:
        return torch.device("cpu")
    if here > gpus:
        raise UserError(
            f"{here} processes were started on a machine of {gpus} GPU(s); start one for each "
            f"(torchrun --nproc_per_node {gpus}), or set --device cpu"
        )
    return torch.device("cuda", _local_rank())


def several() -> bool:
    """Whether this process shares its work with others."""
    return bool(idist.get_world_size() > 1)


def is_first() -> bool:
    """Whether this process is the one that writes, or alone."""
    return bool(idist.get_rank() == 0)


def is_echo() -> bool:
    """Whether another process says the same: all check the settings alike before they join."""
    return int(os.environ.get("RANK", "0")) > 0 and not several()


def largest(value: int) -> int:
    """The largest of the values that the processes have: what they agree on."""
    return int(idist.all_reduce(value, op="MAX")) if several() else value


def gathered(value: T) -> list[T]:
    """The values of all processes, in their order."""
    if not several():
        return [value]
    values: list[Any] = [None] * idist.get_world_size()
    distributed.all_gather_object(values, value)
    return values


def from_first(function: Callable[[], T]) -> T:
    """What a function returns on the first process, where alone it is called; its error ends all and is told once.

    Args:
        function: returns something that pickle takes.
    """
    if not several():
        return function()
    told: list[Any] = [1, None]  # exit code, value
    try:
        if is_first():
            told = [0, function()]
    except SystemExit as error:
        told = [error.code, None]
        raise
    finally:
        if is_first():
            distributed.broadcast_object_list(told, src=0)
    if not is_first():
        distributed.broadcast_object_list(told, src=0)
    code, value = told
    if code != 0:
        raise SystemExit(code)
    result: T = value
    return result


def in_turn(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call a function on the first process, then on the others, which find done what it has done."""
    results: list[T] = []
    from_first(lambda: results.append(function(*args, **kwargs)))
    return results[0] if results else function(*args, **kwargs)


def broadcast_buffers(network: torch.nn.Module) -> None:
    """Give all processes the first one's buffers, such as the statistics of batch normalisation."""
    if several():
        for buffer in network.buffers():
            distributed.broadcast(buffer, src=0)


def names_lost_process(error: BaseException) -> bool:
    """Whether an error says that another process, or the way to it, is gone."""
    if isinstance(error, distributed.DistError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and several() and any(word in text for word in LOST)


def _local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))


def _leave_logging_to_the_first() -> None:
    loggers = [logging.root, *(x for x in logging.root.manager.loggerDict.values() if isinstance(x, logging.Logger))]
    for handler in {each for logger in loggers for each in logger.handlers}:
        handler.addFilter(RankFilter())


@contextlib.contextmanager
def _without_slurm() -> Iterator[None]:
    """Hide Slurm's job from Ignite, which would take its numbers of tasks in place of torchrun's own."""
    job = os.environ.pop("SLURM_JOB_ID", None)
    try:
        yield
    finally:
        if job is not None:
            os.environ["SLURM_JOB_ID"] = job
