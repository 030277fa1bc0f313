"""The module has a fleet whose members all sign: each beat with its member's own key, as agents do."""

from hashlib import blake2s

import numpy as np

from benchmarks.fleet import NAMESPACE, Fill, Fleet, Order, Send
from musterd.beat import HEAD, SIGNED
from musterd.keys import (
    DIGEST_SIZE,
    MAC_SIZE,
    announcement_mac,
    challenge_digest,
    member_key,
    new_fleet_key,
)
from musterd.model import Member
from musterd.stores.slots.protocol import write_holder

_RECORD = np.dtype("V64")


class SigningFleet(Fleet):
    """A `SigningFleet` is a :class:`Fleet` with a fleet key, of which each member's own follows."""

    def __init__(self, members: int, interval: float = 10.0, seed: int = 1) -> None:
        super().__init__(members, interval, seed)
        self.fleet_key = new_fleet_key()
        self._keys = [self._key_of(member) for member in self.members(slice(None))]
        self._macs = b"".join(map(self._mac_of, self._keys, self.members(slice(None))))
        self.records["version"] = SIGNED
        self.sign(slice(None), b"")

    def macs(self, at: slice) -> list[bytes | None]:
        """Return the macs of what the members in these rows announce."""
        rows = range(len(self))[at]
        return [self._macs[MAC_SIZE * row : MAC_SIZE * (row + 1)] for row in rows]

    def holders(self, at: slice) -> list[bytes]:
        """Return what stands in the slots of the members in these rows."""
        macs = self.macs(at)
        return [
            write_holder(member, mac or b"")
            for member, mac in zip(self.members(at), macs, strict=True)
        ]

    def sign(self, rows: Order | slice, challenge: bytes) -> None:
        """Sign the newest beats in these rows, for a challenge of this value.

        It is what :meth:`musterd.keys.Seal.record` does, for many at once.
        """
        numbers = np.arange(len(self))[rows]
        announced = np.frombuffer(self._macs, np.uint8).reshape(-1, MAC_SIZE)[numbers]
        signed = self.records[numbers].view(np.uint8).reshape(len(numbers), -1)
        signed[:, HEAD : HEAD + DIGEST_SIZE] = announced[:, :DIGEST_SIZE]
        signed[:, HEAD + DIGEST_SIZE :] = np.frombuffer(challenge_digest(challenge), np.uint8)
        keys = map(self._keys.__getitem__, numbers.tolist())
        pairs = zip(signed.view(_RECORD).ravel().tolist(), keys, strict=True)
        macs = [blake2s(one, key=key, digest_size=MAC_SIZE).digest() for one, key in pairs]
        self.records["mac"][numbers] = np.frombuffer(b"".join(macs), "V16")

    def _key_of(self, member: Member) -> bytes:
        return member_key(self.fleet_key, NAMESPACE, member.group, member.name)

    def _mac_of(self, key: bytes, member: Member) -> bytes:
        return announcement_mac(key, NAMESPACE, member)


class SigningFill:
    """A `SigningFill` signs what it writes into a store, for the challenge that stands there."""

    def __init__(self, fill: Fill, fleet: SigningFleet) -> None:
        self._fill = fill
        self._fleet = fleet

    async def fill(self) -> None:
        """Announce all members and write their first beats."""
        await self._fill.fill()

    async def prepare(self, rows: Order) -> Send:
        """Sign the newest beats of these rows, and make them ready to be written, in this order."""
        self._fleet.sign(rows, await self._fill.challenge())
        return await self._fill.prepare(rows)

    async def challenge(self) -> bytes:
        """Return the challenge; empty where there is none."""
        return await self._fill.challenge()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._fill.aclose()
