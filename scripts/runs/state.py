"""Everything that a training is at one moment, to be kept and to go on from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ignite.engine import Engine, Events

from .random_states import own_random_states, random_states, restore_random_states

if TYPE_CHECKING:
    from ..datasets import PreparedDataset


class Stateful(Protocol):
    """Whatever has a state to keep: a network, an optimiser, a scheduler."""

    def state_dict(self) -> dict[str, Any]:
        """The state, of tensors and plain Python values."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Take a state over."""


class TrainingState:
    """Takes the state of a training and gives it back, so that it goes on as if it had never stopped.

    It holds the objects, the AMP scaler, epoch and iteration, the best score and the history of scores, and the random
    states of Python, NumPy and torch.

    Args:
        objects: what to keep by name: ``network``, ``optimizer``, ``lr_scheduler``, ...; None entries are left out.
        evaluator: the validation engine, whose best score decides.
        dataset: the prepared data set, whose fingerprint and split are kept along in ``metadata``.
    """

    def __init__(
        self,
        objects: dict[str, Stateful | None],
        evaluator: Engine | None = None,
        dataset: PreparedDataset | None = None,
    ) -> None:
        self.objects = {name: item for name, item in objects.items() if item is not None}
        self.evaluator = evaluator
        self.metadata: dict[str, Any] = {}
        if dataset is not None:
            self.metadata = {"split_sha256": dataset.split_sha256, "data_fingerprint": dataset.fingerprint}
        self.history: list[list[float]] = []  # [epoch, score] of every validation
        self.epoch_left_open = False  # given back a state whose epoch lacks its end: validation, learning rate
        self._random_inside: dict[str, Any] | None = None
        if evaluator is not None:
            evaluator.add_event_handler(Events.COMPLETED, self._remember_score)

    def add(self, name: str, item: Stateful) -> None:
        """Keep one more object, such as a handler that counts."""
        self.objects[name] = item

    def take(self, engine: Engine, epoch_completed: bool, random: dict[str, Any] | None = None) -> dict[str, Any]:
        """The state of now, of tensors and plain values.

        Args:
            engine: the trainer.
            epoch_completed: whether everything that belongs to the end of the present epoch (validation, learning rate)
                is done.
            random: random states to keep in place of those of now.
        """
        scaler = getattr(engine, "scaler", None)
        return {
            **{name: item.state_dict() for name, item in self.objects.items()},
            **({} if scaler is None else {"scaler": scaler.state_dict()}),
            "progress": {
                "epoch": engine.state.epoch,
                "iteration": engine.state.iteration,
                "epoch_completed": epoch_completed,
                "terminated": bool(engine.should_terminate),
                "best": self._best(),
                "history": [list(entry) for entry in self.history],
            },
            "random": random or random_states(),
            "metadata": dict(self.metadata),
        }

    def give_back(self, engine: Engine, state: dict[str, Any]) -> None:
        """Set the trainer, the objects and the random generators to a state that ``take`` returned.

        To be called when the trainer starts. An epoch of which a part is done goes on with its next batch.
        """
        for name, item in self.objects.items():
            if name in state:  # of a finished run that keeps no more than its progress, none is
                item.load_state_dict(state[name])
        if getattr(engine, "scaler", None) is not None and "scaler" in state:
            engine.scaler.load_state_dict(state["scaler"])
        progress = state["progress"]
        done = progress["iteration"] % engine.state.epoch_length
        inside = done > 0
        engine.state.iteration = progress["iteration"]
        engine.state.epoch = progress["epoch"] - int(inside)  # Ignite counts an epoch when it begins it
        if progress["terminated"]:
            engine.terminate()  # by a handler that ends a training early
        self.epoch_left_open = not (inside or progress["epoch_completed"])
        if hasattr(engine.data_loader.sampler, "set_epoch"):  # what is left of an epoch still sees its augmentation
            engine.data_loader.sampler.set_epoch(progress["epoch"])
        self.history = [list(entry) for entry in progress["history"]]
        if self.evaluator is not None and progress["best"]:
            self.evaluator.state.best_metric = progress["best"]["score"]
            self.evaluator.state.best_metric_epoch = progress["best"]["epoch"]
        random = own_random_states(state["random"])
        restore_random_states(random)
        if inside:
            engine.data_loader.sampler.skip(done * engine.data_loader.batch_size)
            self._random_inside = random
            engine.add_event_handler(Events.GET_BATCH_STARTED, self._restore_inside)

    def _restore_inside(self, _engine: Engine) -> None:
        """Undo the number that the loader drew when it began: in an epoch never stopped it did so at the start."""
        if self._random_inside is not None:
            restore_random_states(self._random_inside)
            self._random_inside = None

    def _best(self) -> dict[str, Any]:
        if self.evaluator is None:
            return {}
        return {
            "score": float(self.evaluator.state.best_metric),
            "epoch": int(self.evaluator.state.best_metric_epoch),
        }

    def _remember_score(self, evaluator: Engine) -> None:
        score = evaluator.state.metrics.get(evaluator.state.key_metric_name)
        if isinstance(score, float):
            self.history.append([float(evaluator.state.epoch), score])
