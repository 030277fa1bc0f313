"""What can happen to the hosts themselves, to their clocks, and to the way to the store."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from musterd.model import State
from musterd.testing import CuttingProxy, keeper
from musterd.testing.daemons import Agent
from musterd.testing.servers import Memcached
from tests.faults.conftest import StartLab
from tests.faults.lab import SERVICE_DOWN_TIME, Lab
from tests.faults.locks import GROUP
from tests.faults.proxied import Proxied
from tests.faults.trail import unless_silent

ONE = "one memcached"
HOUR = 3600
NAME = "odd-host"
LIBFAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


def fake_clock(agent: Agent, when: str) -> Agent:
    """Let the agent's wall clock say ``when`` (as faketime(1) reads it, from a file each time)."""
    assert LIBFAKETIME, (
        "libfaketime is not installed: run 'make faults' or apt-get install faketime"
    )
    set_clock(agent, when)
    agent.environ = {
        "LD_PRELOAD": str(LIBFAKETIME[-1]),
        "FAKETIME_TIMESTAMP_FILE": str(agent.directory / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return agent


def set_clock(agent: Agent, when: str) -> None:
    (agent.directory / "clock").write_text(f"{when}\n")


def states(lab: Lab, name: str) -> list[State]:
    """The states that a member went through, without those that only repeat."""
    changes = lab.coordinator.client.history(GROUP, name).changes
    return [change.new for change in reversed(changes) if change.new != change.old]


@pytest.mark.full_only
@pytest.mark.parametrize("hours", [1, -1])
def test_clock_wrong(memcached: Memcached, start_lab: StartLab, hours: int) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    lab.start(fake_clock(lab.agent(NAME), f"{hours * HOUR:+d}"), NAME)
    with lab.fault(f"a host's clock an hour {'ahead' if hours > 0 else 'behind'}"):
        lab.last(6)
    lab.verify()


@pytest.mark.full_only
def test_clock_stepped(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    agent = lab.start(fake_clock(lab.agent(NAME), "+0"), NAME)
    with lab.fault("a host's clock stepped by hours, to and fro"):
        for hours in (1, -1, 24, 0):
            set_clock(agent, f"{hours * HOUR:+d}")
            lab.last(2.5)
    lab.verify()


@pytest.mark.full_only
def test_clock_back_to_1970(memcached: Memcached, start_lab: StartLab) -> None:
    """By TLS it reaches no store, as no certificate is valid yet: down until its clock is right."""
    lab = start_lab(memcached.url, kind=ONE)
    agent = lab.start(fake_clock(lab.agent(NAME), "+0"), NAME)
    if lab.outcome.locked:
        lab.mortal.add(NAME)
    with lab.fault("a host restarted with its clock at 1970"):
        agent.kill()
        set_clock(agent, "1970-01-01 00:01:00")
        agent.start()
        lab.last(2 * SERVICE_DOWN_TIME)
        set_clock(agent, "+0")
        lab.last(3)
    lab.verify()
    if lab.outcome.locked:
        assert states(lab, NAME) == [State.UP, State.DOWN, State.UP]


@pytest.mark.full_only
def test_coordinators_clock_wrong(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    coordinator = lab.coordinator
    clock = coordinator.directory / "clock"
    with lab.fault("the coordinator's clock 90 s ahead", nova="200 of 200 down for ever"):
        clock.write_text("+90\n")
        coordinator.kill()
        coordinator.environ = {
            "LD_PRELOAD": str(LIBFAKETIME[-1]),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        coordinator.start()
        lab.last(8)
    lab.verify()


@pytest.mark.full_only
def test_agent_paused_briefly(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    agent = lab.start(lab.agent(NAME), NAME)
    with lab.fault("an agent paused for less than the down time"):
        agent.pause()
        lab.last(2.5)
        agent.resume()
        lab.last(2)
    lab.verify()


@pytest.mark.full_only
def test_agent_paused_for_long(memcached: Memcached, start_lab: StartLab) -> None:
    """It is silent, so it is down; when it goes on it is up, once and for good."""
    lab = start_lab(memcached.url, kind=ONE)
    agent = lab.start(lab.agent(NAME), NAME)
    lab.mortal.add(NAME)
    with lab.fault("an agent paused for twice the down time"):
        agent.pause()
        lab.last(2 * SERVICE_DOWN_TIME)
        agent.resume()
        lab.last(3)
    lab.verify()
    assert states(lab, NAME) == [State.UP, State.DOWN, State.UP]


@pytest.mark.full_only
def test_agent_killed_and_restarted_five_times(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    agent = lab.start(lab.agent(NAME), NAME)
    with (
        unless_silent(lab, memcached, NAME),
        lab.fault("an agent killed and restarted five times in a row"),
    ):
        for _ in range(5):
            agent.kill()
            agent.start()
            lab.last(1)
    lab.verify()
    assert not lab.coordinator.client.member(GROUP, NAME).conflict


@pytest.mark.full_only
def test_host_starved_of_cpu(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    agent = lab.start(lab.agent(NAME), NAME)
    with (
        unless_silent(lab, memcached, NAME),
        lab.fault("a host starved of CPU for 12 s"),
        starved(agent.pid),
    ):
        lab.last(12)
    lab.verify()


@contextmanager
def starved(pid: int) -> Iterator[None]:
    """Let a process run only when nobody else on its processor wants to, and somebody does."""
    processor = min(os.sched_getaffinity(0))
    usual = os.sched_getaffinity(pid)
    os.sched_setaffinity(pid, {processor})
    os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    greedy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    os.sched_setaffinity(greedy.pid, {processor})
    try:
        yield
    finally:
        greedy.kill()
        greedy.wait()
        if keeper.is_running(pid):
            os.sched_setaffinity(pid, usual)


@pytest.mark.full_only
def test_two_agents_with_one_name(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    first = lab.start(lab.agent(NAME), NAME)
    with lab.fault("two agents with one name"):
        second = lab.start(lab.agent(NAME, interval=0.9))  # as if its clock ran faster
        lab.wait(lambda: conflict(lab), 30, "a conflict")
        second.kill()
        lab.wait(lambda: not conflict(lab), 3 * SERVICE_DOWN_TIME + 2, "over")
    lab.verify()
    assert first.is_running
    told = [c.reason for c in lab.coordinator.client.history(GROUP, NAME).changes]
    words = (
        "by a second agent with it" if lab.outcome.locked else "several agents beat under this name"
    )
    assert sum(words in reason for reason in told) == 1, told


def conflict(lab: Lab) -> bool:
    return lab.coordinator.client.member(GROUP, NAME).conflict


@pytest.mark.full_only
def test_one_host_cut_off(memcached: Memcached, start_lab: StartLab) -> None:
    """Nothing tells it from a dead one, so it is down on time, and up when it is heard again."""
    with Proxied(memcached) as proxy:
        lab = start_lab(memcached.url, kind=ONE)
        agent = lab.agent(NAME)
        agent.settings["store"] = proxy.url
        agent.settings["zone"] = "rack-2"
        lab.start(agent, NAME)
        lab.mortal.add(NAME)
        with lab.fault("one host cut off from the store"):
            cut(proxy)
            lab.wait(lambda: not lab.all_up(NAME), 6.5, f"{NAME} found")
            proxy.heal()
            lab.wait(lambda: lab.all_up(NAME), 3, f"{NAME} back")
        lab.verify()
    assert states(lab, NAME) == [State.UP, State.DOWN, State.UP]


def cut(proxy: Proxied) -> None:
    """Drop all that passes, both ways, without a word."""

    def black_hole(cutting: CuttingProxy) -> None:
        cutting.requests.drop()
        cutting.replies.drop()

    proxy.do(black_hole)


RACK = [f"cut-{number}" for number in range(6)]


@pytest.mark.full_only
@pytest.mark.parametrize("storm_min", [5])
def test_one_rack_cut_off(memcached: Memcached, start_lab: StartLab) -> None:
    """Suspect, and down after the hold; a death elsewhere meanwhile is found on time."""
    with Proxied(memcached) as proxy:
        lab = start_lab(memcached.url, kind=ONE)
        rack = lab.agent(*RACK)
        rack.settings["store"] = proxy.url
        rack.settings["zone"] = "rack-2"
        lab.start(rack, *RACK)
        lab.mortal.update(RACK)
        lab.guilty_suspects = True
        with lab.fault("one rack cut off from the store, others not", recovery=40):
            cut(proxy)
            lab.wait(lambda: rack_is(lab, State.SUSPECT), 7.0, "the rack suspect")
            (storm,) = lab.coordinator.client.status().storms
            assert (storm.zone, storm.silent) == ("rack-2", len(RACK))
            hold = 2 * SERVICE_DOWN_TIME
            lab.wait(lambda: rack_is(lab, State.DOWN), hold + 3, "the rack down")
            proxy.heal()
            lab.wait(lambda: lab.all_up(*RACK), 5, "the rack back")
        lab.verify()
    for name in RACK:
        assert states(lab, name) == [State.UP, State.SUSPECT, State.DOWN, State.UP]


def rack_is(lab: Lab, state: State) -> bool:
    return lab.latest is not None and {lab.latest.states[name] for name in RACK} == {state}
