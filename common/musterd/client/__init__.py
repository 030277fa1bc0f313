"""The package lets schedulers and tools ask a coordinator, or keep a local replica.

They do so from plain or async code::

    with Client("http://c1:8420,http://c2:8420") as client:
        answer = client.query("compute", ["h1", "h2"])

    async with Replica("http://c1:8420", "compute") as replica:
        await replica.wait_ready()
        if replica.age < 5 and replica.is_up("h1"): ...

Every answer says whether the coordinator is ``listening`` and how stale its knowledge is. Every
call ends within ``timeout`` seconds in all, whatever the coordinators and the network do, and
raises from :mod:`musterd.errors`: NotFound, Conflict, AccessDenied, another CoordinatorError with the
coordinator's own words, or CoordinatorUnreachable.
"""

from musterd.client.client import AsyncClient, Client
from musterd.client.replica import Replica

__all__ = ["AsyncClient", "Client", "Replica"]
