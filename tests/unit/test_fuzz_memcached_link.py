"""Any bytes, in any pieces, from the other end of a coordinator's connection."""

import asyncio
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from musterd.beat import Beat, pack
from musterd.errors import StoreError
from musterd.stores.slots.protocol import Keys
from musterd_coordinator.sweep.memcached.connection import BulkConnection
from musterd_coordinator.sweep.memcached.replies import BeatsReply
from musterd_coordinator.sweep.memcached.values import BulkReply, ValuesReply
from musterd_coordinator.sweep.slots.slotmap import Block
from tests.examples import examples

KEYS = Keys("fleet")
SLOTS = range(4)
LARGEST = 2 << 20  # bytes of the buffer


class Transport(asyncio.Transport):
    """Notes what becomes of it, and whether that was while it was handing over data."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = self.aborted = self.aborted_while_busy = False

    def write(self, data: object) -> None:
        """Forget it."""

    def pause_reading(self) -> None:
        """Nothing to pause."""

    def resume_reading(self) -> None:
        """Nothing to resume."""

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True
        self.aborted_while_busy |= self.busy


def replies() -> list[BulkReply]:
    block = Block(np.array(SLOTS), b"".join(KEYS.beat(slot) + b" " for slot in SLOTS))
    values = ValuesReply("mc", [KEYS.holder(slot) for slot in SLOTS])
    return [values, BeatsReply("mc", block, KEYS.beat_prefix)]


def value(key: bytes, data: bytes, flags: int = 0) -> bytes:
    return b"VALUE %b %d %d\r\n%b\r\n" % (key, flags, len(data), data)


keys = st.builds(
    lambda kind, slot: kind(slot), st.sampled_from([KEYS.holder, KEYS.beat]), st.integers(0, 5)
)
contents = st.one_of(
    st.binary(max_size=90),
    st.builds(lambda slot: pack(Beat(slot + 1, 7, 9, 1000)), st.integers(0, 5)),
    st.sampled_from([70_000, 600_000]).map(bytes),
)
pieces = st.one_of(
    st.builds(value, keys, contents, st.sampled_from([0, 0, 0, 7])),
    st.sampled_from(
        [b"END\r\n", b"END\r\n", b"\r\n", b"VALUE ", b"SERVER_ERROR x\r\n", bytes(3000)]
    ),
    st.binary(max_size=60),
    st.integers(0, 10**10).map(lambda size: b"VALUE %b 0 %d\r\n" % (KEYS.holder(1), size)),
)


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(pieces, max_size=12), st.lists(st.integers(1, 500_000), max_size=8))
def test_any_answer_ends_well(pieces: Sequence[bytes], cuts: Sequence[int]) -> None:
    asyncio.run(answer(b"".join(pieces), cuts))


async def answer(data: bytes, cuts: Sequence[int]) -> None:
    link, transport = BulkConnection("mc"), Transport()
    link.connection_made(transport)
    asked = [asyncio.ensure_future(link.call(b"get\r\n", reply)) for reply in replies()]
    await asyncio.sleep(0)
    for end in [*sorted(cut for cut in cuts if cut < len(data)), len(data)]:
        while data and end:
            room = link.get_buffer(-1)
            assert len(room) > 0
            assert len(link._view) <= LARGEST
            size = min(len(room), end, len(data))
            room[:size] = data[:size]
            transport.busy = True
            link.buffer_updated(size)
            transport.busy = False
            data, end = data[size:], end - size  # noqa: PLW2901  # what is left of it
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert transport.aborted == (not link.is_usable)
    assert not transport.aborted_while_busy
    link.connection_lost(None)
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert all(each is None or isinstance(each, StoreError) for each in outcomes)
