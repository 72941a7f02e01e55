"""One image after the other: a bad one is told, the others are segmented."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ignite.engine import Engine
from monai.data import Dataset
from monai.engines import SupervisedEvaluator

from ..configuration.error_report import causes, printable
from ..errors import UserError
from .records import CaseRecords


class InputDataset(Dataset):  # type: ignore[misc]  # MONAI has no types
    """Images to segment: read when their turn comes, one in memory.

    Args:
        data: see ``find_inputs``.
        transform: reads an image and makes it the network's input.
        records: what is finished already is not read again; None segments all.
    """

    def __init__(self, data: Sequence[Any], transform: Any, records: CaseRecords | None = None) -> None:
        super().__init__(data, transform)
        self.records = records

    def _transform(self, index: int) -> dict[str, Any]:
        """The transformed image; or, with ``case``, ``fault`` where it is at fault, ``done`` where it is finished."""
        entry = self.data[index]
        try:
            if entry["case"].fault:
                raise UserError(entry["case"].fault)
            done = None if self.records is None else self.records.finished(entry["case"])
            if done is not None:
                return {**entry, "done": done}
            loaded: dict[str, Any] = self.transform({**entry, "result": {}})
        except Exception as error:
            return {**entry, "fault": fault_of(error)}
        return loaded


def one_image(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A batch of one: its image gets an axis in front, (1, C, X, Y, Z); all else is as it is."""
    (item,) = items
    return {**item, "image": item["image"][None]} if "image" in item else item


class CaseEvaluator(SupervisedEvaluator):  # type: ignore[misc]  # MONAI has no types
    """MONAI's evaluator, which goes on after an image that is at fault.

    ``state.output`` holds ``fault``, one line, in place of a prediction. A batch is one image, and not taken apart.

    Args:
        kwargs: see ``SupervisedEvaluator``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, decollate=False)

    def _iteration(self, engine: Engine, batchdata: dict[str, Any]) -> dict[str, Any]:
        if "image" not in batchdata:
            engine.state.output = batchdata
            return batchdata
        try:
            super()._iteration(engine, batchdata)
        except Exception as error:
            line, path = fault_of(error), printable(str(batchdata["case"].path))
            output = {"case": batchdata["case"], "fault": line if path in line else f"{path}: {line}"}
            engine.state.output = output
            return output
        said = {"case": batchdata["case"], "result": engine.state.batch["result"]}
        engine.state.batch = said  # while the next image is read, this one is in memory no more
        return said


def fault_of(error: Exception) -> str:
    """The one line of a fault of the image's; any other error is raised again, such as a disk that is full."""
    for cause in causes(error):
        if isinstance(cause, UserError):
            return printable(" ".join(str(cause).split()))
    raise error
