"""Options of a connection that both engines share."""

from __future__ import annotations

import socket
from typing import Any

KEEP_ALIVE = 50.0
"""Seconds that an idle connection is kept: shorter than the 60 s after which many servers and balancers hang up."""

_PROBES = [
    (name, value)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))
    if hasattr(socket, name)
]


def tune(sock: Any) -> None:
    """Send small pieces at once, and probe a silent peer so that no gateway forgets the connection of a long answer."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES:
        sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


PATIENCE = 0.02
"""How long the end of an answer is waited for, in seconds, once the answer itself is complete."""
