"""The module says how a server is entered: by TLS or not, and by which user.

memcached's text protocol takes user and password (its option ``-Y``) as the value of the first
``set`` of a connection, whatever its key.
"""

from typing import Any, NamedTuple
from urllib.parse import unquote

from musterd.tls import GOODBYE, Tls

_KEY = b"musterd:login"
# It has expired as it comes: a server that asks for no password must not keep ours.
_LOGIN = b"set %b 0 -1 %d\r\n%b\r\n"


class ServerAccess(NamedTuple):
    """A ``ServerAccess`` is how connections to a server begin.

    ``tls`` is None for plain ones, and ``login`` a command, empty where nobody logs in.
    """

    tls: Tls | None = None
    login: bytes = b""

    def secured(self, host: str) -> dict[str, Any]:
        """Return what ``create_connection`` needs for a connection to the server called ``host``."""
        if self.tls is None:
            return {}
        return {
            "ssl": self.tls.context(),
            "server_hostname": host,
            "ssl_shutdown_timeout": GOODBYE,
        }

    def __repr__(self) -> str:
        return f"ServerAccess(tls={self.tls is not None}, login={bool(self.login)})"


OPEN = ServerAccess()
"""Anybody may connect."""


def login_command(userinfo: str) -> bytes:
    """Return the command that logs in as ``user:password``, both as they stand in a URL.

    Raises ValueError for what memcached cannot take.
    """
    user, _, password = (unquote(part) for part in userinfo.partition(":"))
    words = f"{user} {password}"
    if not (user and password and words.isprintable()) or words.count(" ") > 1:
        raise ValueError("no user and password without spaces")
    text = words.encode()
    return _LOGIN % (_KEY, len(text), text)
