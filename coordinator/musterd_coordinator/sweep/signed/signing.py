"""The module has a coordinator's keys, and what of it all its shards share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hmac import compare_digest

import numpy as np
from numpy.typing import NDArray

from musterd.beat import HEAD, SIGNED, Beat, head, member_digests, member_id
from musterd.keys import (
    DIGEST_SIZE,
    FleetKeys,
    announcement_mac,
    beat_mac,
    member_key,
    relay_key,
)
from musterd.model import Member
from musterd_coordinator.sweep.challenge import NONCE_LIFE, Challenge

BEATS_TO_RETURN = 3
"""Beats of a run that ended, each after all that were seen of it, that make it a run of now again."""

MOST_ENDED = 1 << 18
"""Runs that ended and are remembered: the newest."""

KEYS = 2
"""Seals of each member: for the key in force and the one before. Where there is one key, they are alike."""

MembersIn = Callable[[str, Sequence[int]], Sequence[Member | None]]

_WORD = np.dtype("<u8")
_NO_FACTS = bytes(DIGEST_SIZE)


class EndedRuns:
    """These are the runs of agents that ended, while records of theirs may still be fresh.

    A record of such a run is no restart. Where two agents beat under one name, each ends the other's
    run; when one of them is gone, the other shows that it is alive by :data:`BEATS_TO_RETURN` beats,
    which nobody without its key has: of a run that ended, a beat or two may never have been seen.
    """

    def __init__(self, lasting: Callable[[], float], most: int = MOST_ENDED) -> None:
        self._lasting = lasting
        self._most = most
        self._runs: dict[tuple[int, int], _Ended] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, identity: int, run: int, sequence: int, now: float) -> None:
        """Note that the member's ``run`` ended with this ``sequence``, at ``now`` monotonic seconds."""
        self._runs.pop((identity, run), None)
        self._runs[identity, run] = _Ended(sequence, now)
        self._forget(now - self._lasting())

    def is_over(self, identity: int, run: int, sequence: int) -> bool:
        """Say whether a beat is of a run that ended, and does not show that it goes on."""
        ended = self._runs.get((identity, run))
        if ended is None:
            return False
        if sequence > ended.sequence:
            ended.sequence = sequence
            ended.beats += 1
        if ended.beats < BEATS_TO_RETURN:
            return True
        del self._runs[identity, run]
        return False

    def _forget(self, before: float) -> None:
        while len(self._runs) > self._most or next(iter(self._runs.values())).at < before:
            del self._runs[next(iter(self._runs))]


@dataclass(slots=True)
class _Ended:
    sequence: int  # the highest that was seen
    at: float
    beats: int = 0  # since then, each after all others


class Signing:
    """A `Signing` has the keys of one namespace, and says whether everything must be signed.

    ``keys`` are tried in their order; others may take their place at any time, which each shard
    follows with its next sweep. ``members_in`` returns who is seated in slots of a shard, by its
    name. What is remembered of runs is shared by all shards. ``down_time()`` is in seconds.
    """

    def __init__(
        self,
        keys: FleetKeys,
        namespace: str,
        coordinator: str,
        *,
        required: bool,
        down_time: Callable[[], float],
        members_in: MembersIn = lambda shard, slots: [None] * len(slots),
    ) -> None:
        self.required = required
        self.keys = keys
        self.members_in = members_in
        self._namespace = namespace
        self._coordinator = coordinator
        self._down_time = down_time
        self.ended = EndedRuns(lambda: 2 * NONCE_LIFE * down_time())

    def challenge(self) -> Challenge:
        """Return the nonces of another shard."""
        return Challenge(self._coordinator, self._down_time)

    def grace(self) -> float:
        """Return for how many seconds without a beat a member is left where it beat last."""
        return self._down_time()

    def identity(self, member: Member) -> int:
        """Return the member_id of ``member``."""
        return member_id(self._namespace, member.group, member.name)

    def identities(self, members: Sequence[Member]) -> NDArray[np.uint64]:
        """Return those of n ``members``."""
        return np.frombuffer(b"".join(member_digests(self._namespace, members)), _WORD)

    def seals(self, member: Member, keys: FleetKeys | None = None) -> bytes:
        """Return what records of ``member``, with these facts, are checked with, by each of ``keys``.

        They are those in force, if none are given.
        """
        seals = []
        for fleet_key in (keys or self.keys).given():
            key = member_key(fleet_key, self._namespace, member.group, member.name)
            mac = announcement_mac(key, self._namespace, member)
            seals.append(key + mac[:DIGEST_SIZE])
        return b"".join(seals) * (KEYS // len(seals))

    def sign_mark(self, beat: Beat, slot: int, challenge: bytes) -> bytes:
        """Return the record of a relay's own row in ``slot``, for a challenge with this digest."""
        record = head(beat, SIGNED)
        key = relay_key(self.keys.current, self._namespace, str(slot))
        return record + beat_mac(key, record, _NO_FACTS, challenge)

    def fits_mark(self, slot: int, record: bytes, challenges: Sequence[bytes]) -> bool:
        """Say whether a relay with the fleet key wrote ``record`` there, for one of ``challenges``."""
        keys = [relay_key(key, self._namespace, str(slot)) for key in self.keys.given()]
        macs = (
            beat_mac(key, record[:HEAD], _NO_FACTS, challenge)
            for challenge in challenges
            for key in keys
        )
        return any(compare_digest(mac, record[HEAD:]) for mac in macs)

    def fault(self, member: Member, mac: bytes) -> str:
        """Return why an announcement with this ``mac`` is not the member's; empty if it is."""
        if not mac:
            return "it is not signed" if self.required else ""
        for fleet_key in self.keys.given():
            key = member_key(fleet_key, self._namespace, member.group, member.name)
            if compare_digest(announcement_mac(key, self._namespace, member), mac):
                return ""
        return "its mac is not that of its member's key"


def as_columns(seals: bytes) -> NDArray[np.uint64]:
    """Return the seals of n members, end to end, as (KEYS, 3, n)."""
    columns: NDArray[np.uint64] = (
        np.frombuffer(seals, _WORD).reshape(-1, KEYS, 3).transpose(1, 2, 0)
    )
    return columns
