"""From outside: a fleet with keys on a memcached where somebody else writes too, who reads and copies all."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from musterd.beat import Status, member_id
from musterd.keys import fleet_key_text, member_key, member_key_text
from musterd.model import State
from musterd.stores.slots.protocol import Keys, read_slots
from musterd.testing.daemons import Agent, Coordinator, Watch, all_in
from musterd.testing.servers import Memcached
from tests.conftest import StartMemcached

NAMESPACE = "musterd"
KEYS = Keys(NAMESPACE)
FLEET = b"a fleet key of thirty-two bytes!"
OTHERS = [f"host-{number}" for number in range(12)]
VICTIM = "victim"
BURST = 6.0  # seconds: longer than others may be silent, and half as long as it may be
PAUSE = 1.7


class Neighbour:
    """It writes one record after the other into the victim's slot, with a pause now and then."""

    def __init__(self, server: Memcached) -> None:
        self.pauses = 0
        self._server = server
        [index] = self.read(KEYS.index(member_id(NAMESPACE, "compute", VICTIM)))
        self._key = KEYS.beat(read_slots(index)[0])

    def read(self, key: bytes) -> list[bytes]:
        reply = self._ask(b"get %b\r\n" % key, b"END\r\n")
        head, _, rest = reply.partition(b"\r\n")
        return [] if head == b"END" else [rest[: int(head.split(b" ")[3])]]

    def record(self) -> bytes:
        """The victim's newest beat."""
        [record] = self.read(self._key)
        return record

    @contextmanager
    def writing(
        self, next_record: Callable[[], bytes], is_heard: Callable[[], bool] = lambda: True
    ) -> Iterator[None]:
        """Write meanwhile. A pause lasts until the victim ``is_heard``, however busy its host is."""
        over = threading.Event()

        def write() -> None:
            began = time.monotonic()
            while not over.wait(0.02):
                if time.monotonic() - began > BURST:
                    over.wait(PAUSE)
                    while not (is_heard() or over.wait(0.1)):
                        pass
                    self.pauses += 1
                    began = time.monotonic()
                record = next_record()
                self._ask(b"set %b 0 600 %d\r\n%b\r\n" % (self._key, len(record), record), b"\r\n")

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _ask(self, command: bytes, end: bytes) -> bytes:
        reply = b""
        with closing(socket.create_connection((self._server.host, self._server.port))) as link:
            link.sendall(command)
            while not reply.endswith(end):
                reply += link.recv(65536)
        return reply


@pytest.mark.time_limit(120)  # a fleet that is born, attacked, dies and is looked at anew
def test_a_neighbour_neither_kills_nor_revives(
    start_memcached: StartMemcached, tmp_path: Path
) -> None:
    server = start_memcached()
    key_file = tmp_path / "fleet.key"
    key_file.touch(mode=0o600)
    key_file.write_text(fleet_key_text(FLEET))
    with ExitStack() as stack:
        coordinator = stack.enter_context(Coordinator(server.url, fleet_key_file=str(key_file)))
        stack.enter_context(Agent(server.url, *OTHERS, fleet_key_file=str(key_file)))
        own = member_key_text(member_key(FLEET, NAMESPACE, "compute", VICTIM))
        victim = stack.enter_context(Agent(server.url, VICTIM, member_key=own))
        watch = Watch(coordinator)
        watch.until(all_in(State.UP, VICTIM, *OTHERS), "all up")
        neighbour = Neighbour(server)
        recorded = [neighbour.record()]
        watch.clear()

        goodbye = recorded[0][:3] + bytes([Status.LEAVING]) + recorded[0][4:]
        with neighbour.writing(lambda: goodbye, lambda: is_heard(coordinator)):
            watch.until(lambda _: is_named(coordinator), "named in status")
            watch.until(lambda _: neighbour.pauses > 1, "one more burst and its pause")
            watch.until(lambda _: is_shown(coordinator), "shown as overwritten")
        assert watch.seen == {name: {State.UP} for name in [VICTIM, *OTHERS]}
        watch.until(lambda _: is_heard(coordinator), "heard again")
        recorded.append(neighbour.record())
        victim.kill()
        watch.until(all_in(State.DOWN, VICTIM), "down")
        watch.clear()
        turns = iter(recorded * 1000)
        with neighbour.writing(lambda: next(turns)):
            watch.for_seconds(3.0)
            coordinator.stop()
            coordinator.start()
            watch.until(all_in(State.UP, *OTHERS), "the others up again")
            watch.for_seconds(3.0)
        assert watch.seen[VICTIM] == {State.DOWN}
        assert all(State.DOWN not in watch.seen[name] for name in OTHERS)


def is_heard(coordinator: Coordinator) -> bool:
    """Say whether its own beat was read in one of the last sweeps."""
    return coordinator.client.member("compute", VICTIM).silent_for < 1.0


def is_shown(coordinator: Coordinator) -> bool:
    shown = coordinator.client.member("compute", VICTIM)
    return shown.conflict and "overwritten by somebody without its key" in shown.reason


def is_named(coordinator: Coordinator) -> bool:
    held = coordinator.client.status().held
    return any(f"compute/{VICTIM}" in hold.reason for hold in held if hold.kind == "overwritten")
