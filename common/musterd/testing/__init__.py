"""A TCP proxy for tests that breaks the way between a client and a real server, on command.

::

    async with CuttingProxy("127.0.0.1", 11211) as proxy:
        store = open_store(f"memcached://{proxy.address}", ...)
        proxy.replies.drop()        # a black hole, one way
        proxy.replies.reset_after(100)  # cut in the middle of a reply
        proxy.reset_all()           # RST to everybody, now
        proxy.refuse_new()          # as if nobody listened
        proxy.heal()                # all is well again

For asyncio. It leaves no task and no socket behind.
"""

from musterd.testing.lane import Ending, Lane
from musterd.testing.names import Names
from musterd.testing.proxy import CuttingProxy

__all__ = ["CuttingProxy", "Ending", "Lane", "Names"]
