"""The module knows what things cost and where that was measured, and what is assumed of servers.

The file beside this one was written by ``python -m benchmarks.coefficients``. A file of the user's own
may have the same form and say less, or be what ``python -m benchmarks load --json`` printed.
"""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from musterd.errors import ConfigError

SHIPPED = "coefficients.json"


class Source(msgspec.Struct, frozen=True):
    """A ``Source`` is where coefficients come from."""

    command: str
    date: str
    machine: str


class Coefficient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ``Coefficient`` is one cost, in the unit that its name ends in.

    ``source`` is a key of the sources.
    """

    value: float
    source: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sources: dict[str, Source] = {}
    coefficients: dict[str, Coefficient] = {}
    assumptions: dict[str, float] = {}


class Coefficients:
    """``Coefficients`` are costs by name, as in ``memcached.beat_us``."""

    def __init__(self, file: _File) -> None:
        self.sources = file.sources
        self.known = file.coefficients
        self.assumptions = file.assumptions

    @classmethod
    def shipped(cls) -> "Coefficients":
        """Return those that come with musterd."""
        data = files("musterd.planning").joinpath(SHIPPED).read_bytes()
        return cls(msgspec.json.decode(data, type=_File))

    def __getitem__(self, name: str) -> float:
        return self.known[name].value

    def assumed(self, name: str) -> float:
        """Return an assumption, as in ``server_cores``."""
        return self.assumptions[name]

    def source(self, name: str) -> Source:
        """Return where a coefficient was measured."""
        return self.sources[self.known[name].source]

    def updated(self, path: Path) -> "Coefficients":
        """Return these, with what the file at ``path`` says instead. Raises ConfigError."""
        try:
            data = msgspec.json.decode(path.read_bytes())
            theirs = _from_load(data) if _is_load(data) else msgspec.convert(data, _File)
        except msgspec.MsgspecError as error:
            raise ConfigError(
                f"{path} has no coefficients ({error}): give it the form of musterd's own"
                " coefficients.json, or what python -m benchmarks load --json prints"
            ) from None
        self._check(path, theirs)
        return Coefficients(
            _File(
                self.sources | theirs.sources,
                self.known | theirs.coefficients,
                self.assumptions | theirs.assumptions,
            )
        )

    def _check(self, path: Path, theirs: _File) -> None:
        strange = [*theirs.coefficients.keys() - self.known.keys()]
        strange += theirs.assumptions.keys() - self.assumptions.keys()
        if strange:
            known = ", ".join(sorted([*self.known, *self.assumptions]))
            raise ConfigError(f"{path}: there is no coefficient {strange[0]!r}; there are {known}")
        for name, one in theirs.coefficients.items():
            if not 0 <= one.value < float("inf"):
                raise ConfigError(f"{path}: {name} is {one.value}; a cost is not below zero")
            if one.source not in self.sources | theirs.sources:
                raise ConfigError(
                    f"{path}: {name} is from {one.source!r}, which no source is named"
                )
        for name, value in theirs.assumptions.items():
            if not 0 < value < float("inf"):
                raise ConfigError(f"{path}: {name} is {value}; use a number above zero")


def _is_load(data: object) -> bool:
    return isinstance(data, dict) and data.get("benchmark") == "load"


class _Figure(msgspec.Struct, frozen=True):
    figure: str
    median: float


class _Load(msgspec.Struct, frozen=True):
    store: str
    agents: int
    sweep_period: float
    command: str
    machine: dict[str, str]
    figures: list[_Figure]


def _from_load(data: Mapping[str, Any]) -> _File:
    """Return what a load run says of its store: of beats, of the coordinator's share, of WAL.

    Its costs of a beat have the sweeps of its coordinator in them, so that a plan by them errs on
    the side of more.
    """
    run = msgspec.convert(data, _Load)
    found = {one.figure: one.median for one in run.figures}
    values = {name: found[figure] for figure, name in _names(run, found) if figure in found}
    if "coordinator CPU" in found and run.store in _READ_AS:
        a_sweep = found["coordinator CPU"] * run.sweep_period / run.agents
        read_as = _READ_AS[run.store]
        values[f"{read_as}.read_us"] = 1e6 * a_sweep
        if read_as == "postgresql":  # with as many new beats as there were
            values["postgresql.unchanged_read_us"] = 1e6 * a_sweep
    machine = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    source = Source(run.command, "a load run of yours", machine)
    return _File({"load": source}, {name: Coefficient(v, "load") for name, v in values.items()})


_READ_AS = {
    "memcached": "memcached",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "relay": "postgresql",
}


def _names(run: _Load, found: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Yield the figures of a load run that are coefficients, and which."""
    if "relay CPU per beat" in found:
        yield from (
            ("relay CPU per beat", "relay.beat_us"),
            ("WAL per beat", "relay.beat_wal_bytes"),
        )
        beat = "relay.database_us"
    elif run.store in _READ_AS:
        yield "WAL per beat", "postgresql.beat_wal_bytes"
        beat = f"{_READ_AS[run.store]}.beat_us"
    else:
        raise ConfigError(f"a load run on the store {run.store!r} says nothing for a plan")
    for role in ("memcached", "PostgreSQL", "server"):
        yield f"{role} CPU per beat", beat
