"""A table of keys and values, agents that beat to it, a coordinator's reader, and junk for it."""

from contextlib import suppress
from struct import pack_into

import msgspec
from hypothesis import strategies as st

from musterd.beat import SIZE, Beat, pack
from musterd.errors import StoreError
from musterd.keys import Keyring
from musterd.model import Member
from musterd.stores.slots.protocol import SLOT_LIMIT, Keys, write_holder, write_slots
from musterd.stores.slots.writer import SlotWriter
from musterd.stores.table.store import TableConnection
from musterd.stores.table.table import Table
from musterd_coordinator.sweep.columns import Rejected
from musterd_coordinator.sweep.slots.reader import SlotReader
from musterd_coordinator.sweep.table import TableBulk

KEYS = Keys("fleet")
GOOD = [Member("compute", f"host-{number}") for number in range(6)]
BAD_UTF8 = b"\x82\xa5group\xa7compute\xa4name\xa2\xff\xfe"
NESTED = b"\x83\xa5group\xa7compute\xa4name\xa1x\xa1y" + b"\x91" * 2000 + b"\xc0"
HUGE_COUNT = b"9" * 5000
ROUNDS_TO_HEAL = 6


class World:
    """A table, the agents of GOOD and a coordinator's reader; a round is a beat of all and a sweep.

    Slots beyond reason begin at ``room``: soon, so that to read all below them takes no time.
    """

    def __init__(self, room: int = 6000, keyring: Keyring | None = None) -> None:
        self.table = Table()
        self.now = 1
        self._writer = SlotWriter(self._connect(), "fleet", 60.0, 600.0, keyring)
        self.reader = SlotReader(
            self._connect(), TableBulk(self.table), "fleet", "c1", 60.0, 600.0, room=room
        )
        self.seats: dict[int, Member] = {}
        self.rejected = Rejected()

    def _connect(self) -> TableConnection:
        return TableConnection("table", self.table)

    async def round(self, silent: Member | None = None) -> set[str]:
        """Whose new beats a complete sweep brought."""
        self.now += 1
        for member in GOOD:
            if member != silent:
                await self.beat(member)
        await self.reader.write_canary(Beat(1, 1, self.now, 1000))
        roster = await self.reader.roster()
        assert not roster.more
        for slot in roster.vacated:
            self.seats.pop(slot, None)
        self.seats |= dict(roster.seated)
        sweep = await self.reader.sweep()
        assert sweep.complete
        assert sweep.canary is not None
        self.rejected += sweep.rejected
        news = sweep.beats.where(sweep.beats.sequence == self.now)
        return {self.seats[slot].name for slot in news.slot.tolist()}

    async def beat(self, member: Member) -> None:
        beat = Beat(KEYS.identity(member), 7, self.now, 1000)
        with suppress(StoreError):  # as an agent does: its next beat is the next try
            if not await self._writer.beat(beat):
                await self._writer.announce(member)
                await self._writer.beat(beat)

    def value(self, key: bytes) -> bytes | None:
        item = self.table.get((key,))[0]
        return None if item is None else item.value


def spoiled_record() -> bytes:
    record = bytearray(pack(Beat(KEYS.identity(GOOD[0]), 7, 5, 1000)))
    pack_into("<Q", record, 24, 2**64 - 1)
    return bytes(record)


slots = st.one_of(st.integers(0, 8), st.integers(0, 150), st.sampled_from([5000, SLOT_LIMIT - 1]))
names = st.one_of(
    st.builds(KEYS.holder, slots),
    st.builds(KEYS.beat, slots),
    st.sampled_from([KEYS.index(KEYS.identity(member)) for member in GOOD]),
    st.sampled_from([KEYS.counter, KEYS.free, KEYS.challenge]),
)


contents = st.one_of(
    st.binary(max_size=100),
    st.binary(min_size=SIZE, max_size=SIZE),
    st.sampled_from([b"", BAD_UTF8, NESTED, HUGE_COUNT, b"\xc0", b"\xc1", spoiled_record()]),
    st.sampled_from([*GOOD, Member("other", "stranger"), Member("", "")]).map(write_holder),
    st.sampled_from(GOOD).map(lambda member: write_holder(member, bytes(16))),
    st.lists(slots, max_size=3).map(lambda some: write_slots(*some)),
    st.integers(0, 2 * SLOT_LIMIT).map(b"%d".__mod__),
    st.recursive(st.none() | st.text(max_size=4), lambda s: st.lists(s, max_size=3)).map(
        msgspec.msgpack.encode
    ),
)
