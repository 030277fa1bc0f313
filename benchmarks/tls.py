"""The benchmark measures what TLS costs: a beat, a question, a connection, and one that is idle.

``python -m benchmarks tls --repeats 9`` starts a memcached and a coordinator without TLS and with it,
and does the same at both in turns, in one run. CPU is of this process for an agent, and of the
coordinator for questions; a connection is made, asked something once, and closed. Idle connections
are those of agents to an embedded store.
"""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import NamedTuple

import anyio

from benchmarks.figures import Figure, Result, command_of, parser_of, positive, progress, show
from benchmarks.processes import cpu_seconds, resident_bytes
from musterd.beat import Beat, member_id
from musterd.client import Client
from musterd.model import Member
from musterd.stores import ShardWriter, open_store
from musterd.testing.authority import Authority
from musterd.testing.daemons import Coordinator
from musterd.testing.processes import held_port
from musterd.testing.secured import SecuredMemcached
from musterd.testing.servers import Memcached
from musterd.tls import Tls, client_tls_of

NAMESPACE = "musterd"
BEATS, QUESTIONS, CONNECTIONS, IDLE = 300, 300, 60, 400
_US, _KB = 1e6, 1024


class Side(NamedTuple):
    """A `Side` is what is measured without TLS, or with it."""

    store: str
    coordinator: Coordinator
    embedded: int  # its port
    authority: str | None

    @property
    def tls(self) -> Tls | None:
        """Return the TLS by which it is reached."""
        return None if self.authority is None else client_tls_of(self.authority)


@contextmanager
def sides() -> Iterator[tuple[Side, Side]]:
    """Start both."""
    authority = Authority()
    made = authority.issue("server")
    with ExitStack() as stack:
        memcached = stack.enter_context(Memcached("-m", "16", "-t", "1"))
        locked = stack.enter_context(SecuredMemcached("-m", "16", "-t", "1", certificate=made))
        ports = [stack.enter_context(held_port()) for _ in range(2)]
        plain = stack.enter_context(Coordinator(f"embedded://127.0.0.1:{ports[0]}"))
        by_tls = stack.enter_context(
            Coordinator(
                f"embedded+tls://127.0.0.1:{ports[1]}",
                tls_cert_file=made.cert,
                tls_key_file=made.key,
                ca_file=authority.file,
            )
        )
        store = f"memcached+tls://{locked.address}"
        yield (
            Side(memcached.url, plain, ports[0], None),
            Side(store, by_tls, ports[1], authority.file),
        )


async def beat(side: Side) -> float:
    """Return the µs of an agent's CPU for one beat."""
    store = open_store(side.store, namespace=NAMESPACE, timeout=30.0, beat_ttl=600.0, tls=side.tls)
    writer, member = store.writer(0), Member("compute", "host-1")
    await writer.announce(member)
    try:
        return await _beats(writer, member_id(NAMESPACE, member.group, member.name))
    finally:
        await writer.aclose()


async def _beats(writer: ShardWriter, identity: int) -> float:
    began = time.process_time()
    for sequence in range(1, BEATS + 1):
        assert await writer.beat(Beat(identity, 1, sequence, 10_000))
    return (time.process_time() - began) / BEATS * _US


def question(side: Side) -> float:
    """Return the µs of a coordinator's CPU for one GET on a connection that is there."""
    client = side.coordinator.client
    client.status()
    return _coordinators_cpu(side, client.status, QUESTIONS)


def connection(side: Side) -> float:
    """Return the µs of a coordinator's CPU for a connection, with one GET on it."""
    scheme = "http" if side.authority is None else "https"

    def ask() -> None:
        with Client(f"{scheme}://{side.coordinator.address}", ca_file=side.authority) as client:
            client.status()

    return _coordinators_cpu(side, ask, CONNECTIONS)


def _coordinators_cpu(side: Side, work: Callable[[], object], times: int) -> float:
    pid = side.coordinator.pid
    before = cpu_seconds(pid)
    for _ in range(times):
        work()
    return (cpu_seconds(pid) - before) / times * _US


def idle(side: Side) -> float:
    """Return the kB of a coordinator's memory for one idle connection to its embedded store."""
    pid = side.coordinator.pid
    with ExitStack() as stack:
        before = resident_bytes(pid)
        for _ in range(IDLE):
            stack.enter_context(closing(_client(side)))
        return (resident_bytes(pid) - before) / IDLE / _KB


def _client(side: Side) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", side.embedded), 30.0)
    if side.tls is not None:
        made = side.tls.context().wrap_socket(made, server_hostname="127.0.0.1")
    made.sendall(b"version\r\n")
    assert made.recv(100).startswith(b"VERSION")
    return made


def measure(repeats: int) -> Iterator[Figure]:
    """Yield the figures."""
    kinds: dict[str, tuple[str, Callable[[Side], float]]] = {
        "an agent's CPU for a beat": ("µs", lambda side: anyio.run(beat, side)),
        "coordinator's CPU for a GET": ("µs", question),
        "coordinator's CPU for a connection and a GET": ("µs", connection),
        "memory of an idle connection": ("kB", idle),
    }
    values: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in kinds}
    with sides() as both:
        for _ in progress(range(repeats), "measuring", "round"):
            for name, (_, work) in kinds.items():
                for side, found in zip(both, values[name], strict=True):
                    found.append(work(side))
    for name, (unit, _) in kinds.items():
        for word, found in zip(("", " by TLS"), values[name], strict=True):
            # What the first connections of a process take is kept for those that follow.
            yield Figure(name + word, unit, found[:1] if unit == "kB" else found)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print."""
    parser = parser_of("tls", __doc__)
    parser.add_argument("--repeats", type=positive, default=9, help="rounds, plain and TLS in turn")
    args = parser.parse_args(argv)
    figures = list(measure(args.repeats))
    result = Result("tls", "What TLS costs", figures, command=command_of("tls", argv))
    return show(result, args.json)
