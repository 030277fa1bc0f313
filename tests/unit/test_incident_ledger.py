"""An incident goes on until its cause is over, and is told only when that lasts."""

from collections.abc import Sequence
from pathlib import Path

import anyio
from anyio.lowlevel import checkpoint
from hypothesis import example, given
from hypothesis import strategies as st

from musterd.incidents import Incident, IncidentKind, IncidentList
from musterd.model import FactsChange, Member
from musterd.testing.busy import in_time
from musterd_coordinator.http.app import make_app
from musterd_coordinator.incidents.circumstances import Circumstances
from musterd_coordinator.incidents.ledger import REMEMBERED, IncidentLedger
from musterd_coordinator.incidents.sighting import Sighting
from musterd_coordinator.judge.members import Code
from musterd_coordinator.service.incidents import IncidentWatch
from musterd_coordinator.steps import whole
from tests.http_calls import ask
from tests.unit.bureau import bureau
from tests.unit.stage import Stage

KIND = IncidentKind

_sightings = st.builds(
    Sighting,
    kind=st.sampled_from([KIND.DEATHS, KIND.MASS_SILENCE, KIND.SLOW_SWEEPS]),
    zone=st.sampled_from(["r1", "r2", "r3"]),
    since=st.none() | st.floats(0, 1000),
    patience=st.sampled_from([0.0, 2.0]),
)
_looks = st.lists(st.lists(_sightings, unique_by=lambda one: one.id, max_size=4), max_size=12)


@given(_looks)
@example([[Sighting(KIND.MASS_SILENCE, zone="r1")], [Sighting(KIND.DEATHS, zone="r1")], []])
def test_an_incident_is_resolved_only_when_its_cause_is_over(
    looks: Sequence[Sequence[Sighting]],
) -> None:
    """What was told goes on exactly while it is found; what was never told leaves no trace."""
    ledger, begun, told = IncidentLedger(), dict[str, int](), set[str]()
    for now, found in enumerate(looks):
        over = {key for key in told if key not in {one.id for one in found}}
        resolved = len(ledger.resolved)
        whole(ledger.enter(found, 2000.0 + now, now))
        assert {one.sighting.id for one in list(ledger.resolved)[resolved:]} == over
        begun = {one.id: begun.get(one.id, now) for one in found}
        told -= over
        told |= {one.id for one in found if now - begun[one.id] >= one.patience}
        assert {one.sighting.id for one in ledger.open} == told
        assert all(one.sighting in found and one.until is None for one in ledger.open)
        assert all(one.since <= 2000.0 + begun[one.sighting.id] for one in ledger.open)
    assert all(one.until is not None and one.until >= one.since for one in ledger.resolved)


def test_since_goes_back_to_the_earliest_that_was_told() -> None:
    ledger = IncidentLedger()
    for since in (100.0, 150.0, None, 90.0):
        whole(ledger.enter([Sighting(KIND.DEATHS, zone="r1", since=since)], 2000.0, 1.0))
        (one,) = ledger.open
        assert one.since == (90.0 if since == 90.0 else 100.0)


def test_what_is_over_is_told_for_an_hour() -> None:
    ledger = IncidentLedger()
    whole(ledger.enter([Sighting(KIND.DEATHS, zone="r1")], 2000.0, 0.0))
    whole(ledger.enter([], 2001.0, 1.0))
    whole(ledger.enter([], 2001.0, 1.0 + REMEMBERED))
    assert len(ledger.resolved) == 1
    whole(ledger.enter([], 2001.0, 2.0 + REMEMBERED))
    assert len(ledger.resolved) == 0


def test_many_are_entered_in_steps() -> None:
    many = [Sighting(KIND.DEATHS, zone=f"z{n}") for n in range(1000)]
    assert len(list(IncidentLedger().enter(many, 1.0, 1.0))) == 2 + 1


class Watched:
    """A zone of ten members that beat or do not, and a watch that looks after each second."""

    def __init__(self) -> None:
        self.stage, self.sequence = Stage(), 0
        self.watch = IncidentWatch(
            self.stage.roll.view,
            lambda: Circumstances("c1", self.stage.roll.view.hearing.shards, 0.5),
        )
        self.stage.sweep()
        hosts = [Member("compute", f"h{n}", zone="rack") for n in range(10)]
        self.stage.sweep(seated=tuple(enumerate(hosts)))

    def sweep(self, times: int, *beating: int) -> list[Incident]:
        for _ in range(times):
            self.sequence += 1
            self.stage.sweep(dict.fromkeys(beating, (7, self.sequence)))
        whole(self.watch.look())
        return list(self.watch.listed.incidents)


def test_a_storm_whose_hold_ended_goes_on_as_deaths() -> None:
    watched = Watched()
    assert watched.sweep(9, *range(10)) == []
    (storm,) = watched.sweep(9, 0)
    assert (storm.kind, storm.count, storm.suspect) == (KIND.MASS_SILENCE, 9, 9)
    assert (storm.group, storm.zone) == ("compute", "rack")
    assert storm.command == "musterd members compute --zone rack --state suspect"
    (deaths,) = watched.sweep(18, 0)
    assert (deaths.kind, deaths.count, deaths.suspect) == (KIND.DEATHS, 9, 0)
    assert (deaths.id, deaths.since) == (storm.id, storm.since)
    assert deaths.newest is not None
    assert deaths.newest > storm.since
    (last,) = watched.sweep(2, *range(9))
    assert (last.id, last.count, last.members) == (storm.id, 1, ("compute/h9",))
    assert watched.watch.listed.resolved == []
    assert watched.sweep(2, *range(10)) == []
    (over,) = watched.watch.listed.resolved
    assert (over.id, over.since) == (storm.id, storm.since)
    assert over.until == watched.watch.listed.at


def test_a_restart_begins_no_incident_of_members_that_are_heard_soon() -> None:
    watched = Watched()
    watched.stage.sweep(proven=False)
    assert watched.sweep(0) == []
    for _ in range(12):
        watched.stage.sweep(proven=False)
        whole(watched.watch.look())
    (one,) = watched.watch.listed.incidents
    assert (one.kind, one.count, one.command) == (KIND.UNHEARD, 10, "musterd status")


async def test_an_operators_order_is_an_incident_until_it_is_taken_back(tmp_path: Path) -> None:
    async with bureau(tmp_path) as here:
        await here.office.change_facts("compute", "a", FactsChange(forced_down=True))
        whole(here.office.watch.look())
        (one,) = here.office.incidents().incidents
        assert (one.kind, one.count, one.members) == (KIND.FORCED_DOWN, 1, ("compute/a",))
        await here.office.change_facts("compute", "a", FactsChange(forced_down=False))
        whole(here.office.watch.look())
        assert here.office.incidents().incidents == []
        body = (await ask(make_app(here.office), "/v1/incidents")).json()
        assert body["incidents"] == []
        assert [each["id"] for each in body["resolved"]] == [one.id]


async def test_the_watch_looks_by_itself(tmp_path: Path) -> None:
    async with bureau(tmp_path) as here, anyio.create_task_group() as tasks:
        watch, before = here.office.watch, here.office.incidents()
        tasks.start_soon(watch.run)
        with in_time(5):
            while watch.listed is before:
                await checkpoint()
        tasks.cancel_scope.cancel()
    assert isinstance(watch.listed, IncidentList)


async def test_who_waits_is_nudged_when_something_else_needs_attention(tmp_path: Path) -> None:
    async with bureau(tmp_path) as here, anyio.create_task_group() as tasks:
        whole(here.office.watch.look())
        before = here.office.incidents().incidents
        whole(here.office.watch.look())
        assert here.office.incidents().incidents is before
        heard = anyio.Event()

        async def wait() -> None:
            version, listed = here.office.version, here.office.incidents
            assert (
                await here.office.wait_version(version, lambda: listed().incidents is not before)
                == version
            )
            heard.set()

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        here.stage.wall += 1
        columns = here.stage.roll.view.surveyed._parts.detector.members
        columns.state[here.stage.roll.view.row("compute", "b")] = Code.DOWN
        assert not heard.is_set()
        whole(here.office.watch.look())
        with in_time(5):
            await heard.wait()
        (one,) = here.office.incidents_of("compute")
        assert (one.kind, one.members) == (KIND.DEATHS, ("compute/b",))
        assert here.office.incidents_of("storage") == []
