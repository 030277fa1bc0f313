"""A relay sees to it that the database says of its members what their agents announced.

Agents that reach the database themselves look at their own row with every third beat; those behind a
relay see the relay's table. So the relay looks for them: whose row says what its member's key did not
sign has to announce itself again, by which the row is written anew.
"""

from contextlib import suppress

import anyio

from musterd.errors import StoreError
from musterd_coordinator.relay.checking import RelayChecks
from musterd_coordinator.relay.database import RelayDatabase
from musterd_coordinator.relay.reception import Inbox

LOOK_EVERY = 0.25  # seconds
LOOKED_AT = 250  # members at each look: a few milliseconds of the database, and of the loop


async def keep_announced(inbox: Inbox, checks: RelayChecks, database: RelayDatabase) -> None:
    """Look at the rows of all members that have a seat, in turn, until cancelled."""
    place = 0
    while True:
        await anyio.sleep(LOOK_EVERY)
        with suppress(StoreError):  # whoever writes beats says so
            place = await look(inbox, checks, database, place)


async def look(
    inbox: Inbox, checks: RelayChecks, database: RelayDatabase, place: int, most: int = LOOKED_AT
) -> int:
    """Take the seat of members that the database lies about; return the place of the next look.

    Facts that an agent of the same name and key announced elsewhere are left alone. Raises
    StoreError.
    """
    signed = inbox.signed(place, most)
    rows = await database.rows_of(signed)
    for newcomer in signed:
        said, mac = rows.get(newcomer.identity, (newcomer.member, b""))
        if not mac or checks.fault(said, mac):
            inbox.unseat(newcomer)
    after = place + most
    return after if after < len(inbox.seats.holders) else 0
