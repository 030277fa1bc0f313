"""One order for many members, over a real SQLite registry: one version, who gave it, and what it is not."""

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from musterd.errors import ConfigError, Conflict, NotFound
from musterd.model import Facts, FactsChange, State
from musterd.orders import GroupOrder, Origin, Selector
from musterd_coordinator.roll.versions import LOG_LIMIT
from musterd_coordinator.service.many import GroupOrders
from tests.unit.bureau import Bureau, bureau, loaded
from tests.unit.stage import host

ANN = Origin("ann", "10.0.0.7", "r1")
EVERYBODY = Selector(everybody=True)


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Bureau]:
    """Ten more members that are up, half of them in zone x."""
    async with bureau(tmp_path) as made:
        seated = tuple((n, host(f"h{n:02}", zone="xy"[n % 2], owner="ops")) for n in range(2, 12))
        made.stage.sweep(seated=seated)
        made.stage.sweep(dict.fromkeys(range(12), (7, 2)))
        yield made


async def test_it_shows_as_one_version_and_says_who_gave_it(at: Bureau) -> None:
    before = at.office.version
    order = GroupOrder(selector=Selector(zone="x"), disabled=True, reason="rack move")
    answer = await at.office.order("compute", order, ANN)
    names = ["h02", "h04", "h06", "h08", "h10"]
    assert (answer.matched, answer.changed, answer.members) == (5, 5, names)
    assert answer.version == at.office.version == before + 1
    changes = at.office.changes_since(before) or []
    assert {each.member for each in changes} == set(names)
    assert {(each.actor, each.address, each.request) for each in changes} == {ANN}
    assert at.office.member("compute", "h02").disabled_reason == "rack move"
    assert at.office.query("compute", ["h04"]).members["h04"].schedulable is False
    kept = {each.member.name: each.facts for each in await loaded(at.registry)}
    assert [name for name, facts in kept.items() if facts.disabled] == names
    for _ in range(2):  # as told, and as read back
        line = (await at.office.history("compute", "h06", 10)).changes[0]
        assert line.reason == "operator: disabled: rack move"
        assert (line.old, line.new, line.actor) == (State.UP, State.UP, "ann")
        await at.recorder.flush(patience=0.0)


async def test_the_same_again_is_no_order_and_a_dry_run_does_nothing(at: Bureau) -> None:
    order = GroupOrder(selector=Selector(match="H1"), forced_down=True, reason="psu", dry_run=True)
    before = at.office.version
    answer = await at.office.order("compute", order, ANN)
    assert (answer.matched, answer.changed, answer.dry_run) == (2, 2, True)
    assert at.office.version == before
    real = GroupOrder(selector=Selector(match="H1"), forced_down=True, reason="psu")
    assert (await at.office.order("compute", real, ANN)).changed == 2
    again = await at.office.order("compute", real, ANN)
    assert (again.matched, again.changed, again.version) == (2, 0, before + 1)
    back = GroupOrder(selector=EVERYBODY, forced_down=False)
    assert (await at.office.order("compute", back, ANN)).changed == 2
    assert at.office.member("compute", "h10").state is State.UP
    assert all(each.facts == Facts() for each in await loaded(at.registry))


async def test_it_is_for_those_who_are_named_or_fit(at: Bureau) -> None:
    await at.office.change_facts("compute", "h03", FactsChange(disabled=True))
    for selector, count in (
        (EVERYBODY, 12),
        (Selector(state=State.UP), 12),
        (Selector(owner="ops", zone="y"), 5),
        (Selector(mark="disabled"), 1),  # type: ignore[arg-type]
        (Selector(zone="nowhere"), 0),
    ):
        order = GroupOrder(selector=selector, disabled=True, dry_run=True)
        assert (await at.office.order("compute", order)).matched == count
    named = GroupOrder(members=["h02", "h02", "nobody"], disabled=True)
    answer = await at.office.order("compute", named)
    assert (answer.matched, answer.members, answer.not_found) == (1, ["h02"], ["nobody"])


async def test_what_is_not_as_expected_is_refused_and_nothing_done(at: Bureau) -> None:
    before = at.office.version
    order = GroupOrder(selector=EVERYBODY, disabled=True, expect=11)
    with pytest.raises(Conflict, match="12 members match, and 11 were expected: nothing was done"):
        await at.office.order("compute", order)
    orders = GroupOrders(at.office, at.stage.roll, at.registry, at.recorder, limit=11)
    with pytest.raises(Conflict, match="for at most 11"):
        await orders.give("compute", GroupOrder(selector=EVERYBODY, disabled=True), ANN)
    with pytest.raises(NotFound, match="no group nosuch"):
        await at.office.order("nosuch", GroupOrder(selector=EVERYBODY, disabled=True))
    assert at.office.version == before


@pytest.mark.parametrize(
    ("order", "what"),
    [
        (GroupOrder(disabled=True), "members or a selector"),
        (GroupOrder(members=["a"], selector=EVERYBODY, disabled=True), "not both"),
        (GroupOrder(selector=Selector(), disabled=True), "the whole group is"),
        (GroupOrder(selector=Selector(everybody=False), disabled=True), "stands alone"),
        (GroupOrder(selector=Selector(everybody=True, zone="x"), disabled=True), "stands alone"),
        (GroupOrder(members=["a"]), "say what to do"),
        (GroupOrder(members=["a"], disabled=True, confirm_silence=True), "alone"),
        (GroupOrder(members=["a"], disabled=False, reason="x"), "reason is kept"),
        (GroupOrder(members=["a"], disabled=True, reason="\n"), "control characters"),
    ],
)
async def test_nonsense_is_refused(at: Bureau, order: GroupOrder, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        await at.office.order("compute", order)


async def test_too_many_changes_send_readers_back(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        count = LOG_LIMIT + 1
        at.stage.sweep(seated=tuple((n, host(f"h{n:05}")) for n in range(2, count)))
        before = at.office.version
        answer = await at.office.order(
            "compute", GroupOrder(selector=EVERYBODY, disabled=True, reason="all"), ANN
        )
        assert (answer.matched, answer.changed, len(answer.members)) == (count, count, 100)
        assert answer.version == before + 1
        assert all(one < two for one, two in pairwise(answer.members))
        assert at.office.changes_since(before) is None
        line = (await at.office.history("compute", "h07000", 1)).changes[0]
        assert (line.actor, line.reason) == ("ann", "operator: disabled: all")


async def test_nova_is_told_itself(tmp_path: Path) -> None:
    async with bureau(tmp_path, watched=True) as at:
        with pytest.raises(Conflict, match="openstack compute service set --disable a"):
            await at.office.order("compute", GroupOrder(members=["a"], disabled=True))


async def test_a_confirmed_mass_silence_is_over_with_the_next_sweep(at: Bureau) -> None:
    for _ in range(9):  # half a second each: all but two fall silent
        at.stage.sweep({0: (7, int(at.stage.now * 2)), 1: (7, int(at.stage.now * 2))})
    assert {at.stage.state(f"h{n:02}") for n in range(2, 12)} == {State.SUSPECT}
    order = GroupOrder(selector=Selector(zone="x"), confirm_silence=True, reason="PDU burnt")
    dry = GroupOrder(selector=EVERYBODY, confirm_silence=True, dry_run=True)
    assert (await at.office.order("compute", dry, ANN)).matched == 10
    before = at.office.version
    answer = await at.office.order("compute", order, ANN)
    assert (answer.matched, answer.changed, answer.version) == (5, 5, before + 1)
    assert at.stage.state("h02") is State.SUSPECT  # until a sweep proves it
    assert (await at.office.order("compute", order, ANN)).changed == 0
    at.stage.sweep({2: (7, 99), 0: (7, 10**6), 1: (7, 10**6)})
    assert at.stage.state("h02") is State.UP  # it beat
    assert at.stage.state("h04") is State.DOWN
    assert at.stage.state("h03") is State.SUSPECT
    down, said, *_ = (await at.office.history("compute", "h04", 10)).changes
    assert down.reason.endswith("an operator confirmed the mass silence and ended its hold")
    assert (said.reason, said.old) == ("operator: mass silence confirmed: PDU burnt", State.SUSPECT)
    assert {each[-3:] for each in ((down.actor, down.address, down.request),)} == {ANN}
    [change] = [
        each
        for each in at.office.changes_since(at.office.version - 1) or []
        if each.member == "h04"
    ]
    assert change.actor == "ann"
