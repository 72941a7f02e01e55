"""The end of an engine's run, however it comes."""

from __future__ import annotations

from collections.abc import Callable

from ignite.engine import Engine, Events


def call_at_end(engine: Engine, end: Callable[[], None]) -> None:
    """Have ``end`` called when a run of the engine ends: done, stopped early, interrupted, or broken off by an error.

    Ignite takes an error that any handler has seen for dealt with. The last one of an engine's handlers of errors must
    raise it again, and those before it must not, or the others would never see it.

    Args:
        engine: trainer or evaluator.
        end: called once or more for each run.
    """

    def fail(engine: Engine, error: BaseException) -> None:
        end()
        if engine._event_handlers[Events.EXCEPTION_RAISED][-1][0] is fail:
            raise error

    engine.add_event_handler(Events.TERMINATE, end)
    engine.add_event_handler(Events.COMPLETED, end)
    engine.add_event_handler(Events.EXCEPTION_RAISED, fail)
