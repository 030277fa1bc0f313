"""What is asked of the past of many members, over a real SQLite registry."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from musterd.model import FactsChange, State
from musterd.orders import GroupOrder, Origin, Selector
from musterd_coordinator.service.hindsight import BUCKETS, Hindsight
from tests.unit.bureau import bureau
from tests.unit.stage import host

ANN = Origin("ann", "10.0.0.7", "r1")


async def test_the_fleet_has_a_history_with_zones_and_names_of_who_ordered(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        at.stage.sweep(seated=((2, host("c", zone="z1")), (3, host("d", zone="z2"))))
        at.stage.sweep({2: (7, 1), 3: (7, 1)})
        await at.recorder.flush(patience=0.0)
        await at.office.change_facts("compute", "d", FactsChange(zone="z1"), ANN)
        at.stage.wall += 1.0
        order = GroupOrder(selector=Selector(zone="z1"), disabled=True, reason="rack")
        await at.office.order("compute", order, ANN)
        await at.recorder.flush(patience=0.0)
        page = await at.office.history_page(Hindsight("compute", "z1"), "", 3)
        told = [(one.member, one.reason, one.actor) for one in page.changes]
        assert sorted(told[:2]) == [
            ("c", "operator: disabled: rack", "ann"),
            ("d", "operator: disabled: rack", "ann"),
        ]
        assert told[2] == ("d", "operator: zone set to z1", "ann")
        assert page.next is not None
        rest = await at.office.history_page(Hindsight("compute", "z1"), page.next, 3)
        assert [(one.member, one.new) for one in rest.changes] == [("c", State.UP)]
        assert rest.next is None
        everything = await at.office.history_page(Hindsight(), "", 100)
        assert {one.member for one in everything.changes} == {"a", "c", "d"}
        assert not (await at.office.history_page(Hindsight("nosuch"), "", 100)).changes


async def test_changes_are_counted_by_time(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        await at.recorder.flush(patience=0.0)
        counted = await at.office.history_buckets(Hindsight(), 60)
        assert (counted.step, [one.up for one in counted.buckets]) == (60, [1])
        [bucket] = counted.buckets
        assert bucket.at.timestamp() % 60 == 0
        assert bucket.at <= datetime.fromtimestamp(at.stage.wall, UTC)
        of_old = await at.office.history_buckets(
            Hindsight(until=datetime(2001, 1, 1, tzinfo=UTC)), 60
        )
        assert of_old.buckets == []


@pytest.mark.parametrize(
    "edge",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=23))),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(-timedelta(hours=23))),
        datetime(1969, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
    ],
)
async def test_every_instant_is_taken(tmp_path: Path, edge: datetime) -> None:
    async with bureau(tmp_path) as at:
        await at.recorder.flush(patience=0.0)
        for asked in (
            Hindsight(since=edge),
            Hindsight(until=edge),
            Hindsight(None, None, edge, edge),
        ):
            assert len((await at.office.history_page(asked, "", 10)).changes) in (0, 1)
            counted = await at.office.history_buckets(asked, 1)
            assert len(counted.buckets) <= BUCKETS
        many = await at.office.history_buckets(Hindsight(since=datetime(1970, 1, 1, tzinfo=UTC)), 1)
        assert many.step > 1
