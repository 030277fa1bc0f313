"""What can happen to a memcached."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count

import pytest

from musterd.testing.servers import Memcached, memcached_url
from tests.conftest import StartMemcached
from tests.faults.conftest import StartLab
from tests.faults.lab import SERVICE_DOWN_TIME
from tests.faults.memcached_orders import explains, order

ONE = "one memcached"
THREE = "three memcacheds, replicas=2"
LOST = "lost the canary", "cannot have seen this coordinator's nonce"
"""What is missed first in an empty store, with keys the challenge too, and for longer."""
STOPPED_IN_NOVA = "200 of 200 down, 60,125 node-seconds"
full_only = pytest.mark.full_only


def test_restarted(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    with lab.fault("restarted at once", nova=STOPPED_IN_NOVA):
        memcached.kill()
        memcached.start()
        lab.last(2)
    assert explains(lab.verify().explained, *LOST)


@full_only
def test_restarted_again_and_again(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    with lab.fault("restarted eight times, once in 1.5 s"):
        for _ in range(8):
            memcached.kill()
            memcached.start()
            lab.last(1.5)
    assert explains(lab.verify().explained, *LOST)


@full_only
def test_restarted_after_a_long_absence(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    with lab.fault("away 10 s, then back empty"):
        memcached.kill()
        lab.last(2.5 * SERVICE_DOWN_TIME)
        memcached.start()
    assert explains(lab.verify().explained, "connection refused")


@pytest.mark.parametrize("seconds", [6, pytest.param(12, marks=full_only)])
def test_hung(memcached: Memcached, start_lab: StartLab, seconds: int) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    nova = STOPPED_IN_NOVA if seconds == 12 else ""
    with lab.fault(f"stopped {seconds} s (SIGSTOP)", nova=nova):
        memcached.pause()
        lab.last(seconds)
        memcached.resume()
    assert explains(lab.verify().explained, "not accepted within", "no answer within")


@full_only
def test_flushed(memcached: Memcached, start_lab: StartLab) -> None:
    lab = start_lab(memcached.url, kind=ONE)
    with lab.fault("flush_all", nova="150 of 200 down, 98 node-seconds"):
        order(memcached, b"flush_all")
        lab.last(2)
    outcome = lab.verify()
    assert explains(outcome.explained, *LOST)
    assert outcome.not_listening < SERVICE_DOWN_TIME


@full_only
@pytest.mark.parametrize("every", [0.25, 0.7, 1.6])
def test_flushed_in_a_loop(memcached: Memcached, start_lab: StartLab, every: float) -> None:
    """Faster than sweeps, faster than beats, and slower than either."""
    lab = start_lab(memcached.url, kind=ONE)
    with lab.fault(f"flush_all every {every} s for 12 s"):
        for _ in range(round(12 / every)):
            order(memcached, b"flush_all")
            lab.last(every)
    assert explains(lab.verify().explained, *LOST)


@full_only
@pytest.mark.parametrize(
    ("sizes", "rate"),
    [
        pytest.param((60, 68), 20_000, id="the size of beats"),
        pytest.param((60, 68), 4_000, id="the size of beats, slowly"),
        pytest.param((1, 300), 30_000, id="all sizes"),
        pytest.param((1, 300), 8_000, id="all sizes, slowly"),
    ],
)
def test_full(
    start_memcached: StartMemcached, start_lab: StartLab, sizes: tuple[int, int], rate: int
) -> None:
    memcached = start_memcached("-m", "1", "-I", "512k", "-t", "1")
    lab = start_lab(memcached.url, kind=ONE)
    what = "values like beats" if sizes[0] > 1 else "values of all sizes"
    with lab.fault(f"-m 1, others write {rate} {what} a second"), filled(memcached, sizes, rate):
        lab.last(15)
    lab.verify()


@full_only
@pytest.mark.parametrize(
    ("option", "word"),
    [("maxconns_fast", "Too many open connections"), ("no_maxconns_fast", "not accepted within")],
)
def test_no_more_connections(
    start_memcached: StartMemcached, start_lab: StartLab, option: str, word: str
) -> None:
    """All that are left are taken by others, and so is every one that is closed from then on."""
    memcached = start_memcached("-c", "40", "-t", "1", "-o", option)
    lab = start_lab(memcached.url, kind=ONE)
    with lab.fault(f"connection limit reached (-o {option})"), crowded(memcached):
        lab.last(12)
    assert explains(lab.verify().explained, word, "speaks no TLS")  # nor does it say why


def test_one_of_three_gone_for_ever(start_memcached: StartMemcached, start_lab: StartLab) -> None:
    servers = [start_memcached() for _ in range(3)]
    lab = start_lab(memcached_url(*servers, replicas=2), kind=THREE)
    with lab.fault("one of three gone for ever", lost_shards=1):
        servers[0].kill()
        lab.last(8)
    assert explains(lab.verify().explained, "connection refused")


@full_only
def test_two_of_three_restarted(start_memcached: StartMemcached, start_lab: StartLab) -> None:
    servers = [start_memcached() for _ in range(3)]
    lab = start_lab(memcached_url(*servers, replicas=2), kind=THREE)
    with lab.fault("two of three restarted, one after the other"):
        for server in servers[:2]:
            server.kill()
            server.start()
            lab.last(1.2)
        lab.last(4)
    assert explains(lab.verify().explained, *LOST)


@full_only
def test_two_of_three_hung_in_turn(start_memcached: StartMemcached, start_lab: StartLab) -> None:
    servers = [start_memcached() for _ in range(3)]
    lab = start_lab(memcached_url(*servers, replicas=2), kind=THREE)
    with lab.fault("two of three stopped 6 s each, one after the other"):
        for server in servers[:2]:
            server.pause()
            lab.last(6)
            server.resume()
    lab.verify()


@contextmanager
def meanwhile(work: Callable[[], None], every: float) -> Iterator[None]:
    """Do ``work`` again and again in a thread, with a pause in between."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(every):
            work()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def filled(memcached: Memcached, sizes: tuple[int, int], rate: int) -> Iterator[None]:
    """Others write so many values a second; the keys are as long as those of beats."""
    with memcached.connect(10) as connection:
        numbers, chance = count(), random.Random(1)

        def write() -> None:
            commands = bytearray()
            for number, _ in zip(numbers, range(rate // 20), strict=False):
                size = chance.randint(*sizes)
                commands += b"set foreign:d:%08x 0 0 %d noreply\r\n" % (number, size)
                commands += bytes(size) + b"\r\n"
            connection.sendall(commands)

        with meanwhile(write, 0.05):
            yield


@contextmanager
def crowded(memcached: Memcached) -> Iterator[None]:
    """Others take every connection that there is."""
    with ExitStack() as held:

        def take() -> None:
            with suppress(OSError), ExitStack() as new:
                connection = new.enter_context(memcached.connect(0.5))
                connection.sendall(b"version\r\n")
                if connection.recv(100).startswith(b"VERSION"):
                    held.enter_context(new.pop_all())

        with meanwhile(take, 0.01):
            yield
