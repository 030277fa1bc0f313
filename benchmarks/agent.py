"""The benchmark measures an agent's memory, CPU per beat, and time to its first accepted beat.

``python -m benchmarks agent --agents 50 --duration 30 --store memcached|postgresql|embedded``
starts a real server and that many real `musterd agent` processes, one after the other, and lets
them beat. Everything is measured from outside: memory and CPU from /proc, the first beat by what
the agent tells systemd (its status line), the beats themselves in the store.

As many agents with a key, which sign what they say, and as many of the least possible senders
(:mod:`benchmarks.minimal_sender`) run beside them, because on a virtual machine one second of CPU
is worth up to 1.7 times as many beats in one hour as in another: what holds is how they compare.
What a key adds is too little to be seen so, and measured in one process (:mod:`benchmarks.signing`).
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import anyio

from benchmarks.figures import Figure, Result, command_of, parser_of, progress, show
from benchmarks.processes import cpu_seconds, memory_bytes, resident_bytes
from benchmarks.signing import added_by_key
from benchmarks.stores import STORES
from musterd.keys import member_key, member_key_text, new_fleet_key
from musterd.stores import open_store
from musterd.testing.agent_process import AgentProcess
from musterd_coordinator.sweep.base import open_reader

_MB = 2**20

Environ = Mapping[str, str]

UNITS = {
    "resident memory": ("MB", 32.0),
    "CPU per beat": ("ms", 0.6),
    "first beat accepted": ("ms", 200.0),
    "proportional memory": ("MB", None),
    "resident memory with a key": ("MB", 32.0),
    "CPU per beat with a key": ("ms", 0.6),
    "first beat accepted with a key": ("ms", 200.0),
    "CPU that a key adds to a beat": ("µs", 5.0),
    "CPU per beat of the least sender": ("ms", None),
    "memory of the least sender": ("MB", None),
}
"""The unit of every figure, and the most that its median may be."""


class Measured:
    """A `Measured` is one real agent. ``first_beat_ms`` counts from its start."""

    def __init__(self, store: str, name: str, interval: float, environ: Environ) -> None:
        options = "--member", name, "--interval", f"{interval:g}"
        self.process = AgentProcess(store, *options, environ=environ)
        accepted = self.process.wait_for("STATUS=beating to 1 of 1 shards")
        self.first_beat_ms = (accepted - self.process.began) * 1000


@contextmanager
def minimal_sender(store: str, interval: float) -> Iterator[int]:
    """Run a least possible sender, and yield its process ID."""
    command = [sys.executable, "-m", "benchmarks.minimal_sender", store, f"{interval:g}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process.pid
        finally:
            process.kill()


async def beats_of(store: str) -> dict[int, tuple[int, int]]:
    """Return the sequence and the missed pushes of every member in the store, by member_id."""
    shard = open_reader(
        open_store(store, namespace="musterd", timeout=5.0, beat_ttl=600.0), 0, "bench"
    )
    while (await shard.roster()).more:
        pass
    beats = (await shard.sweep()).beats
    await shard.aclose()
    columns = (beats.member_id, beats.sequence, beats.missed)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {member: (sequence, missed) for member, sequence, missed in rows}


def measure(store: str, agents: int, duration: float, interval: float) -> dict[str, list[float]]:
    """Return one value per agent for each figure; ``missed`` are the pushes that failed in all."""
    with ExitStack() as stack:
        running: list[Measured] = []
        for name, environ in progress(list(_hosts(agents)), "starting", "agent"):
            running.append(Measured(store, name, interval, environ))
            stack.enter_context(running[-1].process)
        senders = [minimal_sender(store, interval) for _ in range(agents)]
        peers = [stack.enter_context(sender) for sender in senders]
        pids = [agent.process.pid for agent in running]
        before, cpu_before = anyio.run(beats_of, store), [cpu_seconds(pid) for pid in pids + peers]
        for _ in progress(range(round(duration)), "beating", "s"):
            time.sleep(1.0)
        after, cpu_after = anyio.run(beats_of, store), [cpu_seconds(pid) for pid in pids + peers]
        resident = [resident_bytes(pid) / _MB for pid in pids + peers]
        proportional = [memory_bytes(pid) / _MB for pid in pids]
    agent_beats = [after[member][0] - before[member][0] for member in after]
    beats = sum(agent_beats) / len(running)
    cpu = [1000 * (late - early) / beats for early, late in zip(cpu_before, cpu_after, strict=True)]
    least = slice(len(running), None)
    return {
        **_of_agents(running, cpu, resident),
        "proportional memory": proportional[::2],
        "CPU per beat of the least sender": cpu[least],
        "memory of the least sender": resident[least],
        "beats": [beats],
        "pushes missed": [float(sum(missed for _, missed in after.values()))],
    }


def _of_agents(
    running: Sequence[Measured], cpu: Sequence[float], resident: Sequence[float]
) -> dict[str, list[float]]:
    """Return the figures of the agents: every other one of them has a key."""
    figures: dict[str, list[float]] = {}
    for first, word in enumerate(("", " with a key")):
        part = slice(first, len(running), 2)
        figures[f"resident memory{word}"] = list(resident[part])
        figures[f"CPU per beat{word}"] = list(cpu[part])
        figures[f"first beat accepted{word}"] = [each.first_beat_ms for each in running[part]]
    return figures


def _hosts(agents: int) -> Iterator[tuple[str, Environ]]:
    """Yield the name and the environment of each agent: one without a key, then one with its own."""
    fleet = new_fleet_key()
    for number in range(agents):
        yield f"host-{number:03}", {}
        signing = f"host-{number:03}-with-key"
        key = member_key(fleet, "musterd", "compute", signing)
        yield signing, {"MUSTERD_MEMBER_KEY": member_key_text(key)}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return exit status 1 when a limit is not kept."""
    parser = parser_of("agent", __doc__)
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--duration", type=float, default=30.0, help="seconds of beating")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between beats")
    parser.add_argument("--store", choices=STORES, default="memcached")
    args = parser.parse_args(argv)
    with STORES[args.store](2 * args.agents, 1) as server:
        measured = measure(server.url, args.agents, args.duration, args.interval)
        measured["CPU that a key adds to a beat"] = anyio.run(added_by_key, server.url)
    facts = {
        "store": args.store,
        "agents": args.agents,
        "interval": args.interval,
        "beats per agent": round(measured["beats"][0], 1),
        "pushes missed": int(measured["pushes missed"][0]),
    }
    figures = [Figure(name, unit, measured[name], most) for name, (unit, most) in UNITS.items()]
    title = f"What an agent costs its host, {args.store}"
    command = command_of("agent", argv)
    return show(Result("agent", title, figures, facts, command=command), args.json)


if __name__ == "__main__":
    sys.exit(main())
