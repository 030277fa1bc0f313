"""Settings of one side only, and one agent's own: none of them makes anybody down."""

from contextlib import ExitStack

import pytest

from musterd.model import State
from musterd.testing.daemons import Watch, all_in
from musterd.testing.servers import Memcached
from tests.attacks.attack import under_attack
from tests.faults.conftest import StartLab
from tests.faults.lab import CROWD, Lab
from tests.faults.locks import GROUP, Open
from tests.faults.proxied import Proxied

pytestmark = [pytest.mark.full_only, pytest.mark.parametrize("storm_min", [0])]
KIND = "one memcached"


def test_a_down_time_shorter_than_the_agents_interval(
    memcached: Memcached, storm_min: int, locks: Open
) -> None:
    with ExitStack() as stack:
        coordinator = locks.coordinator(memcached.url, service_down_time=2.0, storm_min=storm_min)
        stack.enter_context(coordinator)
        agent = locks.agent(memcached.url, "a", "b", interval=4.0, service_down_time=60.0)
        stack.enter_context(agent)
        watch = Watch(coordinator)
        watch.until(all_in(State.UP, "a", "b"), "both up")
        watch.clear()
        watch.for_seconds(16)
        assert watch.seen == {"a": {State.UP}, "b": {State.UP}}
        agent.kill()
        watch.until(all_in(State.DOWN, "a", "b"), "both down")


def test_one_hasty_agent_and_its_death(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=KIND)
    hasty = lab.agent("hasty", interval=0.05)
    with hasty:
        lab.wait(lambda: lab.all_up("hasty"), 15, "hasty up")
        lab.last(2)
    lab.mortal.add("hasty")
    under_attack(lab, "a hasty agent that died", lambda: None)


def test_a_clumsy_name_never_alternates(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=KIND)
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(lab.agent("clone"))
        lab.wait(lambda: lab.all_up("clone"), 15, "clone up")
        lab.wait(lambda: is_conflict(lab), 40, "the conflict is flagged")
        flagged = 0
        for _ in range(20):
            lab.last(0.5)
            flagged += is_conflict(lab)
        assert flagged == 20
        before = len(changes(lab))
        lab.last(10)
        assert len(changes(lab)) <= before + 2


def is_conflict(lab: Lab) -> bool:
    return lab.coordinator.client.member(GROUP, "clone").conflict


def changes(lab: Lab) -> list[object]:
    return [*lab.coordinator.client.history(GROUP, "clone", limit=1000).changes]


def test_agents_more_hurried_than_the_coordinator_knows(
    memcached: Memcached, start_lab: StartLab
) -> None:
    """The store answers later than agents wait, and sooner than the coordinator would."""
    with Proxied(memcached) as way:
        lab = start_lab(way.url, kind=KIND)
        with ExitStack() as stack:
            hurried = [f"hurried-{number}" for number in range(4)]
            stack.enter_context(lab.agent(*hurried, push_timeout=0.5))
            lab.wait(lambda: lab.all_up(*hurried), 15, "up")
            way.delay(0.7)
            lab.last(20)
            way.heal()
            lab.wait(lambda: lab.all_up(*hurried, *CROWD), 20, "up again")
            answered = list(lab.observer.samples)  # before they say goodbye
        seen = {
            (name, sample.states[name])
            for sample in answered
            for name in (*hurried, *CROWD)
            if name in sample.states
        }
        assert not {one for one in seen if one[1] in (State.DOWN, State.LEFT)}
