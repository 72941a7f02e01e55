"""Ports for servers of tests."""

from __future__ import annotations

import itertools
import os
import socket

# Below those that the kernel gives to connections (from 32768 on Linux): a port that the kernel has named as free may
# be a connection's before the server has it. Each process begins elsewhere.
FIRST, LAST = 12_000, 32_000
_numbers = itertools.count(os.getpid() * 101)


def free_ports(count: int = 1) -> int:
    """The first of some ports in a row that nothing has at the moment; no other call in this process gets them."""
    for _ in range(FIRST, LAST, count):
        first = FIRST + next(_numbers) * count % (LAST - FIRST)
        if all(_is_free(first + index) for index in range(count)):
            return first
    raise RuntimeError(f"no free port from {FIRST} to {LAST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
