"""However many names anybody invents: those who are there go on, and the others wait."""

import numpy as np
import pytest

from musterd.errors import ConfigError
from musterd.model import METADATA_LIMIT, Member, check_metadata
from musterd.stores.slots.protocol import HOLDER_LIMIT, read_holder, write_holder
from musterd_coordinator.roll.admission import WAITING_LIMIT, Admission
from musterd_coordinator.roll.announcements import AnnouncementPool
from musterd_coordinator.roll.batch import alike
from musterd_coordinator.roll.names import NameIndex
from musterd_coordinator.sweep.base import Roster
from musterd_coordinator.sweep.loop import SweepOutcome
from tests.unit.stage import Stage, told


def crowd(first: int, count: int) -> tuple[tuple[int, Member], ...]:
    return tuple((slot, Member("compute", f"h{slot}")) for slot in range(first, first + count))


def full_stage(limit: int, names: int, waiting: int = WAITING_LIMIT) -> Stage:
    stage = Stage()
    stage.roll.admission = Admission(stage.roll.directory, limit, waiting=waiting)
    stage.sweep(seated=crowd(0, names))
    return stage


def test_newcomers_beyond_the_limit_wait_until_there_is_room() -> None:
    stage = full_stage(10, 15)
    roll = stage.roll
    assert (len(roll.directory), roll.admission.not_seated) == (10, 5)
    assert [hold.members for hold in told(stage).held if hold.kind == "no room"] == [5]
    stage.sweep(dict.fromkeys(range(15), (7, 1)))
    stage.sweep(dict.fromkeys(range(15), (7, 2)))
    assert stage.state("h9") == "up"
    roll.remove([0, 1])
    stage.sweep(vacated=(12,))
    assert (len(roll.directory), roll.admission.not_seated) == (10, 2)
    assert roll.directory.row("compute", "h12") is None
    assert roll.directory.row("compute", "h11") is not None


def test_who_is_known_is_no_newcomer() -> None:
    """It takes its seat, and another one, and tells other facts of itself, however full it is."""
    stage = full_stage(10, 15)
    stage.sweep(seated=((3, Member("compute", "h4", "z2")), (40, Member("compute", "h3"))))
    assert stage.roll.admission.not_seated == 5
    assert stage.roll.view.effective(4).zone == "z2"
    assert stage.roll.shards[0].seats.count == 10


def test_who_waits_and_comes_again_waits_once() -> None:
    stage = full_stage(10, 15)
    stage.sweep(seated=crowd(10, 5))
    assert stage.roll.admission.not_seated == 5


def test_nobody_sits_in_a_slot_beyond_all_measure() -> None:
    """What is kept of slots takes memory for each of those below."""
    stage = Stage()
    stage.sweep(seated=((5, Member("compute", "h5")), (2**31 - 2, Member("compute", "h6"))))
    assert len(stage.roll.directory) == 1
    assert stage.roll.shards[0].seats.count == 1


def test_groups_and_zones_are_bounded_as_well() -> None:
    stage = Stage()
    stage.roll.admission = Admission(stage.roll.directory, groups=3, zones=5)
    invented = [Member(f"g{at}", "x") for at in range(6)]
    zones = [Member("g0", f"h{at}", f"z{at}") for at in range(6)]
    plain = [Member("g1", f"h{at}") for at in range(6)]
    stage.sweep(seated=tuple(enumerate([*invented, *zones, *plain])))
    directory = stage.roll.directory
    assert sorted(directory.groups) == ["g0", "g1", "g2"]
    assert len(directory.zones) == 5
    assert len(directory) == 3 + 2 + 6
    assert stage.roll.admission.not_seated == 3 + 4


def test_what_is_remembered_of_those_who_wait_is_bounded() -> None:
    stage = full_stage(10, 20, waiting=3)
    assert stage.roll.admission.not_seated == 10
    stage.roll.remove(range(10))
    stage.sweep()
    assert len(stage.roll.directory) == 3


def test_metadata_is_counted_in_bytes() -> None:
    assert check_metadata({"k": "x" * 255})
    wide = {f"{at:03}": "\N{GRINNING FACE}" * 255 for at in range(4)}
    assert check_metadata(wide)
    with pytest.raises(ConfigError, match=f"bytes in all; at most {METADATA_LIMIT}"):
        check_metadata(wide | {"more": "\N{GRINNING FACE}" * 255})


def test_the_largest_member_there_may_be_is_read() -> None:
    wide = "\N{GRINNING FACE}" * 255
    keys = [f"{at:04}" for at in range(METADATA_LIMIT // 4)]
    largest = Member("g" * 255, "n" * 255, wide, wide, dict.fromkeys(keys, ""))
    assert read_holder(write_holder(largest)) == largest
    assert len(write_holder(largest)) < HOLDER_LIMIT


def test_all_metadata_together_is_bounded() -> None:
    """Of whoever comes too late none is kept; what is given back makes room."""
    told = AnnouncementPool(room=5000, room_for_each=0)
    members = [Member("g", f"h{at}", metadata={"k": f"{at}" * 200}) for at in range(10)]
    numbers = [told.acquire(member) for member in members]
    kept = [bool(told.member(number, "x").metadata) for number in numbers]
    assert kept == [True] * 8 + [False] * 2
    assert told.numbers(members) == numbers  # so that nobody seems to have changed
    told.release(numbers[0])
    assert told.member(told.acquire(members[9]), "h9") == members[9]


def test_members_who_share_metadata_take_its_room_once() -> None:
    directory = NameIndex()
    members = [Member("g", f"h{at}", metadata={"k": "v" * 200}) for at in range(50)]
    directory._announced = AnnouncementPool(room=1000)
    directory.add(alike(members), np.arange(50))
    assert directory.member(49) == members[49]


def test_a_crowd_of_groups_is_seated_in_small_steps() -> None:
    """A step is for all of a kind, so where each is a kind of its own it has fewer of them."""
    stage = Stage()
    seated = [(slot, Member(f"g{slot}", "x", f"z{slot}")) for slot in range(3000)]
    swept = SweepOutcome(1.0, 1.1, False, "", Roster(seated), None, 0.001, 0.01)
    taken = [stage.roll.shards[0].seats.count for _ in stage.roll.steps(0, swept)]
    assert sorted({0, *taken}) == list(range(0, 3001, 50))
