"""Everything at once: a coordinator of 20,000 honest members under all that a neighbour can do.

python -m tests.attacks.siege --minutes 10

Two real memcacheds and one that lies, real agents, a real coordinator. All the while somebody on one
memcached poisons records, invents members and spoils beats; 5,000 idle connections, readers that
do not read, lists and orders without end beset the HTTP port. Agents die one after the other. Exit
status 0 when nobody alive was called down, everybody dead was found in time, and the coordinator
stayed within its memory.
"""

import argparse
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from musterd.client import Client
from musterd.errors import MusterdError
from musterd.model import State
from musterd.testing.busy import Patience
from musterd.testing.daemons import Agent, Coordinator
from musterd.testing.servers import Memcached
from tests.attacks import flood
from tests.attacks.hostile_server import EndlessServer
from tests.attacks.neighbour import Neighbour, beat_of, holder
from tests.faults.locks import GROUP

INTERVAL, DOWN_TIME, SWEEP_PERIOD = 30.0, 90.0, 1.0
FOUND_WITHIN = DOWN_TIME + INTERVAL + 5.0
"""Seconds from a death to its verdict: down time, an interval, sweeps and looks."""

MEMORY = 1 << 30
AGENTS = 8
MORTALS = 4
POISON = b"\x82\xa5group\xa7compute\xa4name\xa2\xff\xfe"
EVENTS = b"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LIST = b"GET /v1/groups/compute/members?up=false HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
DEAD = (State.DOWN, State.LEFT)


@dataclass(slots=True)
class Seen:
    """What somebody who means well was answered."""

    accused: set[str] = field(default_factory=set)
    found: dict[str, float] = field(default_factory=dict)
    polls: int = 0
    failed: int = 0
    deaf: int = 0
    slowest: float = 0.0
    memory: int = 0
    died: bool = False


def main() -> int:
    """Stand the siege, print what was seen; 0 when every promise was kept."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--members", type=int, default=20_000)
    arguments.add_argument("--minutes", type=float, default=10.0)
    chosen = arguments.parse_args()
    flood.allow_descriptors(20_000)
    with ExitStack() as stack:
        return stand(stack, chosen.members, chosen.minutes * 60)


def stand(stack: ExitStack, members: int, seconds: float) -> int:
    """Start everybody, besiege them for ``seconds``, and judge."""
    servers = [stack.enter_context(Memcached("-m", "512")) for _ in range(2)]
    liar = stack.enter_context(EndlessServer())
    addresses = [*(server.address for server in servers), liar.address]
    store = f"memcached://{','.join(addresses)}?replicas=2"
    coordinator = stack.enter_context(
        Coordinator(store, service_down_time=DOWN_TIME, sweep_period=SWEEP_PERIOD)
    )
    for number in range(AGENTS):
        names = [f"host-{at:05d}" for at in range(number, members, AGENTS)]
        stack.enter_context(agent_of(store, names))
    mortals = {f"mortal-{at}": agent_of(store, [f"mortal-{at}"]) for at in range(MORTALS)}
    for mortal in mortals.values():
        stack.enter_context(mortal)
    until_all_are_up(coordinator, members + MORTALS)
    with besieged(coordinator, servers[0]) as counts:
        seen, killed = watch(coordinator, mortals, seconds)
    return verdict(seen, killed, counts)


def agent_of(store: str, names: Sequence[str]) -> Agent:
    """An agent for these members, spread over racks by name."""
    agent = Agent(store, interval=INTERVAL, service_down_time=DOWN_TIME)
    agent.settings["member"] = [{"member": name, "zone": f"rack-{name[-2:]}"} for name in names]
    return agent


def until_all_are_up(coordinator: Coordinator, members: int) -> None:
    """Wait for a whole fleet's first minute."""
    patience = Patience(240.0)
    with coordinator.another_client(10) as client:
        while (up := client.status().states.get(State.UP, 0)) < members:
            assert not patience.is_over, f"only {up} of {members} are up"
            time.sleep(1)
    print(f"{members} members are up", flush=True)


# -- the besiegers -----------------------------------------------------------------------


@contextmanager
def besieged(coordinator: Coordinator, memcached: Memcached) -> Iterator[dict[str, int]]:
    """All attacks at once, until the end; how often each was made."""
    over, counts = threading.Event(), dict[str, int]()
    deeds = {
        "poisoned records": (poison(memcached), 0.5),
        "invented members": (invent(memcached), 0.5),
        "spoiled beats": (spoil(memcached), 0.5),
        "orders": (orders(coordinator), 0.0),
        "lists": (lambda: flood.request(coordinator, LIST), 0.0),
    }
    threads = [
        threading.Thread(target=repeat, args=[over, counts, name, *deed], daemon=True)
        for name, deed in deeds.items()
    ]
    with (
        flood.idle_connections(coordinator, 5000),
        flood.idle_connections(coordinator, 500, EVENTS),
        flood.idle_connections(coordinator, 200, flood.half_a_body(4_000_000, 500_000)),
    ):
        for thread in threads:
            thread.start()
        try:
            yield counts
        finally:
            over.set()
            for thread in threads:
                thread.join(30)


def repeat(
    over: threading.Event,
    counts: dict[str, int],
    name: str,
    deed: Callable[[], object],
    pause: float,
) -> None:
    """Do it until the end; whatever goes wrong is the attacker's own affair."""
    while not over.wait(pause):
        with suppress(OSError, AssertionError, ValueError, IndexError):
            deed()
            counts[name] = counts.get(name, 0) + 1


def poison(memcached: Memcached) -> Callable[[], object]:
    """Holders, counters and free slots that are none."""
    kinds = cycle(range(4))

    def deed() -> None:
        with Neighbour(memcached) as him:
            match next(kinds):
                case 0:
                    him.seat(him.new_slot(), POISON)
                case 1:
                    him.set(b"musterd:m:%08x" % him.new_slot(), b"x" * 1_000_000)
                case 2:
                    him.set(b"musterd:n", b"16777216")
                case 3:
                    him.set(b"musterd:f", b"00fffffe" * 100)

    return deed


def invent(memcached: Memcached) -> Callable[[], object]:
    """Members of his own, some with promises that nobody can keep."""
    numbers = iter(range(1, 10**9))

    def deed() -> None:
        with Neighbour(memcached) as him:
            for _ in range(10):
                number = next(numbers)
                name, promised = f"fake-{number}", (1, 1000, 2**32 - 1)[number % 3]
                record = beat_of(name, number, promised) if number % 2 else beat_of("x", number)
                him.seat(him.new_slot(), holder(name, f"rack-{number % 100:02d}"), record)

    return deed


def spoil(memcached: Memcached) -> Callable[[], object]:
    """Beats of the honest, with the largest number there is."""
    names = cycle([f"host-{at:05d}" for at in range(0, 1000, 7)])

    def deed() -> None:
        with Neighbour(memcached) as him:
            him.forge(next(names), sequence=2**64 - 1)

    return deed


def orders(coordinator: Coordinator) -> Callable[[], object]:
    """One order after the other."""
    numbers = iter(range(10**9))

    def deed() -> None:
        number = next(numbers)
        body = b'{"owner": "mallory-%d"}' % number
        flood.order(coordinator, f"host-{number % 1000:05d}", body)

    return deed


# -- who means well ----------------------------------------------------------------------


def watch(
    coordinator: Coordinator, mortals: dict[str, Agent], seconds: float
) -> tuple[Seen, dict[str, float]]:
    """Ask once a second who is down, and kill one after the other."""
    seen, killed = Seen(), dict[str, float]()
    began = time.monotonic()
    deaths = [began + 10 + at * (seconds - FOUND_WITHIN - 20) / MORTALS for at in range(MORTALS)]
    with coordinator.another_client(10) as client:
        while time.monotonic() < began + seconds:
            for (name, agent), at in zip(mortals.items(), deaths, strict=True):
                if name not in killed and time.monotonic() > at:
                    agent.kill()
                    killed[name] = time.monotonic()
            look(coordinator, client, seen, killed)
            time.sleep(1)
    return seen, killed


def look(coordinator: Coordinator, client: Client, seen: Seen, killed: dict[str, float]) -> None:
    """One look at who is down; honest names only, for the invented are nobody's affair."""
    asked = time.monotonic()
    seen.polls += 1
    seen.died |= not coordinator.is_running
    seen.memory = max(seen.memory, peak_memory(coordinator))
    try:
        status = client.status()
        down = [one.member for state in DEAD for one in client.members(GROUP, state=state)]
    except MusterdError:
        seen.failed += 1
        return
    now = time.monotonic()
    seen.slowest = max(seen.slowest, now - asked)
    seen.deaf += not status.listening
    for name in down:
        if name in killed:
            seen.found.setdefault(name, now - killed[name])
        elif name.startswith(("host-", "mortal-")):
            seen.accused.add(name)


def verdict(seen: Seen, killed: dict[str, float], counts: dict[str, int]) -> int:
    """Print what was seen; 0 when every promise was kept."""
    late = {name: seconds for name, seconds in seen.found.items() if seconds > FOUND_WITHIN}
    missed = killed.keys() - seen.found.keys()
    found = ", ".join(f"{seconds:.0f} s" for seconds in seen.found.values())
    print(f"attacks            {', '.join(f'{count} {name}' for name, count in counts.items())}")
    print(f"false downs        {len(seen.accused)} {sorted(seen.accused)[:5] or ''}")
    print(
        f"dead found after   {found or 'never'} (at most {FOUND_WITHIN:g} s); missed {len(missed)}"
    )
    print(f"looks              {seen.polls}, {seen.failed} failed, {seen.deaf} said not listening")
    print(f"coordinator        {'DIED' if seen.died else 'alive throughout'}")
    print(f"slowest look       {seen.slowest:.1f} s")
    print(f"coordinator memory {seen.memory / 2**20:.0f} MiB at most (of {MEMORY >> 20})")
    kept = not (
        seen.accused
        or late
        or missed
        or seen.died
        or seen.memory > MEMORY
        or seen.failed > seen.polls / 20
    )
    print("every promise kept" if kept else "NOT KEPT")
    return 0 if kept else 1


def peak_memory(coordinator: Coordinator) -> int:
    """The most that it ever had, in bytes."""
    status = Path(f"/proc/{coordinator.pid}/status").read_text()
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) * 1024 if lines else 0  # 0: it is dead


if __name__ == "__main__":
    raise SystemExit(main())
