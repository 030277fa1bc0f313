"""The module checks what agents sign before the database is touched, with the fleet key.

A relay does not know which nonces a coordinator drew. It passes the database's challenge on, and takes
beats that were signed for one of the last values that it saw there; whether they are fresh is for
coordinators to say.
"""

from collections import deque

import numpy as np

from musterd.beat import Beat
from musterd.keys import FleetKeys, challenge_digest
from musterd.model import Member
from musterd_coordinator.steps import Steps, whole
from musterd_coordinator.sweep.challenge import REMEMBERED
from musterd_coordinator.sweep.columns import Bools
from musterd_coordinator.sweep.signed import macs
from musterd_coordinator.sweep.signed.macs import (
    NO_KEY,
    PORTION,
    RECORD_WORDS,
    SEAL_WORDS,
    Words,
)
from musterd_coordinator.sweep.signed.signing import KEYS, Signing

SEALS = KEYS * SEAL_WORDS
"""Words of what the records of one member are checked with."""

_WORD = np.dtype("<u8")


class RelayChecks:
    """A `RelayChecks` says whose announcements and beats were signed with their keys."""

    def __init__(self, signing: Signing) -> None:
        self._signing = signing
        self._seen: deque[bytes] = deque(maxlen=REMEMBERED)  # newest first

    @property
    def keys(self) -> FleetKeys:
        """Return the keys that are checked with; :meth:`seals` follow from them."""
        return self._signing.keys

    def adopt(self, keys: FleetKeys) -> None:
        """Check with these ``keys`` from now on."""
        self._signing.keys = keys

    def saw(self, value: bytes) -> None:
        """Note that this is the database's challenge."""
        digest = challenge_digest(value)
        if not self._seen or self._seen[0] != digest:
            self._seen.appendleft(digest)

    def sign_mark(self, beat: Beat, slot: int) -> bytes:
        """Return the record of this relay's own row in ``slot``."""
        return self._signing.sign_mark(beat, slot, next(iter(self._seen), challenge_digest(b"")))

    def fault(self, member: Member, mac: bytes) -> str:
        """Return why an announcement with this ``mac`` is not the member's; empty if it is."""
        return self._signing.fault(member, mac)

    def seals(self, member: Member) -> bytes:
        """Return what records of ``member``, with these facts, are checked with."""
        return self._signing.seals(member)

    def fits(self, record: bytes, seals: bytes) -> bool:
        """Say whether one ``record`` of 64 bytes was signed with one of these ``seals``."""
        records = np.frombuffer(record, _WORD).reshape(RECORD_WORDS, 1)
        columns = np.frombuffer(seals, _WORD).reshape(SEALS, 1)
        return bool(whole(self.check(records, columns))[0])

    def check(self, records: Words, seals: Words) -> Steps[Bools]:
        """Return which of ``records`` (8, n) are good, in steps.

        ``seals`` (SEALS, n) are those of their members.
        """
        signed = macs.are_signed(records)
        good: Bools = ~signed & (not self._signing.required)
        left, keys = np.flatnonzero(signed), len(self._signing.keys.given())
        by_key = seals.reshape(KEYS, SEAL_WORDS, -1)[:keys]
        for begin in range(0, len(left), PORTION):
            some = left[begin : begin + PORTION]
            first = np.zeros(len(some), np.int64)
            challenges = tuple(self._seen)
            found = yield from macs.find_keys(
                records[:, some], by_key[:, :, some], challenges, first
            )
            good[some] = found != NO_KEY
        return good
