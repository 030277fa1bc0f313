"""The module makes Unix sockets for tools of this host safely, and removes them in the end."""

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from musterd.errors import CannotListen, ConfigError

MODE = 0o660
"""Users of the socket's group may connect, and others may not."""


def listen_at(path: str, backlog: int) -> socket.socket:
    """Return a socket that listens at ``path``; one that a run left behind there makes room.

    Raises CannotListen while another program listens there, and ConfigError where none may.
    """
    _make_room(path)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)  # until it has its mode nobody else may connect
    try:
        listener.bind(path)
        Path(path).chmod(MODE)
    except OSError as error:
        listener.close()
        raise ConfigError(f"cannot listen on unix:{path}: {error.strerror}") from None
    finally:
        os.umask(before)
    listener.listen(backlog)
    listener.setblocking(False)
    return listener


def remove(listener: socket.socket) -> None:
    """Remove the file of ``listener``, which must still listen: nobody else has taken its place."""
    path = Path(listener.getsockname())
    with suppress(OSError):
        path.unlink()


def _make_room(path: str) -> None:
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"cannot listen on unix:{path}: {error.strerror}") from None
    if not stat.S_ISSOCK(kind):
        raise ConfigError(f"cannot listen on unix:{path}: there is something else of that name")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink(missing_ok=True)
            return
        except OSError as error:
            raise ConfigError(f"cannot listen on unix:{path}: {error.strerror}") from None
    raise CannotListen(
        f"cannot listen on unix:{path}: another program listens there; stop it, or choose another"
    )
