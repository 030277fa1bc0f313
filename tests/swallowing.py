"""A place that takes no connection and refuses none: whoever connects there waits for ever."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def swallowing(host: str, port: int) -> Iterator[None]:
    """Have connects to ``host:port`` hang, as where a firewall drops packets."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(16):  # until the queue is full, and nobody ever accepts
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.1)
            try:
                filler.connect((host, port))
            except TimeoutError:
                break
        yield
