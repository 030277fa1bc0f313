"""What the commands of a sweep ask for."""

import numpy as np
import pytest

from musterd.model import Member
from musterd.stores.slots.protocol import Keys
from musterd_coordinator.sweep.slots.slotmap import BLOCK, SlotMap

KEYS = Keys("musterd")


def seated(slots: list[int]) -> SlotMap:
    seats = SlotMap(KEYS)
    members = [Member("compute", f"host-{slot}") for slot in slots]
    identities = np.array([KEYS.identity(member) for member in members], np.uint64)
    seats.seat_newcomers(np.array(slots, np.int64), identities, members, [0] * len(slots))
    return seats


@pytest.mark.parametrize(
    "slots",
    [
        [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK - 1, 2 * BLOCK, 15 * BLOCK, 16 * BLOCK + 7, 40 * BLOCK],
        [*range(3 * BLOCK), 35 * BLOCK],
    ],
    ids=["few of many blocks", "full blocks"],
)
def test_a_sweep_asks_for_the_beat_of_every_slot_that_is_held(slots: list[int]) -> None:
    seats = seated(slots)
    for _ in range(2):  # and so it does at the next one
        blocks = list(seats.blocks())
        assert [slot for block in blocks for slot in block.slots.tolist()] == slots
        asked = [key for block in blocks for key in block.keys]
        assert asked == [KEYS.beat(slot) for slot in slots]
