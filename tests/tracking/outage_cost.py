"""What an outage of the tracking server costs a training, in seconds.

    python -m tests.tracking.outage_cost --repeats 5

Equal trainings with a server that answers, with none, and with one that hangs, in turn; the first round is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from ignite.engine import Engine, Events

from tests.tracking.servers import Server
from tests.workflows import make_workflow, tiny_overrides

EPOCHS = 8


def train(folder: Path, tracking_uri: str) -> tuple[float, float]:
    """Seconds of a training, and those from its last epoch on until the process may end."""
    settings = {"dataset_dir": str(folder.parent / "data"), "tracking_uri": tracking_uri, "max_epochs": EPOCHS}
    workflow = make_workflow("train.yaml", **tiny_overrides(folder, bundle_root=str(folder), image_size=64, **settings))
    workflow.initialize()
    times: list[float] = []

    def note(engine: Engine) -> None:
        if engine.state.epoch in (1, EPOCHS):
            times.append(time.perf_counter())

    workflow.trainer.add_event_handler(Events.EPOCH_COMPLETED, note)
    workflow.run()
    return times[1] - times[0], time.perf_counter() - times[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        servers = {state: Server(root / state) for state in ("answers", "hangs")}
        for server in servers.values():
            server.folder.mkdir()
            server.start()
        servers["hangs"].hang()
        addresses = {"answers": servers["answers"].uri, "is down": "http://127.0.0.1:9", "hangs": servers["hangs"].uri}
        seconds: dict[str, list[tuple[float, float]]] = {state: [] for state in addresses}
        for repeat in range(repeats + 1):
            for state, address in addresses.items():
                seconds[state].append(train(root / f"{state}{repeat}", address))
        for server in servers.values():
            server.stop()
    for state, pairs in seconds.items():
        training, ending = zip(*pairs[1:], strict=True)
        spread = f"{min(training):.2f} to {max(training):.2f}"
        print(
            f"server {state}: training {statistics.median(training):.2f} s ({spread}), end {max(ending):.1f} s at most"
        )


if __name__ == "__main__":
    main()
