"""Those who are read for the first time sit down together, and nobody whom that is not true of."""

from hypothesis import given
from hypothesis import strategies as st

from musterd.model import Member
from musterd.stores.slots.protocol import RETIRED, Keys, write_holder
from musterd_coordinator.sweep.slots.joins import seat_newcomers
from musterd_coordinator.sweep.slots.slotmap import SlotMap

KEYS = Keys("musterd")
MEMBERS = [Member("compute", f"h{number}", "z1") for number in range(6)]
UNREADABLE = [
    None,
    RETIRED,
    b"\xc1",
    write_holder(Member("compute", "no name")),
    write_holder(Member("no group", "h1")),
    write_holder(Member("compute", "h1", zone="z\n")),
    write_holder(Member("compute", "h" * 256)),
    write_holder(Member("compute", "h1", metadata={"rack": "r" * 5000})),
]
values = st.one_of(st.sampled_from(MEMBERS).map(write_holder), st.sampled_from(UNREADABLE))
replies = st.lists(st.dictionaries(st.integers(0, 5000), values, max_size=8), max_size=5)


@given(replies)
def test_whoever_sits_nowhere_gets_a_free_slot_and_the_rest_is_left(
    told: list[dict[int, bytes | None]],
) -> None:
    seats, model = SlotMap(KEYS), dict[int, bytes]()
    for reply in told:
        new = dict[int, bytes]()
        for slot, value in reply.items():
            if value in UNREADABLE or value is None or slot in model:
                continue
            if value not in model.values() and value not in new.values():
                new[slot] = value
        slots, identities, others = seat_newcomers(seats, KEYS, list(reply), list(reply.values()))
        model |= new
        assert slots.tolist() == list(new)
        assert dict(others) == {slot: reply[slot] for slot in reply if slot not in new}
        who = {write_holder(member): member for member in MEMBERS}
        assert identities.tolist() == [KEYS.identity(who[value]) for value in new.values()]
        assert dict(seats.changes(more=False).seated) == {s: who[v] for s, v in new.items()}
        assert len(seats) == len(model)
        assert all(seats.said(slot) == hash(value) for slot, value in model.items())
        assert all(seats.slot_of.get(KEYS.identity(who[v])) == s for s, v in model.items())
