"""The package is what tests, benchmarks and the demo start and break.

Nothing that runs in production imports it.

| module | what it has |
| --- | --- |
| `servers` | real memcached, PostgreSQL and PgBouncer: they stop, crash and freeze for real |
| `daemons` | `musterd coordinator`, `agent` and `relay` as the processes that users run |
| `agent_process` | an agent watched as systemd would watch it |
| `processes`, `keeper` | what these stand on: a held port, and an end however we end |
| `busy` | how much longer all may take where more than this runs |
| `proxy`, `lane` | a TCP proxy that breaks the way between a client and a real server, on command |
| `names` | a name service in the place of the system's |
| `browser` | a real Chromium, driven through chromedriver |

The proxy::

    async with CuttingProxy("127.0.0.1", 11211) as proxy:
        store = open_store(f"memcached://{proxy.address}", ...)
        proxy.replies.drop()        # a black hole, one way
        proxy.replies.reset_after(100)  # cut in the middle of a reply
        proxy.reset_all()           # RST on every connection, now
        proxy.refuse_new()          # as if nothing listened
        proxy.heal()                # all is well again

The proxy is for asyncio, and leaves no task and no socket behind.
"""

from musterd.testing.lane import Ending, Lane
from musterd.testing.names import FakeNames
from musterd.testing.proxy import CuttingProxy

__all__ = ["CuttingProxy", "Ending", "FakeNames", "Lane"]
