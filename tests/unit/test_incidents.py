"""What needs attention: each member in trouble is counted once, and nothing is lost."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musterd.beat import Status
from musterd.incidents import IncidentKind
from musterd.model import State
from musterd.status import PeerStatus
from musterd_coordinator.incidents import circumstances
from musterd_coordinator.incidents.circumstances import MANY_UNSAVED, OLD_FACTS, Circumstances
from musterd_coordinator.incidents.gathering import FEW_ENOUGH, SHOWN
from musterd_coordinator.incidents.sighting import Sighting
from musterd_coordinator.incidents.survey import FEW, survey
from musterd_coordinator.judge.members import Code
from musterd_coordinator.roll.verdicts import DISABLED, FORCED_DOWN
from musterd_coordinator.steps import whole
from tests.examples import examples
from tests.unit.troubled import Troubled, a_shard, as_incidents, found_in, stage_of

KIND = IncidentKind
SILENT = (KIND.MASS_SILENCE, KIND.DEATHS)
Fleet = Sequence[tuple[str, Troubled]]

_members = st.builds(
    Troubled,
    group=st.sampled_from(["compute", "storage"]),
    zone=st.sampled_from(["", *(f"r{n}" for n in range(8))]),
    state=st.sampled_from([code for code in Code if code is not Code.FREE]),
    status=st.sampled_from(Status),
    orders=st.integers(0, DISABLED | FORCED_DOWN),
    conflict=st.booleans(),
    shard=st.integers(0, 1),
    since=st.floats(0, 1e9),
)
fleets = st.lists(_members, max_size=40).map(
    lambda members: [(f"h{number}", one) for number, one in enumerate(members)]
)
both = st.tuples(st.booleans(), st.booleans())


def kind_of(one: Troubled, listening: Sequence[bool]) -> IncidentKind | None:
    """Say in other words than the survey what a member is counted for."""
    if one.state is Code.LEFT:
        return None
    if one.orders & FORCED_DOWN:
        return KIND.FORCED_DOWN
    if one.state is Code.DOWN:
        return KIND.FAILING_CHECKS if one.status is Status.CHECK_FAILING else KIND.DEATHS
    if one.state is Code.SUSPECT:
        return KIND.DEATHS  # it is told with the deaths of its zone
    if not listening[one.shard]:
        return KIND.UNHEARD
    return KIND.CONFLICT if one.conflict else None


@settings(max_examples=examples(100))
@given(fleets, both)
def test_whoever_is_in_trouble_is_in_exactly_one_sighting(
    fleet: Fleet, listening: tuple[bool, bool]
) -> None:
    """So is every member that is down and was not told by an operator."""
    found = found_in(fleet, listening)
    counted = {
        (KIND.DEATHS if one.kind in SILENT else one.kind, one.group, one.zone): one.count
        for one in found
    }
    assert len(counted) == len(found)
    expected = Counter((kind_of(one, listening), one.group, one.zone) for _, one in fleet)
    assert counted == {place: count for place, count in expected.items() if place[0] is not None}


@settings(max_examples=examples(100))
@given(fleets)
def test_a_zone_with_suspects_is_a_mass_silence_and_one_without_has_deaths(fleet: Fleet) -> None:
    suspects = Counter(
        (one.group, one.zone)
        for _, one in fleet
        if one.state is Code.SUSPECT and not one.orders & FORCED_DOWN
    )
    for one in found_in(fleet):
        if one.kind in SILENT:
            assert one.suspect == suspects[one.group, one.zone or ""]
            assert one.kind is SILENT[one.suspect == 0]


@settings(max_examples=examples(100))
@given(fleets, both)
def test_since_and_newest_are_those_of_its_members(
    fleet: Fleet, listening: tuple[bool, bool]
) -> None:
    for one in found_in(fleet, listening):
        if one.kind is KIND.UNHEARD:
            assert (one.since, one.newest) == (500.0, 500.0)
        elif one.kind in (KIND.CONFLICT, KIND.FORCED_DOWN):
            assert (one.since, one.newest) == (None, None)
        else:
            theirs = [
                each.since
                for _, each in fleet
                if (each.group, each.zone) == (one.group, one.zone)
                and kind_of(each, listening)
                is (KIND.FAILING_CHECKS if one.kind is KIND.FAILING_CHECKS else KIND.DEATHS)
            ]
            assert (one.since, one.newest) == (min(theirs), max(theirs))


@settings(max_examples=examples(100))
@given(fleets, both)
def test_a_sighting_names_a_few_of_its_own_members(
    fleet: Fleet, listening: tuple[bool, bool]
) -> None:
    by_name = {f"{one.group}/{name}": one for name, one in fleet}
    for one in found_in(fleet, listening):
        assert len(set(one.members)) == len(one.members) == min(FEW, one.count)
        assert {by_name[name].zone for name in one.members} == {one.zone}


@settings(max_examples=examples(100))
@given(fleets.flatmap(lambda fleet: st.tuples(st.just(fleet), st.permutations(fleet))), both)
def test_ids_do_not_depend_on_the_order_of_what_happened(
    orders: tuple[Fleet, Fleet], listening: tuple[bool, bool]
) -> None:
    one, other = (found_in(fleet, listening) for fleet in orders)
    assert {each.id for each in one} == {each.id for each in other}
    assert len({each.id for each in one}) == len(one)


@settings(max_examples=examples(100))
@given(fleets, both)
def test_gathering_loses_no_count_and_no_zone(fleet: Fleet, listening: tuple[bool, bool]) -> None:
    found = found_in(fleet, listening)
    told = as_incidents(found)
    for kind in KIND:
        before = [one for one in found if one.kind is kind]
        after = [one for one in told if one.kind is kind]
        assert sum(one.count for one in after) == sum(one.count for one in before)
        assert sum(one.suspect for one in after) == sum(one.suspect for one in before)
        assert sum(one.zones for one in after) == len(before)
        alone = [part for one in after for part in (one.parts or [one])]
        assert {part.id for part in alone} == {one.id for one in before}
    ids = [each.id for one in told for each in (one, *one.parts)]
    assert len(set(ids)) == len(ids)
    assert [one.kind for one in told] == sorted((one.kind for one in told), key=list(KIND).index)


def zones(count: int, group: str = "compute") -> list[Sighting]:
    return [
        Sighting(
            KIND.DEATHS, group, f"r{n}", count=n + 1, members=[f"{group}/h{n}"], since=100.0 + n
        )
        for n in range(count)
    ]


def test_few_stand_alone_and_many_are_one_line_that_opens() -> None:
    assert len(as_incidents(zones(FEW_ENOUGH))) == FEW_ENOUGH
    (one,) = as_incidents(zones(51))
    assert (one.count, one.zones, len(one.parts), one.group, one.zone) == (
        1326,
        51,
        51,
        "compute",
        None,
    )
    assert one.what == "1326 of compute in 51 zones are down"
    assert one.command == "musterd members compute --state down"
    assert one.members == ["compute/h50", "compute/h49", "compute/h48"]
    assert (one.since.timestamp(), one.parts[0].count) == (100.0, 51)
    (most,) = as_incidents(zones(3 * SHOWN))
    assert (most.zones, len(most.parts), most.parts[0].count) == (3 * SHOWN, SHOWN, 3 * SHOWN)


def test_many_groups_are_one_line_too() -> None:
    found = [one for n in range(9) for one in zones(FEW_ENOUGH - (n > 3), f"g{n}")]
    (one,) = as_incidents(found)
    assert (one.group, one.count, one.zones) == ("", sum(each.count for each in found), len(found))
    assert one.what == f"{one.count} in {one.zones} zones of 9 groups are down"
    assert one.command == "musterd groups"
    many = [one for n in range(SHOWN + 1) for one in zones(FEW_ENOUGH + 2, f"g{n}")]
    (one,) = as_incidents(many)
    assert (one.zones, len(one.parts), len(one.parts[0].parts)) == (len(many), SHOWN, FEW_ENOUGH)


@pytest.mark.parametrize(
    ("zone", "command"),
    [
        ("r1", "musterd members compute --zone r1 --state down"),
        ("", "musterd members compute --state down"),
        ("hall 2; rm", "musterd members compute --zone 'hall 2; rm' --state down"),
        ("-r1", "musterd members compute --zone=-r1 --state down"),
    ],
)
def test_a_command_is_one_for_a_shell(zone: str, command: str) -> None:
    (one,) = as_incidents([Sighting(KIND.DEATHS, "compute", zone, count=1)])
    assert one.command == command


def test_one_member_is_told_of_as_one() -> None:
    found = [Sighting(kind, "compute", "r1", count=1, suspect=1) for kind in KIND]
    said = {one.kind: one.what for one in as_incidents(found)}
    assert said[KIND.DEATHS] == "1 of compute in r1 is down"
    assert said[KIND.UNHEARD].startswith("1 of compute in r1 is heard nowhere: ")
    assert said[KIND.MASS_SILENCE].endswith(" is suspect: too much of a zone went at once")
    partly = Sighting(KIND.MASS_SILENCE, "compute", "r1", count=5, suspect=3)
    assert as_incidents([partly])[0].what.endswith("at once; 2 of these down by now")


def test_who_was_forgotten_while_the_survey_went_on_is_not_named() -> None:
    stage = stage_of([("a", Troubled(state=Code.DOWN)), ("b", Troubled(state=Code.DOWN))])
    steps = survey(stage.roll.view.surveyed, [a_shard()])
    next(steps)
    row = stage.roll.view.row("compute", "a")
    assert row is not None
    stage.roll.remove([row], 1, "operator: forgotten")
    (one,) = whole(steps)
    assert (one.count, one.members) == (2, ("compute/b",))


def test_a_member_of_a_zone_that_came_meanwhile_is_left_to_the_next_survey() -> None:
    stage = stage_of([("a", Troubled(state=Code.DOWN))])
    steps = survey(stage.roll.view.surveyed, [a_shard()])
    columns = stage.roll.view.surveyed._parts.detector.members
    columns.zone[stage.roll.view.row("compute", "a")] = 7
    assert whole(steps) == []


def test_all_steps_of_a_large_survey_are_small() -> None:
    fleet = [(f"h{n}", Troubled(zone=f"z{n}", state=Code.DOWN)) for n in range(1000)]
    steps = list(survey(stage_of(fleet).roll.view.surveyed, [a_shard()]))
    assert len(steps) == 1 + 10  # one of rows, and 100 sightings in each


def peer(*, differs: bool, name: str = "c2") -> PeerStatus:
    return PeerStatus(name, 1.0, True, {State.UP: 3, State.DOWN: 0}, differs)


def test_a_coordinator_that_is_well_finds_nothing_of_itself() -> None:
    well = Circumstances("c1", [a_shard()], 1.0, facts_age=OLD_FACTS, unsaved=MANY_UNSAVED)
    assert list(circumstances.found_in(well._replace(peers=[peer(differs=False)]))) == []


@pytest.mark.parametrize(
    ("amiss", "kind", "words"),
    [
        ({"registry_reason": "no answer"}, KIND.REGISTRY_BEHIND, "0 changes are not in the registry yet: no"),
        ({"facts_age": 31.0}, KIND.REGISTRY_BEHIND, "not heard for 31 s"),
        ({"unsaved": MANY_UNSAVED + 1}, KIND.REGISTRY_BEHIND, "10001 changes are not in"),
        ({"peers": [peer(differs=True)]}, KIND.COORDINATORS_DISAGREE, "c2 counts members otherwise: it"),
        (
            {"shards": [a_shard(sweep_seconds=4.5)]},
            KIND.SLOW_SWEEPS,
            "sweeps of mc1 take longer than their period: 4.5 s at a period of 1 s",
        ),
        (
            {"shards": [a_shard(listening=False, reason="away", sweep_seconds=9.0)], "shards_away": ["mc1"]},
            KIND.REDUNDANCY_LOST,
            "mc1 is not listening, and covered by others: away",
        ),
    ],
)  # fmt: skip
def test_what_is_amiss_with_a_coordinator(
    amiss: dict[str, object], kind: IncidentKind, words: str
) -> None:
    now = Circumstances("c1", [a_shard()], 1.0)._replace(**amiss)  # type: ignore[arg-type]  # as the field
    (one,) = circumstances.found_in(now)
    (told,) = as_incidents([one])
    assert told.kind is one.kind is kind
    assert words in told.what
    assert one.patience > 0
    assert told.next.endswith(".")
    assert told.command == "musterd status"


def test_two_coordinators_name_their_quarrel_alike() -> None:
    (one,) = circumstances.found_in(Circumstances("c1", [], 1.0, peers=[peer(differs=True)]))
    theirs = Circumstances("c2", [], 1.0, peers=[peer(differs=True, name="c1")])
    (other,) = circumstances.found_in(theirs)
    assert (one.id, one.scope, other.scope) == (other.id, "c2", "c1")


def test_many_shards_are_one_line() -> None:
    shards = [a_shard(f"mc{n}", sweep_seconds=4.5) for n in range(6)]
    (told,) = as_incidents(list(circumstances.found_in(Circumstances("c1", shards, 1.0))))
    assert told.what == "sweeps of 6 shards take longer than their period"
    assert (told.count, told.zones, len(told.parts)) == (18, 0, 6)
