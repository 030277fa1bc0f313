"""The benchmark measures how fast a door answers Nova, beside a memcached that has the same values.

A real coordinator sweeps a fleet in which all members beat in time. `musterd nova` follows it; the
coordinator has a door of its own too; and a memcached of one thread has a value for each member, as if each
had written it. Each is asked in turn over as many connections as Nova's services of a controller may
have, in both protocols (:mod:`benchmarks.door_load`). Then Nova 34 itself filters 1,000 hosts, as its
scheduler does for each request, by each client of oslo.cache.

A door uses one core. The store, the coordinator, the fleet that beats and the program that asks have a
process of their own each, and share the cores that there are.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import anyio
import anyio.to_thread

from benchmarks.coordinators import all_up, start
from benchmarks.figures import Figure, Result, command_of, parser_of, positive, progress, show
from benchmarks.fleet import GROUP, Fleet, beat_at_once, beating
from benchmarks.peers.asker import BACKENDS, NovaAsker, options_of
from benchmarks.peers.environment import NoNova, nova_python
from benchmarks.processes import cpu_seconds, resident_bytes
from benchmarks.stores import memcached
from musterd.testing.daemons import Coordinator, NovaDaemon
from musterd.testing.processes import HOST, held_port
from musterd.testing.servers import Memcached
from musterd_coordinator.nova.values import FLAGS, key_of, value_of

EXAMPLE = """\
example:
  python -m benchmarks door --members 100000
"""
CONNECTIONS = 32
FILTERED = 1000
"""Hosts that Nova's ComputeFilter looks at for one request, at most (`max_placement_results`)."""

LEAST, MOST_P99 = 20_000, 2.0
"""Gets a second that a door is to give, and the milliseconds in which nearly all of them are answered when
they come at that rate."""

HERE = Path(__file__).parent


Got = Mapping[str, float]
"""What one run of :mod:`benchmarks.door_load` printed, and the CPU of an answer in microseconds."""

Run = tuple[Got, Got]
"""One at full speed, and one at the rate."""


class Asked(NamedTuple):
    """An `Asked` is who answers, and which process that is."""

    name: str
    host: str
    port: int
    pid: int
    ours: bool = True


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("door", __doc__, EXAMPLE)
    parser.add_argument("--members", type=positive, default=100_000)
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between two beats")
    parser.add_argument("--repeats", type=positive, default=5, help="rounds, all of them in turn")
    parser.add_argument("--duration", type=float, default=2.0, help="seconds of each run")
    parser.add_argument("--nova", action="store_true", help="have Nova 34 filter hosts as well")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 when a goal was missed, and 2 without Nova."""
    args = arguments().parse_args(argv)
    try:
        python = nova_python() if args.nova else None
    except NoNova as error:
        print(error, file=sys.stderr)
        return 2
    figures = anyio.run(_measure, args, python)
    title = f"A door to Nova, with {args.members:,} members that are swept"
    facts = {"members": args.members, "connections": CONNECTIONS}
    return show(Result("door", title, figures, facts, command=command_of("door", argv)), args.json)


async def _measure(args: argparse.Namespace, python: Path | None) -> list[Figure]:
    with ExitStack() as stack:
        server = stack.enter_context(memcached(args.members, 1))
        port = stack.enter_context(held_port())
        own = stack.enter_context(
            closing(
                Coordinator(
                    server.url,
                    service_down_time=60.0,
                    interval=args.interval,
                    sweep_period=1.0,
                    log_level="error",
                    nova_listen=f"{HOST}:{port}",
                )
            )
        )
        fleet = Fleet(args.members, args.interval)
        fill = server.fill(fleet)
        await fill.fill()
        await start(own)
        await beat_at_once(fleet, fill)
        async with beating(fleet, fill, args.interval):
            await all_up(own, args.members)
            runs = anyio.to_thread.run_sync(_ask_all, own, port, fleet.names, args, python)
            figures = await runs
        await fill.aclose()
    return figures


def _ask_all(
    own: Coordinator, port: int, names: Sequence[str], args: argparse.Namespace, python: Path | None
) -> list[Figure]:
    with (
        NovaDaemon(
            f"http://{own.address}",
            log_level="error",
            service_down_time=60.0,
            interval=args.interval,
        ) as door,
        Memcached("-m", str(64 + args.members // 800), "-t", "1") as peer,
        TemporaryDirectory() as folder,
    ):
        _fill(peer, names)
        keys = _keys(names, Path(folder))
        asked = [
            Asked("musterd nova", door.host, door.port, door.pid),
            Asked("a coordinator's own door", HOST, port, own.pid),
            Asked("memcached", peer.host, peer.port, peer.pid, ours=False),
        ]
        figures = list(_gets(asked, keys, args))
        figures.append(Figure("musterd nova: memory", "MB", [resident_bytes(door.pid) / 1e6]))
        if python is not None:
            figures += _filters(python, [asked[0], asked[2]], names, args.repeats)
    return figures


def _fill(peer: Memcached, names: Sequence[str]) -> None:
    value = value_of(time.time())
    with closing(peer.connect()) as connection:
        for at in range(0, len(names), 1000):
            commands = [
                b"set %b %d 0 %d noreply\r\n%b\r\n"
                % (key_of(GROUP, name), FLAGS, len(value), value)
                for name in names[at : at + 1000]
            ]
            connection.sendall(b"".join(commands))
        connection.sendall(b"version\r\n")
        assert connection.recv(100).startswith(b"VERSION")


def _keys(names: Sequence[str], folder: Path) -> Path:
    chance = random.Random(1)
    file = folder / "keys"
    file.write_bytes(b"\n".join(key_of(GROUP, chance.choice(names)) for _ in range(20_000)))
    return file


def _gets(asked: Sequence[Asked], keys: Path, args: argparse.Namespace) -> Iterator[Figure]:
    runs: dict[tuple[Asked, str], list[Run]] = {}
    for _ in progress(range(args.repeats), "asking", "round"):
        for protocol in ("text", "binary"):
            for one in asked:
                free, paced = (
                    _get(one, protocol, keys, args.duration, rate) for rate in (0, LEAST)
                )
                runs.setdefault((one, protocol), []).append((free, paced))
    for (one, protocol), found in runs.items():
        yield from _figures(one, protocol, *zip(*found, strict=True))


def _figures(
    one: Asked, protocol: str, free: Sequence[Got], paced: Sequence[Got]
) -> Iterator[Figure]:
    name, at_rate = f"{one.name}, {protocol}", f"at {LEAST:,}/s"
    least, most = (LEAST, MOST_P99) if one.ours else (None, None)
    yield Figure(f"{name}: gets", "1/s", _of(free, "per_second"), at_least=least)
    yield Figure(f"{name}: CPU a get", "µs", _of(free, "cpu"))
    yield Figure(f"{name}: p99 at full speed", "ms", _of(free, "p99"))
    yield Figure(f"{name} {at_rate}: median", "ms", _of(paced, "p50"))
    yield Figure(f"{name} {at_rate}: p99", "ms", _of(paced, "p99"), at_most=most)


def _get(one: Asked, protocol: str, keys: Path, duration: float, rate: float) -> Got:
    words = [
        one.host,
        str(one.port),
        str(CONNECTIONS),
        str(duration),
        protocol,
        str(keys),
        str(rate),
    ]
    command = [sys.executable, "-m", "benchmarks.door_load", *words]
    before = cpu_seconds(one.pid)
    printed = subprocess.run(command, cwd=HERE.parent, capture_output=True, check=True).stdout
    cpu = cpu_seconds(one.pid) - before
    run: dict[str, float] = json.loads(printed.splitlines()[-1])
    if run["misses"]:
        raise RuntimeError(f"{one.name} said of living hosts that they are down: {run}")
    return run | {"cpu": 1e6 * cpu / (run["per_second"] * duration)}


def _of(runs: Sequence[Got], key: str) -> list[float]:
    return [run[key] for run in runs]


def _filters(
    python: Path, asked: Sequence[Asked], names: Sequence[str], repeats: int
) -> Iterator[Figure]:
    for backend in BACKENDS:
        with _novas(python, backend, asked) as novas:
            rates: dict[str, list[float]] = {one.name: [] for one in asked}
            for _ in progress(range(repeats), backend, "round"):
                for one, nova in novas:
                    answer = nova.order("filter", hosts=list(names[:FILTERED]))
                    if answer["passed"] != len(names[:FILTERED]):
                        raise RuntimeError(f"{one.name}: {answer['passed']} hosts pass")
                    rates[one.name].append(answer["rate"])
        for name, found in rates.items():
            yield Figure(f"Nova's ComputeFilter by {backend}, {name}", "hosts/s", found)


@contextmanager
def _novas(
    python: Path, backend: str, asked: Sequence[Asked]
) -> Iterator[list[tuple[Asked, NovaAsker]]]:
    with ExitStack() as stack:
        yield [
            (
                one,
                stack.enter_context(
                    NovaAsker(python, options_of(backend, f"{one.host}:{one.port}"))
                ),
            )
            for one in asked
        ]


if __name__ == "__main__":
    sys.exit(main())
