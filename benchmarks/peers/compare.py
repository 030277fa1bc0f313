"""The module makes figures, ratios and goals from costs; it is pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from benchmarks.figures import Figure
from benchmarks.peers.meter import Cost

LARGE = 100_000
"""Members from which on a view has a goal."""

VIEW_RATIO = 100.0


class Goals(NamedTuple):
    """The `Goals` say how many times less than Nova's a heartbeat must cost; None: that has no goal.

    ``log`` is what :data:`LOGS` names.
    """

    cpu: float | None = None
    log: float | None = None


DIRECT = {"PostgreSQL": Goals(8.0, 5.0), "MariaDB": Goals(4.0)}
RELAYED = {"PostgreSQL": Goals(50.0, 100.0), "MariaDB": Goals(25.0)}
LAZY = "MariaDB, log flushed once a second"
MYSQL = "MySQL"
LOGS = {"PostgreSQL": "WAL", "MariaDB": "redo log", LAZY: "redo log", MYSQL: "redo log"}
"""What a database calls what it writes ahead."""


def beat_figures(
    store: str, costs: Mapping[str, Sequence[Cost]], statements: Mapping[str, float]
) -> list[Figure]:
    """Return the costs of a heartbeat by sender (several runs each), and the ratios to Nova's."""
    figures = [figure for name in costs for figure in _costs_of(store, name, costs[name])]
    figures += [
        Figure(f"{store}: statements per heartbeat, {name}", "", [count])
        for name, count in statements.items()
    ]
    for name in costs:
        if name.startswith("musterd"):
            novas = [costs[other] for other in costs if _is_alike(other, name)]
            figures += _ratios(store, name, novas, costs[name])
    return figures


def _is_alike(name: str, ours: str) -> bool:
    """Say whether ``name`` is Nova's way to send as ``ours`` does: one at a time, or many.

    A relay's way is like neither, and is held against both.
    """
    alone = "1 at a time"
    return name.startswith("Nova") and (
        "relay" in ours or name.endswith(f" {alone}") == ours.endswith(f" {alone}")
    )


def _costs_of(store: str, name: str, runs: Sequence[Cost]) -> Iterator[Figure]:
    yield Figure(f"{store}: server CPU, {name}", "µs", [run.server_us for run in runs])
    if store in LOGS:
        yield Figure(f"{store}: {LOGS[store]}, {name}", "B", [run.wal for run in runs])
    yield Figure(f"{store}: client CPU, {name}", "µs", [run.client_us for run in runs])
    yield Figure(f"{store}: heartbeats, {name}", "/s", [run.beats_per_second for run in runs])


def _ratios(
    store: str, name: str, novas: Sequence[Sequence[Cost]], runs: Sequence[Cost]
) -> Iterator[Figure]:
    goals = (RELAYED if "relay" in name else DIRECT).get(store, Goals())
    cpu = [
        min(one.server_us for one in of_nova) / ours.server_us
        for *of_nova, ours in zip(*novas, runs, strict=True)
    ]
    yield Figure(f"{store}: server CPU, Nova / {name}", "times", cpu, at_least=goals.cpu)
    if store in LOGS:
        wal = [
            min(one.wal for one in of_nova) / max(ours.wal, 1e-3)
            for *of_nova, ours in zip(*novas, runs, strict=True)
        ]
        yield Figure(f"{store}: {LOGS[store]}, Nova / {name}", "times", wal, at_least=goals.log)


def view_figures(members: int, views: Mapping[str, Sequence[float]]) -> list[Figure]:
    """Return the seconds of each view of ``members``, and the ratios to Nova's of the same store."""
    figures = [
        Figure(f"view of {members}: {name}", "s", seconds) for name, seconds in views.items()
    ]
    for ours, novas in (("musterd, PostgreSQL", "Nova db"), ("musterd, memcached", "Nova mc")):
        ratios = [nova / own for nova, own in zip(views[novas], views[ours], strict=True)]
        goal = VIEW_RATIO if members >= LARGE else None
        name = f"view of {members}: {novas} / {ours}"
        figures.append(Figure(name, "times", ratios, at_least=goal))
    return figures
