"""The module says what a store must do for a coordinator: show seats, every beat, and a canary.

As with :class:`musterd.stores.base.ShardWriter`, every call bounds its own network waits, is safe
to cancel at any await, and raises only :class:`musterd.errors.StoreError`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol

from musterd.beat import Beat
from musterd.model import Facts, Member
from musterd.stores import Store, scheme_of
from musterd.stores.base import BothDrivers
from musterd_coordinator.sweep.columns import Beats, Rejected, Seconds, Slots

if TYPE_CHECKING:
    from musterd_coordinator.sweep.signed.signing import Signing

_HOMES = {
    "memcached": "musterd_coordinator.sweep.memcached.reader",
    "memcached+tls": "musterd_coordinator.sweep.memcached.reader",
    "embedded": "musterd_coordinator.sweep.memcached.reader",
    "embedded+tls": "musterd_coordinator.sweep.memcached.reader",
    "postgresql": "musterd_coordinator.sweep.postgres.reader",
    "mysql": "musterd_coordinator.sweep.mysql.reader",
    "mariadb": "musterd_coordinator.sweep.mysql.reader",
    "memory": "musterd_coordinator.sweep.table",
    "relay": "musterd_coordinator.sweep.relay",
    "relay+tls": "musterd_coordinator.sweep.relay",
    **dict.fromkeys(
        (f"nova+{name}" for name in ("mysql", "mariadb", "postgresql", "postgres")),
        "musterd_coordinator.sweep.nova.reader",
    ),
}
"""By the scheme of a store's URL, where its shards are read; imported when one is."""


@dataclass(frozen=True, slots=True)
class Roster:
    """A `Roster` holds the changes between two reads of which member holds which slot of a shard.

    ``seated`` are slots with a new member, or with one that announced other facts; ``vacated`` are
    slots that no member holds any more. A slot is in at most one of them. ``more`` says that this
    is a part of them, and the next call brings the next. ``ordered`` are slots of which the store
    itself says what operators ordered: it is as given from now on.
    """

    seated: Sequence[tuple[int, Member]] = ()
    vacated: Sequence[int] = ()
    more: bool = False
    ordered: Sequence[tuple[int, Facts]] = ()


class Signatures(NamedTuple):
    """These are figures of what is signed on a shard: see ShardStatus in :mod:`musterd.status`."""

    with_old_key: int = 0
    challenges_put_back: int = 0
    beating_unsigned: int = 0


class LastSeen(NamedTuple):
    """A `LastSeen` says of the members in ``slot`` (n) when their store says that they were last up.

    ``at`` (n) is in Unix seconds, by the clock of whoever wrote it; NaN: never. It is for traces, and no
    verdict comes from it.
    """

    slot: Slots
    at: Seconds


@dataclass(frozen=True, slots=True)
class BeatBatch:
    """A `BeatBatch` holds every beat that one batched read of a shard brought.

    ``beats`` may always be believed (their records were checked, and each ``member_id`` is that of
    the member seated in its slot). A store that knows which beats are new may leave out those that
    an earlier sweep brought and that were not overwritten since: there are ``unchanged`` of them.
    Only a ``complete`` sweep says anything about members that have no beat in it. ``canary`` is
    this coordinator's own beat as it was read back with the sweep, or None. ``reason`` says why a
    sweep is not complete.

    ``spoiled`` are slots with a record that is no beat of their member, of those slots in which
    there were good ones before; of such slots ``established`` have a record, good or not.

    Where beats are signed, ``seated`` are members whose first beat it brought, or the first with
    other facts; ``contested`` are slots with a record that is not their member's, ``unfresh``
    those with one of theirs that was signed for an old challenge; ``last_words`` are slots with one
    such of a member that fell silent before it looked at the challenge. ``unproven`` says why the sweep is
    no evidence of silence though it is complete, until agents saw another challenge.

    ``doubt`` says why the way on which members are heard may be closed, though the shard is well.
    ``last_seen`` is what the store itself keeps of that, where it was asked.
    """

    beats: Beats
    rejected: Rejected
    canary: Beat | None = None
    complete: bool = True
    reason: str = ""
    unchanged: int = 0
    spoiled: Slots | Sequence[int] = ()
    established: int = 0
    seated: Sequence[tuple[int, Member]] = ()
    contested: Sequence[int] = ()
    unfresh: Sequence[int] = ()
    last_words: Sequence[int] = ()
    unproven: str = ""
    doubt: str = ""
    last_seen: LastSeen | None = None
    signatures: Signatures | None = None

    @property
    def present(self) -> int:
        """Return how many members have a beat in the shard."""
        return len(self.beats.slot) + self.unchanged


class ShardReader(Protocol):
    """A `ShardReader` reads one shard for one coordinator. Its calls never overlap."""

    name: str

    async def write_canary(self, beat: Beat) -> bool:
        """Overwrite this coordinator's own beat, by the same path that agents' beats take.

        Return False if the shard had lost the one before (restarted, flushed, evicting) and the
        canary was written anew. For the first one of all, return True.
        """

    async def renew(self) -> None:
        """Have the next :meth:`write_canary` meet what an agent that starts would meet.

        Its connection is a new one. A driver that connects here gives up the old connection after
        that and not before, or it would find room on a full server where no agent does. Raises
        StoreError.
        """

    async def roster(self) -> Roster:
        """Return the members that came, changed or went since the last call; first calls bring all.

        A million at once would take as much memory as they take for good, and seconds in which the
        event loop does nothing else, so there may be :attr:`Roster.more` to ask for. Until all was
        brought a sweep means nothing. That is so at the beginning only: newcomers come a part at
        each call, and hold up no other member.
        """

    async def sweep(self) -> BeatBatch:
        """Read every new beat of the shard, and the canary; the result is good until the next call."""

    async def retire(self, member: Member) -> None:
        """Remove all that the shard holds of a forgotten member."""

    async def aclose(self) -> None:
        """Close the connections without waiting for the network."""


def open_reader(
    store: Store, shard: int, coordinator: str, signing: "Signing | None" = None
) -> ShardReader:
    """Return the reader of ``store.shard_names[shard]`` for the coordinator named ``coordinator``.

    With ``signing`` it checks what is signed. Connects to nothing yet. Raises ConfigError for a store
    that takes beats and shows none.
    """
    if isinstance(store.driver, BothDrivers):
        store, shard = store.driver.shard(shard)
        if store.listing:
            signing = None  # Nova signs nothing
    home = import_module(_HOMES[scheme_of(store.url)])
    reader: ShardReader = home.open_reader(store.driver, shard, coordinator, signing)
    return reader
