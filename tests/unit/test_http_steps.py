"""No answer takes the loop for long, however many members, groups and zones there are.

Work is counted, not timed: what is looked at one by one between two steps.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import numpy as np
import pytest

import musterd_coordinator.http.listing as listing_module
import musterd_coordinator.http.metrics as metrics_module
import musterd_coordinator.service.queries as answers_module
from musterd.answers import GroupList
from musterd.model import Facts, Member, State
from musterd_coordinator.http import make_app
from musterd_coordinator.http.listing import Listing
from musterd_coordinator.judge.members import Code
from musterd_coordinator.judge.transitions import Cause
from musterd_coordinator.roll import tally
from musterd_coordinator.roll.names import NameIndex
from musterd_coordinator.roll.storms import SHOWN
from musterd_coordinator.roll.verdicts import FORCED_DOWN
from musterd_coordinator.service.paging import AT_ONCE, FEW
from musterd_coordinator.service.queries import GROUPS_AT_ONCE, MEMBERS_AT_ONCE, VERDICTS_AT_ONCE
from musterd_coordinator.service.selection import Filters
from musterd_coordinator.service.summaries import AT_ONCE as AT_ONCE_SUMMED
from musterd_coordinator.steps import Steps, whole
from tests.http_desk import DictDesk
from tests.unit.stage import Stage

MEMBERS = 3 * FEW


def fleet(group_of: Callable[[int], str], zone_of: Callable[[int], str]) -> Stage:
    stage = Stage()
    stage.sweep()
    members = [Member(group_of(n), f"h{n * 7 % MEMBERS:05}", zone_of(n)) for n in range(MEMBERS)]
    stage.sweep(seated=tuple(enumerate(members)))
    stage.roll.detector.members.state[:MEMBERS] = Code.UP
    stage.roll.changes.notice()
    stage.roll.changes.publish()
    return stage


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch, *where: tuple[object, str]) -> Iterator[list[int]]:
    """How often these are called since the last look."""
    calls = [0]
    with monkeypatch.context() as patch:
        for owner, name in where:
            plain = getattr(owner, name)

            def counted(*given: object, plain: Callable[..., object] = plain) -> object:
                calls[0] += 1
                return plain(*given)

            patch.setattr(owner, name, counted)
        yield calls


def largest(steps: Steps[object], calls: list[int]) -> int:
    """The most calls in one step."""
    most = 0
    while True:
        calls[0] = 0
        try:
            next(steps)
        except StopIteration:
            return max(most, calls[0])
        most = max(most, calls[0])


@pytest.mark.parametrize(
    "filters", [Filters(), Filters(state=State.UP), Filters(up=True), Filters(zone="z1")]
)
@pytest.mark.parametrize("after", ["", "h03000"])
def test_a_page(monkeypatch: pytest.MonkeyPatch, filters: Filters, after: str) -> None:
    stage = fleet(lambda n: "g", lambda n: f"z{n % 2}")
    answers = stage.answers
    with counting(monkeypatch, (answers, "_answer")) as calls:
        assert (
            0 < largest(answers.members_steps("g", filters, after, 1000), calls) <= MEMBERS_AT_ONCE
        )
    page = whole(answers.members_steps("g", filters, after, 1000))
    everyone = [f"h{n * 7 % MEMBERS:05}" for n in range(MEMBERS) if not filters.zone or n % 2]
    wanted = sorted(name for name in everyone if name > after)
    assert [one.member for one in page.members] == wanted[:1000]


def test_names_are_looked_at_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = fleet(lambda n: "g", lambda n: "z")
    stage.roll.detector.members.state[FEW // 2 :] = Code.DOWN
    sizes: list[int] = []
    plain = NameIndex.rows

    def rows(self: NameIndex, group: str, members: list[str]) -> object:
        sizes.append(len(members))
        return plain(self, group, members)

    monkeypatch.setattr(NameIndex, "rows", rows)
    whole(stage.answers.members_steps("g", Filters(state=State.DOWN), "", 1000))
    assert max(sizes) <= AT_ONCE


def test_groups_and_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = fleet(lambda n: f"g{n % 1000}", lambda n: f"z{n % 7}")
    with counting(monkeypatch, (answers_module, "_summary")) as calls:
        assert largest(stage.answers.groups_steps(), calls) == GROUPS_AT_ONCE
    stage = fleet(lambda n: "g", lambda n: f"z{n % 1000}")
    with counting(monkeypatch, (tally, "states")) as calls:
        assert largest(stage.answers.group_steps("g"), calls) <= GROUPS_AT_ONCE + 1
    assert len(stage.answers.group("g").zones) == 1000


def test_a_snapshot() -> None:
    stage = fleet(lambda n: f"g{n % 100}", lambda n: "z")
    sizes = [sum(map(len, portion.values())) for portion in stage.answers.portions(None)]
    assert sum(sizes) == MEMBERS
    assert max(sizes) < 2 * VERDICTS_AT_ONCE


def test_how_each_member_stands() -> None:
    stage = fleet(lambda n: "g", lambda n: "z")
    sizes = list(map(len, stage.answers.summaries("g")))
    assert (sum(sizes), max(sizes)) == (MEMBERS, AT_ONCE_SUMMED)
    assert list(stage.answers.summaries("nosuch")) == []


def test_the_list_of_groups_is_made_once_a_version() -> None:
    desk = DictDesk()
    count = 2 * listing_module.AT_ONCE + 1
    desk.put(*[Member(f"g{n}", "h") for n in range(count)])
    listing = Listing(desk)
    first = whole(listing.answer())
    assert first is not None
    assert len(msgspec.json.decode(first, type=GroupList).groups) == count
    again = listing.answer()
    assert sum(1 for _ in again) < sum(1 for _ in Listing(desk).answer())
    desk.put(Member("one more", "h"))
    assert (whole(listing.answer()) or b"").count(b'"group":') == count + 1


def test_only_so_many_groups_are_named_in_metrics() -> None:
    desk, small, count = DictDesk(), 3, metrics_module.GROUPS_SHOWN + 3
    for number in range(count):
        desk.put(*[Member(f"g{number}", f"h{each}") for each in range(1 if number < small else 2)])
    page = whole(
        metrics_module.render(
            desk.status_steps(), desk.groups_steps(), gauges=make_app(desk).gauges, readers=0
        )
    ).decode()
    assert 'musterd_members{group="g3",state="up"} 2.0' in page
    assert 'musterd_members{group="",state="up"} 3.0' in page
    assert 'musterd_verdicts{group="",verdict="schedulable"} 3.0' in page
    assert 'group="g2"' not in page
    assert f"musterd_groups {count}.0" in page


def test_the_largest_storms_are_told() -> None:
    stage = fleet(lambda n: "g", lambda n: f"z{n % 1000 if n % 5 else 7}")
    members = stage.roll.detector.members
    members.state[:MEMBERS] = Code.SUSPECT
    told = whole(stage.roll.view.hearing.storms())
    assert len(told) == SHOWN
    assert max(told, key=lambda storm: storm.silent).zone == "z7"
    members.state[:MEMBERS] = Code.UP
    few = np.flatnonzero(members.state[:MEMBERS] == Code.UP)[:3]
    members.state[few] = Code.SUSPECT
    told = whole(stage.roll.view.hearing.storms())
    assert sum(storm.silent for storm in told) == 3
    for storm in told:
        row = stage.roll.directory.zones.number((storm.group, storm.zone))
        assert storm.living == int((members.zone[:MEMBERS] == row).sum())


def test_a_page_says_of_each_what_is_said_of_it_alone() -> None:
    stage = fleet(lambda n: "g", lambda n: f"z{n % 2}")
    members = stage.roll.detector.members
    members.orders[3], members.put_off[4] = FORCED_DOWN, True
    members.flips[5], members.flipped_by[5] = 200, Cause.CONFLICT
    members.lag_ms[6], members.missed[7], members.incarnation[8] = 9000, 2, 2**64 - 1
    stage.roll.set_facts(3, Facts(forced_down=True, forced_down_reason="psu", zone="z9"), "")
    page = stage.answers.members("g", limit=1000).members
    assert page == [stage.answers.member("g", each.member) for each in page]
    assert {"h00021", "h00042"} <= {each.member for each in page}
    assert next(each for each in page if each.forced_down).zone == "z9"
