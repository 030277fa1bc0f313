"""Look-ups of names: what is waited for, what serves meanwhile, and that none holds up another."""

import subprocess
import sys
import threading
from math import inf
from unittest.mock import patch

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from musterd.resolving import NAMES, PATIENCE, THREADS, Book, Resolver, is_address
from musterd.testing import FakeNames
from musterd.testing.busy import allowed_now, in_time
from musterd.ways import Way
from tests.examples import examples


class Books(RuleBasedStateMachine):
    """Any order of look-ups that begin, end well or ill, while a simulated clock goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.now = 0.0
        self.begun: dict[str, float] = {}
        self.found: dict[str, tuple[str, ...]] = {}

    names = st.sampled_from("abc")

    @rule(seconds=st.floats(0, 2))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(name=names)
    def ask(self, name: str) -> None:
        assert self.book.start_lookup(name, self.now) is (name not in self.begun)
        self.begun.setdefault(name, self.now)

    @rule(name=names, found=st.lists(st.sampled_from(["1.1.1.1", "2.2.2.2"]), max_size=2))
    def end(self, name: str, found: list[str]) -> None:
        if name in self.begun:
            del self.begun[name]
            self.book.end_lookup(name, found)
            if found:
                self.found[name] = tuple(found)

    @invariant()
    def the_last_good_addresses_serve_and_nobody_waits_for_long(self) -> None:
        for name in "abc":
            assert self.book.known(name) == self.found.get(name, ())
            patience = self.book.patience(name, self.now)
            if name not in self.found:
                assert patience == inf
            elif name in self.begun:
                assert patience >= 0
                assert patience <= max(0.0, self.begun[name] + PATIENCE - self.now) + 1e-9


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=examples(40), stateful_step_count=20, deadline=None)


def test_names_that_are_remembered_are_bounded() -> None:
    book = Book()
    for number in range(NAMES + 10):
        book.start_lookup(str(number), 0)
        book.end_lookup(str(number), ["1.1.1.1"])
    assert not book.known("9")
    assert book.known("10")


@pytest.mark.parametrize(
    ("host", "literal"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("localhost", False),
        ("1", False),
    ],
)
def test_addresses_need_no_look_up(host: str, literal: bool) -> None:
    assert is_address(host) is literal


async def test_a_name_is_looked_up_once_for_all_who_wait() -> None:
    names = FakeNames({"a": ["1.1.1.1", "2.2.2.2"]})
    names.hang("a")
    answers: list[tuple[str, ...]] = []

    async def ask() -> None:
        answers.append(await names.resolver.addresses("a"))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        names.answer("a")
    assert answers == [("1.1.1.1", "2.2.2.2")] * 5
    assert names.asked["a"] == 1


async def test_a_name_that_hangs_holds_up_no_other_and_its_last_addresses_serve() -> None:
    names = FakeNames({"hung": ["1.1.1.1"], "well": ["2.2.2.2"]})
    assert await names.resolver.addresses("hung") == ("1.1.1.1",)
    hung = [f"never{number}" for number in range(THREADS // 2)]
    for name in ("hung", *hung):
        names.hang(name)
    with anyio.move_on_after(0):
        await names.resolver.addresses("hung")
    for name in hung:
        with pytest.raises(TimeoutError):
            names.resolver.addresses_within(name, 0)
    with in_time(5):
        assert await names.resolver.addresses("well") == ("2.2.2.2",)
        assert await names.resolver.addresses("hung") == ("1.1.1.1",)
    for name in ("hung", *hung):
        names.answer(name)


async def test_a_look_up_that_fails_leaves_the_last_addresses() -> None:
    names = FakeNames({"a": ["1.1.1.1"]})
    with pytest.raises(OSError, match="not known"):
        await names.resolver.addresses("b")
    await names.resolver.addresses("a")
    del names["a"]
    assert await names.resolver.addresses("a") == ("1.1.1.1",)
    names["a"] = ["2.2.2.2"]
    assert await names.resolver.addresses("a") == ("2.2.2.2",)
    assert names.resolver.addresses_within("a", 5) == ("2.2.2.2",)


async def test_whatever_a_look_up_raises_ends_the_waiting() -> None:
    def broken(name: str) -> list[str]:
        raise RuntimeError(name)

    with in_time(5), pytest.raises(OSError, match="RuntimeError"):
        await Resolver(broken).addresses("a")
    with in_time(5), pytest.raises(OSError, match="no address"):
        await Resolver(lambda _name: []).addresses("a")


def test_no_more_threads_than_so_many() -> None:
    names, before = FakeNames(), threading.active_count()
    for number in range(2 * THREADS):
        names[str(number) + "x"] = ["1.1.1.1"]
        names.hang(str(number) + "x")
    for name in names:
        with pytest.raises(TimeoutError):
            names.resolver.addresses_within(name, 0)
    assert threading.active_count() <= before + THREADS
    for name in names:
        names.answer(name)
    for name in names:
        assert names.resolver.addresses_within(name, 5) == ("1.1.1.1",)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_both_event_loops_wait(backend: str) -> None:
    names = FakeNames({"a": ["1.1.1.1"]})
    assert anyio.run(names.resolver.addresses, "a", backend=backend) == ("1.1.1.1",)


def test_a_look_up_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    script = """if True:
        import time, anyio
        from musterd.resolving import Resolver
        async def main():
            with anyio.move_on_after(0.1):
                await Resolver(lambda name: time.sleep(3600)).addresses("hung.test")
        anyio.run(main, backend_options={"use_uvloop": True})
    """
    subprocess.run([sys.executable, "-c", script], check=True)


class Refusing:
    """Connects to the good addresses; others refuse, or take until they are given up."""

    def __init__(self, *good: str, hung: tuple[str, ...] = ()) -> None:
        self.good = good
        self.hung = hung
        self.tried: list[str] = []
        self.asked = anyio.Event()

    async def __call__(self, address: str) -> str:
        self.tried.append(address)
        self.asked.set()
        if address in self.hung:
            await anyio.sleep_forever()
        if address not in self.good:
            raise ConnectionRefusedError
        return address


async def test_addresses_are_tried_in_turn_and_the_one_that_worked_comes_first() -> None:
    with FakeNames({"a": ["1.1.1.1", "2.2.2.2", "3.3.3.3"]}):
        way, there = Way("a"), Refusing("2.2.2.2")
        assert await way.connect(there) == "2.2.2.2"
        assert await way.connect(there) == "2.2.2.2"
        assert there.tried == ["1.1.1.1", "2.2.2.2", "2.2.2.2"]
        there.good = ()
        with pytest.raises(ConnectionRefusedError):
            await way.connect(there)
        assert sorted(there.tried[3:]) == ["1.1.1.1", "2.2.2.2", "3.3.3.3"]


async def test_an_address_that_swallows_leaves_time_for_the_next() -> None:
    with FakeNames({"a": ["::1", "1.1.1.1"]}), anyio.fail_after(allowed_now(0.2)):
        assert await Way("a").connect(Refusing("1.1.1.1", hung=("::1",))) == "1.1.1.1"


async def test_one_that_was_given_up_from_outside_is_tried_last() -> None:
    with FakeNames({"a": ["::1", "1.1.1.1"]}):
        way, there = Way("a"), Refusing("1.1.1.1", hung=("::1",))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(way.connect, there)
            with in_time(5):
                await there.asked.wait()
            tasks.cancel_scope.cancel()
        assert await way.connect(there) == "1.1.1.1"


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=20),
    st.lists(st.sampled_from("abcd"), unique=True, min_size=1),
)
def test_every_address_is_tried_and_none_that_failed_before_one_that_did_not(
    past: list[tuple[str, bool]], found: list[str]
) -> None:
    way, last = Way("x"), dict[str, bool]()
    for address, worked in past:
        (way.worked if worked else way.failed)(address)
        last[address] = worked
    order = way.order(found)
    assert sorted(order) == sorted(found)
    failed = [last.get(address) is False for address in order]
    assert failed == sorted(failed)


def test_without_a_thread_to_be_had_a_look_up_fails_at_once() -> None:
    resolver = Resolver(lambda name: ["10.0.0.1"])
    with (
        patch.object(threading.Thread, "start", side_effect=RuntimeError("no more threads")),
        pytest.raises(OSError, match="no thread for a name look-up"),
    ):
        resolver.addresses_within("db.test", 30.0)
    assert resolver.addresses_within("db.test", 30.0) == ("10.0.0.1",)
