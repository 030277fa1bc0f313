"""Orders to a memcached, and what a coordinator says of them."""

from collections.abc import Sequence

from musterd.testing.servers import Memcached


def explains(reasons: Sequence[str], *words: str) -> bool:
    """Does any of the reasons have any of these words?"""
    return any(word in reason for reason in reasons for word in words)


def order(memcached: Memcached, command: bytes) -> None:
    """Send one command and wait for its answer."""
    with memcached.connect() as connection:
        connection.sendall(command + b"\r\n")
        assert connection.recv(100) == b"OK\r\n"
