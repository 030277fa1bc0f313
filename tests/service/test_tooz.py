"""Programs that take their groups from Tooz find them in musterd, on a real store and coordinator."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tooz
from tooz.coordination import (
    CoordinationDriver,
    MemberAlreadyExist,
    MemberJoinedGroup,
    MemberLeftGroup,
    ToozConnectionError,
    get_coordinator,
)

from musterd.testing.busy import Patience, allowed_now
from musterd.testing.daemons import PATIENCE, Coordinator
from musterd.testing.servers import HOST, Memcached, held_port

ROOT = Path(__file__).parents[2]
GROUP = b"workers"
INTERVAL = 0.5

ELSEWHERE = {
    "test_watch_join_group_booted_out": "a member leaves where it joined, and nowhere else",
    "test_watch_join_group_disappear": "This test only works with coordinators that have the ability"
    " to destroy groups.",
}
"""What Tooz's tests say of those that are left out and are about groups; the others are about locks."""

BEATING = f"""
import sys, time
from tooz.coordination import get_coordinator
driver = get_coordinator(sys.argv[1], sys.argv[2].encode())
driver.start(start_heart=True)
driver.join_group({GROUP!r}).get()
print("joined", flush=True)
time.sleep(3600)
"""


@pytest.fixture
def coordinator(memcached: Memcached) -> Iterator[Coordinator]:
    """A coordinator that sweeps often; nobody is down for silence while a test lasts."""
    with Coordinator(memcached.url, sweep_period=0.1, service_down_time=600.0) as coordinator:
        until(lambda: coordinator.client.status().ready)
        yield coordinator


def url_of(coordinator: Coordinator, **options: object) -> str:
    given = {
        "store": coordinator.settings["store"],
        "interval": allowed_now(INTERVAL),
        "wait": allowed_now(PATIENCE),
        **options,
    }
    query = "&".join(f"{name}={value}" for name, value in given.items())
    return f"musterd://{coordinator.address}?{query}"


@pytest.fixture
def make(coordinator: Coordinator) -> Iterator[Callable[..., CoordinationDriver]]:
    """Makes drivers that are started, and stops them."""
    made: list[CoordinationDriver] = []

    def make(member: bytes, **options: object) -> CoordinationDriver:
        driver = get_coordinator(url_of(coordinator, **options), member)
        driver.start()
        made.append(driver)
        return driver

    yield make
    for driver in made:
        driver.stop()


def until(true: Callable[[], bool]) -> None:
    patience = Patience(PATIENCE)
    while not true():
        assert not patience.is_over
        time.sleep(0.05)


def members(driver: CoordinationDriver) -> set[bytes]:
    found: set[bytes] = driver.get_members(GROUP).get()
    return found


class Program:
    """A `Program` is in the group until it is killed."""

    def __init__(self, url: str, member: str) -> None:
        command = [sys.executable, "-c", BEATING, url, member]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "joined\n"

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


@pytest.mark.time_limit(120)  # 83 tests, each of which waits for a few sweeps
def test_toozs_own_tests_of_groups_pass(coordinator: Coordinator) -> None:
    """All but one, which allows a heartbeat two seconds whatever the machine does: see below."""
    environ = {**os.environ, "TOOZ_TEST_URL": url_of(coordinator, timeout=3600)}
    suite = [sys.executable, "-m", "tests.tooz_suite", "-v", *map("-k={}".format, chosen())]
    ran = subprocess.run(suite, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    skipped = dict(
        re.findall(r"\.(test_\w+) \.\.\. skipped ['\"](.*)['\"]$", ran.stderr, re.MULTILINE)
    )
    about_locks = {"not implemented", "musterd elects no leaders"}
    assert {name: why for name, why in skipped.items() if why not in about_locks} == ELSEWHERE
    assert all(
        re.search("lock|acquire|leader|election", name)
        for name in skipped.keys() - ELSEWHERE.keys()
    )
    assert ran.stderr.count(" ... ok\n") >= 47


def chosen() -> list[str]:
    """Return the names of all their tests but ``test_timeout``."""
    listed = "import tests.tooz_suite, unittest; from tooz.tests import test_coordination as t;"
    listed += (
        "print(*(n for c in (t.TestAPI, t.TestHook) for n in dir(c) if n.startswith('test_')))"
    )
    names = subprocess.run(
        [sys.executable, "-c", listed], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "test_timeout" in names
    return [name for name in names if name != "test_timeout"]


def test_a_program_whose_heart_stops_is_out_until_it_beats(
    make: Callable[..., CoordinationDriver],
) -> None:
    watching = make(b"watching", timeout=PATIENCE)
    watching.join_group_create(GROUP)
    stuck = make(b"stuck", timeout=allowed_now(1.0))
    joined: list[object] = []
    left: list[MemberLeftGroup] = []
    watching.watch_leave_group(GROUP, left.append)  # type: ignore[arg-type, unused-ignore]  # has no __name__
    watching.watch_join_group(GROUP, joined.append)  # type: ignore[arg-type, unused-ignore]
    stuck.join_group(GROUP).get()
    # Its heart beats until that was seen: it may stop before a busy machine lets anybody look.
    until(lambda: sees_while_it_beats(watching, stuck))
    until(lambda: bool(watching.run_watchers() and left))
    assert (left[-1].group_id, left[-1].member_id) == (GROUP, b"stuck")
    assert members(watching) == {b"watching"}
    before = len(joined)
    assert stuck.heartbeat() == pytest.approx(stuck._given.timeout)  # type: ignore[attr-defined, unused-ignore]
    until(lambda: sees_while_it_beats(watching, stuck))
    assert len(joined) == before + 1
    assert isinstance(joined[-1], MemberJoinedGroup)


def sees_while_it_beats(watching: CoordinationDriver, beating: CoordinationDriver) -> bool:
    beating.heartbeat()
    return bool(watching.run_watchers())


def test_a_program_that_died_may_come_back_at_once(
    coordinator: Coordinator, make: Callable[..., CoordinationDriver]
) -> None:
    watching = make(b"watching")
    watching.join_group_create(GROUP)
    program = Program(url_of(coordinator), "worker")
    assert members(watching) == {b"watching", b"worker"}
    worker = make(b"worker")
    with pytest.raises(MemberAlreadyExist):
        worker.join_group(GROUP).get()
    program.kill()
    worker.join_group(GROUP, {"weight": 2}).get()
    told = watching.get_members_with_capabilities(GROUP).get()
    assert told == {b"watching": None, b"worker": {"weight": 2}}


def test_a_program_that_died_is_out_of_its_groups(memcached: Memcached) -> None:
    with Coordinator(memcached.url, sweep_period=0.1, service_down_time=4.0) as coordinator:
        until(lambda: coordinator.client.status().ready)
        watching = get_coordinator(url_of(coordinator), b"watching")
        watching.start()
        watching.join_group_create(GROUP)
        program = Program(url_of(coordinator), "worker")
        until(lambda: members(watching) == {b"watching", b"worker"})
        program.kill()
        until(lambda: members(watching) == {b"watching"})
        watching.stop()


def test_while_the_store_is_away_nobody_leaves_and_a_program_knows_that_it_is_not_heard(
    memcached: Memcached, make: Callable[..., CoordinationDriver]
) -> None:
    first, second = make(b"first", timeout=5.0), make(b"second", timeout=5.0)
    first.join_group_create(GROUP)
    second.join_group(GROUP).get()
    memcached.stop()

    until(lambda: "no beat got through to the store for" in complaint(first))
    until(lambda: "no beat got through to the store for" in complaint(second))
    assert members(first) == {b"first", b"second"}
    memcached.start()
    until(lambda: not complaint(first) and not complaint(second))
    assert members(second) == {b"first", b"second"}


def complaint(driver: CoordinationDriver) -> str:
    """Return what a heartbeat complains of."""
    try:
        driver.heartbeat()
    except ToozConnectionError as error:
        return str(error)
    return ""


def test_work_is_shared_out_by_the_same_members_everywhere(
    make: Callable[..., CoordinationDriver],
) -> None:
    one, two = make(b"one"), make(b"two")
    shares = [each.join_partitioned_group(GROUP) for each in (one, two)]
    for driver in (one, two):
        driver.run_watchers()
    for number in range(20):
        thing = f"vm-{number}"
        (owner,) = {next(iter(share.members_for_object(thing))) for share in shares}
        assert owner in (b"one", b"two")


def test_a_group_outlives_its_members_until_it_is_deleted(
    coordinator: Coordinator, make: Callable[..., CoordinationDriver]
) -> None:
    one = make(b"one")
    one.join_group_create(GROUP)
    one.leave_group(GROUP).get()
    assert members(one) == set()
    states = coordinator.states(GROUP.decode())
    assert states == {"one": "left", "tooz:group": "left"}
    assert one.get_groups().get() == [GROUP]
    one.delete_group(GROUP).get()
    assert one.get_groups().get() == []


def test_who_cannot_begin_is_told_why(coordinator: Coordinator) -> None:
    with held_port() as port:
        nobody = get_coordinator(f"musterd://{HOST}:{port}?wait=1", b"m")
        with pytest.raises(ToozConnectionError, match=f"{HOST}:{port}"):
            nobody.start()
    for wrong, told in (("?time=5", "did you mean timeout"), ("?interval=soon", "INTERVAL")):
        with pytest.raises(tooz.ToozError, match=told):
            get_coordinator(f"musterd://{coordinator.address}{wrong}", b"m")
    unstarted = get_coordinator(url_of(coordinator), b"m")
    with pytest.raises(tooz.ToozError, match="not started"):
        unstarted.get_groups()


FORK = """
import os, sys, tooz
from tooz.coordination import get_coordinator
driver = get_coordinator(sys.argv[1], b"parent")
driver.start()
driver.join_group_create(b"forks")
if child := os.fork():
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert driver.get_members(b"forks").get() == {b"parent"}
    driver.stop()
else:
    try:
        driver.get_groups()
    except tooz.ToozError as error:
        assert "before a fork" in str(error), error
    driver.stop()
    os._exit(0)
"""


def test_a_forked_child_neither_hangs_nor_leaves_for_its_parent(coordinator: Coordinator) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK]
    ran = subprocess.run(
        [*command, url_of(coordinator)], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
