"""The module makes what a run prints."""

import math
import statistics
from collections.abc import Sequence

from benchmarks.figures import Figure, Plot, Result
from benchmarks.load.field import Field
from benchmarks.load.judge import Step, limit
from benchmarks.load.run import Measured
from benchmarks.load.settings import Settings

_MILLION = 1e6
_MB = 2**20


def report(field: Field, settings: Settings, measured: Measured, command: str) -> Result:
    """Return a run as figures, facts and words."""
    return Result(
        benchmark="load",
        title=_title(field, settings),
        figures=[
            *_beats(settings, measured),
            *_costs(measured),
            *_coordinator(measured),
            *_tables(measured),
            *_verdicts(settings, measured),
        ],
        facts={**_facts(field, settings), **_counts(measured)},
        notes=_notes(field, settings, measured),
        command=command,
    )


def report_ramp(
    field: Field, settings: Settings, steps: Sequence[tuple[Step, Measured]], command: str
) -> Result:
    """Return a ramp as figures, facts and words: its knee, and every step on the way there."""
    good = [step for step, _ in steps[:-1]]
    last = steps[-1][0]
    knee = max((step.achieved for step in good), default=0.0)
    measured = steps[-2][1] if good else steps[-1][1]
    lines = [
        f"asked {step.asked:8.0f}/s, made {step.achieved:8.0f}/s, p99 {1000 * step.p99:8.1f} ms:"
        f" {step.broken(settings.p99) or 'well'}"
        for step, _ in steps
    ]
    points = [(step.asked, 1000 * step.p99) for step, _ in steps]
    made = [(step.asked, step.achieved) for step, _ in steps]
    return Result(
        benchmark="load",
        title=f"{_title(field, settings)}; rate raised until something gave way",
        figures=[Figure("knee", "beats/s", [knee]), *_costs(measured), *_coordinator(measured)],
        facts={**_facts(field, settings), "limited_by": last.limited_by},
        plots=[
            Plot("Latency of beats, p99", "beats/s asked", "ms", {"p99": points}, logarithmic=True),
            Plot(
                "Beats", "beats/s asked", "beats/s made", {"made": made, "asked": _diagonal(made)}
            ),
        ],
        notes=[*lines, f"broken: {last.broken(settings.p99)}", f"limit: {last.limited_by}"],
        command=command,
    )


def _diagonal(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x, x) for x, _ in points]


def _title(field: Field, settings: Settings) -> str:
    return f"{settings.agents} members beat every {settings.interval:g} s to {field.stage.setting}"


def _beats(settings: Settings, measured: Measured) -> list[Figure]:
    tally = measured.tally
    rates = measured.rates[1:] or measured.rates
    return [
        Figure("beats asked", "1/s", [tally.due / tally.seconds]),
        Figure("beats achieved", "1/s", [tally.rate]),
        Figure("beats achieved, by half second", "1/s", rates),
        *_latencies(measured),
        Figure("beats per write", "", [tally.sent / max(1, tally.writes)]),
    ]


def _latencies(measured: Measured) -> list[Figure]:
    latencies = measured.settled.latencies
    if not latencies.longest:
        return []
    percentiles = [
        Figure(f"latency p{percent:g}", "ms", [1000 * latencies.percentile(percent)])
        for percent in (50, 99, 99.9)
    ]
    return [*percentiles, Figure("latency, longest", "ms", [1000 * latencies.longest])]


def _costs(measured: Measured) -> list[Figure]:
    figures = []
    rate = max(1.0, measured.tally.rate)
    for role in measured.roles:
        cores = [part.total(role) for part in measured.spent]
        figures.append(Figure(f"{role} CPU", "cores", cores))
        if role != "coordinator":
            per_beat = [_MILLION * share / rate for share in cores]
            figures.append(Figure(f"{role} CPU per beat", "µs", per_beat))
        figures.append(Figure(f"{role} memory", "MB", [measured.memory[role] / _MB]))
    return [*figures, Figure("machine CPU", "share", [part.machine for part in measured.spent])]


def _coordinator(measured: Measured) -> list[Figure]:
    took = [1000 * poll.took for poll in measured.polls]
    some = {
        ("sweep", "s"): measured.sweeps,
        ("canary round trip", "ms"): [1000 * seconds for seconds in measured.canaries],
        ("coordinator answers within", "ms"): took,
    }
    return [Figure(name, unit, values) for (name, unit), values in some.items() if values]


def _tables(measured: Measured) -> list[Figure]:
    if measured.wear is None:
        return []
    return [
        Figure("WAL per beat", "B", [measured.wear.wal_per_beat]),
        Figure("HOT updates", "share", [measured.wear.hot]),
        Figure("table growth", "times", [measured.wear.growth]),
    ]


def _verdicts(settings: Settings, measured: Measured) -> list[Figure]:
    verdicts = measured.verdicts
    figures = [Figure("false downs", "members", [len(verdicts.false)], at_most=0)]
    if settings.stopped:
        figures.append(Figure("stopped, not found", "members", [len(verdicts.missed)], at_most=0))
    if verdicts.found:
        slowest = [max(verdicts.found)]
        figures.append(Figure("time to find a stopped member", "s", verdicts.found))
        figures.append(Figure("the same, slowest", "s", slowest, at_most=settings.bound))
    return figures


def _facts(field: Field, settings: Settings) -> dict[str, object]:
    return {
        "store": "relay" if settings.is_relayed else settings.store.partition(":")[0],
        "agents": settings.agents,
        "interval": settings.interval,
        "duration": settings.duration,
        "processes": settings.processes,
        "connections": settings.lanes * settings.processes,
        "service_down_time": settings.service_down_time,
        "sweep_period": settings.sweep_period,
        "seconds_to_announce": round(field.announced, 1),
        "seconds_until_all_up": round(field.listed, 1),
    }


def _counts(measured: Measured) -> dict[str, object]:
    tally = measured.settled
    return {
        "beats": tally.through,
        "not_stored": tally.lost,
        "failed": tally.failed,
        "unanswered": tally.unanswered,
        "slow": tally.slow,
        "late": tally.late,
        "skipped": tally.skipped,
        "generator_behind_ms": round(1000 * tally.behind),
        "announced_again": tally.announced,
        "reconnects": tally.reconnects,
        "suspects": len(measured.verdicts.suspects),
    }


def _notes(field: Field, settings: Settings, measured: Measured) -> list[str]:
    notes = [f"limit: {limit(measured.strain(settings))}"]
    lanes = settings.lanes * settings.processes
    if lanes < settings.agents:
        notes.append(
            f"{settings.agents} members share {lanes} connections; a server with a connection for"
            " each has more to do for a beat (see beats per write)"
        )
    if field.up < settings.agents:
        notes.append(
            f"measuring began with {field.up} of {settings.agents} members up: the coordinator had"
            " not found the others in time"
        )
    sweep = statistics.median(measured.sweeps or [0.0])
    if sweep > settings.sweep_period:
        notes.append(
            f"a sweep takes {sweep:.1f} s and begins every {settings.sweep_period:g} s: listening time"
            " runs slower than the clock then, and members are found later than promised; give the"
            " coordinator a longer --sweep-period, or the server more"
        )
    if not settings.measures_detection:
        least = math.ceil(1.5 * settings.bound) + 1
        notes.append(
            "how soon a stopped member is found was not measured: that needs a --duration of"
            f" {least} at least, or a shorter --service-down-time"
        )
    if measured.overrun:
        notes.append("more verdicts changed at once than the coordinator keeps for its readers")
    notes += [f"failed: {reason} ({times})" for reason, times in measured.settled.reasons.items()]
    notes += [f"false down: {name}" for name in measured.verdicts.false[:10]]
    return notes
