"""A connection tells who calls, where that is proven: by a certificate, or by the kernel.

Applications find it in the ``state`` of a request's scope: ``client_cn`` is the common name of a
certificate that an authority of ``tls_client_ca_file`` signed, and ``local_user`` the user at the other
end of a Unix socket.
"""

import asyncio
import pwd
import socket
import struct
from functools import lru_cache
from typing import Any

CLIENT_CN, LOCAL_USER = "client_cn", "local_user"
_CREDENTIALS = struct.Struct("3i")  # process, user, group: unix(7)


def identity_of(transport: asyncio.BaseTransport) -> dict[str, str]:
    """Return what is proven of the other end; nothing where nothing is."""
    peer = transport.get_extra_info("socket")
    if peer is not None and peer.family == socket.AF_UNIX:
        return {LOCAL_USER: user_name(user_of(peer))}
    name = common_name(transport.get_extra_info("peercert"))
    return {CLIENT_CN: name} if name else {}


def common_name(certificate: Any) -> str:
    """Return the common name in ``certificate``, as :meth:`ssl.SSLSocket.getpeercert` shows it."""
    parts = [pair for one in (certificate or {}).get("subject", ()) for pair in one]
    return next((str(value) for key, value in parts if key == "commonName"), "")


def user_of(peer: Any) -> int:
    """Return the number of the user who made the connection of ``peer``, as the kernel noted it then."""
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    user: int = _CREDENTIALS.unpack(raw)[1]
    return user


@lru_cache(1024)
def user_name(number: int) -> str:
    """Return the name of a user, or the number of one that has none.

    May ask a server for it, the first time: call it in a thread then.
    """
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
