"""However many members or records are odd in the same sweep, the log has one line for all of them."""

from collections.abc import Sequence
from typing import Any

from structlog.testing import capture_logs

from musterd.beat import member_id
from musterd_coordinator.sweep.rows.refused import RefusedRows
from musterd_coordinator.sweep.rows.relays import RelayWatch
from musterd_coordinator.sweep.slots.quarantine import SlotQuarantine
from tests.unit.stage import NAMESPACE, Stage, host


def events(lines: Sequence[Any]) -> list[tuple[str, int]]:
    return [(line["event"], line["count"]) for line in lines if "shard " not in line["event"]]


def test_a_fleet_that_beats_elsewhere_than_was_thought_has_one_line_a_sweep() -> None:
    names = [f"h{number}" for number in range(3000)]
    homes = {member_id(NAMESPACE, "compute", name): (2, 1) for name in names}
    stage = Stage(shards=3, replicas=2, place=homes.__getitem__)
    seated = tuple((slot, host(name)) for slot, name in enumerate(names))
    with capture_logs() as lines:
        stage.sweep(shard=0, seated=seated)
        stage.sweep(shard=0)
        stage.sweep(shard=2, seated=seated)
    assert events(lines) == [("members placed differently", 3000)]
    line = next(line for line in lines if "count" in line)
    assert line["shard"] == "mc1:11211"
    assert line["members"] == "compute/h0, compute/h1, compute/h2 and 2997 more"


def test_known_members_that_move_have_one_line_a_sweep_with_those_who_are_new() -> None:
    stage = Stage(shards=3, replicas=2, place=lambda identity: (0, 1))
    old, new = [[(slot, host(f"h{slot}")) for slot in range(at, at + 900)] for at in (0, 900)]
    stage.sweep(shard=0, seated=tuple(old))
    with capture_logs() as lines:
        stage.sweep(shard=2, seated=(*old, *new))
    assert events(lines) == [("members placed differently", 1800)]


def test_values_that_are_refused_have_one_line_a_sweep() -> None:
    quarantine = SlotQuarantine("mc1:11211")
    with capture_logs() as lines:
        for number in range(100):
            quarantine.refuse("holder", b"k%d" % number, "not JSON")
        assert quarantine.drain().holder == 100
        for number in range(101):
            quarantine.refuse("holder", b"k%d" % number, "not JSON")
        assert quarantine.drain().holder == 101
        quarantine.refuse("holder", b"k0", "not JSON")
        quarantine.drain()
    assert events(lines) == [("values refused", 100), ("values refused", 1)]
    assert lines[0]["first"][:2] == ["holder k0: not JSON", "holder k1: not JSON"]
    assert len(lines[0]["first"]) == 5


def test_rows_that_are_refused_have_one_line_a_reading() -> None:
    refused = RefusedRows("db1:5432")
    with capture_logs() as lines:
        for _ in range(2):
            for slot in range(100):
                refused.add(slot, "a name is too long")
            refused.log()
        refused.accept(7)
        refused.add(7, "a name is too long")
        refused.log()
    assert events(lines) == [("members refused", 100), ("members refused", 1)]
    assert lines[0]["first"][0] == "slot 0: a name is too long"
    assert len(lines[0]["first"]) == 3
    assert len(refused) == 100


def test_rows_of_no_relay_have_one_line_a_sweep() -> None:
    watch = RelayWatch()
    marks = {-slot: b"junk" for slot in range(1, 1001)}
    with capture_logs() as lines:
        for now in (1.0, 2.0):
            assert watch.judge(marks, beats=0, now=now) == ""
    assert events(lines) == [("relay's rows refused", 1000)]
    assert len(lines[0]["slots"]) == 10
