"""The module says what a store must be able to do for an agent.

What a coordinator reads is in ``musterd_coordinator.sweep``. A store is one or more *shards* that
fail independently. Both sides place a member on the same shards by :func:`place`. Every call below
bounds its own network waits by the ``timeout`` given to :func:`musterd.stores.open_store`, is safe
to cancel at any await, and raises only :class:`musterd.errors.StoreError`; whatever a call leaves
half done on a connection, the next call starts on a clean one. Nothing here retries: the caller's
next tick is the retry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Flag, auto
from functools import lru_cache
from hashlib import blake2b
from typing import Protocol

from musterd.beat import Beat
from musterd.model import Member


class Guarantees(Flag):
    """These flags say what silence on a store may mean besides death; a coordinator demands none."""

    NONE = 0
    SURVIVES_RESTART = auto()  # beats are still there after the server restarted
    NEVER_EVICTS = auto()  # a beat that was accepted stays until it is overwritten
    SHARED = auto()  # other processes can reach it


class ShardWriter(Protocol):
    """A ``ShardWriter`` is an agent process's way to one shard.

    Calls may overlap; they share one connection.
    """

    name: str

    async def announce(self, member: Member) -> None:
        """Take (or find again) a slot for ``member``, and record that it holds the slot.

        Idempotent; heals whatever of the member's keys the shard lost. Needed before the first
        :meth:`beat` of a member, and again whenever a beat returns False.
        """

    async def beat(self, beat: Beat) -> bool:
        """Overwrite the member's beat; return False if the shard lost the member.

        Then announce it again. The member is ``beat.member_id``, announced before on this writer.
        """

    async def retire(self, member: Member) -> None:
        """Give up the member's slot and remove all that the shard holds of it. Idempotent."""

    async def renew(self) -> str:
        """Connect to the shard anew, as a new agent would, where that can lead elsewhere.

        Names are looked up again; the old connection serves until the new one was answered, and
        goes on to serve where that fails: raises StoreError. Returns the new address where it is
        another than before, else an empty text.
        """

    async def aclose(self) -> None:
        """Close the connection without waiting for the network."""


@dataclass(frozen=True, slots=True)
class Store:
    """A ``Store`` is the shards of one store URL. Opening one connects to nothing yet.

    Members are placed on shards by their names; but shards that are ``listing`` say themselves who is a
    member in them. Those come last.
    """

    url: str  # for people: without secrets
    shard_names: tuple[str, ...]
    replicas: int
    guarantees: Guarantees
    driver: "Driver" = field(repr=False)
    listing: tuple[int, ...] = ()

    def writer(self, shard: int) -> ShardWriter:
        """Return an agent's way to ``shard_names[shard]``."""
        return self.driver.writer(shard)

    def place(self, member_id: int) -> tuple[int, ...]:
        """Return the shards that a member beats to, best first; ``replicas`` of them.

        None of them is ``listing``: whom such a shard has, it says itself.
        """
        names = self.shard_names[: len(self.shard_names) - len(self.listing)]
        return place(member_id, names, self.replicas)


class Driver(Protocol):
    """A ``Driver`` is what a store module provides; what else it knows is for readers of its shards."""

    def writer(self, shard: int) -> ShardWriter:
        """Return an agent's way to one shard."""


@dataclass(frozen=True, slots=True)
class BothDrivers:
    """A ``BothDrivers`` is a store that agents beat to, and a ``listing`` one that is watched beside it."""

    agents: Store
    listing: Store

    def writer(self, shard: int) -> ShardWriter:
        """Return an agent's way to one shard."""
        store, own = self.shard(shard)
        return store.writer(own)

    def shard(self, shard: int) -> tuple[Store, int]:
        """Return whose shard it is, and its number there."""
        first = len(self.agents.shard_names)
        return (self.agents, shard) if shard < first else (self.listing, shard - first)


def place(member_id: int, shard_names: Sequence[str], replicas: int) -> tuple[int, ...]:
    """Return the indexes of the ``replicas`` shards that rank highest for this member.

    Rendezvous (highest random weight) hashing, Thaler and Ravishankar, 1998: all processes that know
    the same names find the same shards in whatever order they are listed, and a shard that comes or
    goes moves only the members that it gains or loses.
    """
    ranked = sorted(
        range(len(shard_names)),
        key=lambda shard: (weight(shard_seed(shard_names[shard]), member_id), shard_names[shard]),
        reverse=True,
    )
    return tuple(ranked[:replicas])


@lru_cache(1024)
def shard_seed(shard_name: str) -> int:
    """Return the 64-bit number that stands for a shard in :func:`weight`."""
    return int.from_bytes(blake2b(shard_name.encode(), digest_size=8).digest(), "little")


def weight(seed: int, member_id: int) -> int:
    """Return the rank of a shard for a member, 64 bits.

    It is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) over both numbers: the same
    few integer operations serve one member here and a million in NumPy.
    """
    x = seed ^ member_id
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return x ^ (x >> 31)
