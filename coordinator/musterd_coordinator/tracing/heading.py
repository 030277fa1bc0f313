"""The heading of a trace says what a reader must know of the coordinator that recorded it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from musterd.about import version
from musterd.settings.settings import Settings
from musterd.stores import Store, scheme_of
from musterd.stores.nova.url import parse_url
from musterd.trace.lines import Setting, TraceHeader
from musterd.trace.words import Rule
from musterd_coordinator.tracing.names import TraceNames

_ASKED_BY_MC = ("memcached", "memcached+tls")
"""Schemes of stores in which Nova's own driver ``mc`` could keep its values as well."""


@dataclass(slots=True)
class Heading:
    """A `Heading` is what all headers of a ``run`` say, which began ``at``; ``rules`` are by shard."""

    run: str
    at: datetime
    settings: Mapping[str, Setting]
    source: str
    shards: Sequence[str]
    rules: Sequence[Rule | None]
    names: TraceNames

    def header(self, t: float) -> TraceHeader:
        """Return the header of a file that begins at ``t``."""
        return TraceHeader(
            run=self.run,
            at=self.at,
            t=t,
            musterd=version(),
            settings=self.settings,
            source=self.source,
            shards=self.names.shards(self.shards),
            anonymous=self.names.anonymous,
            rules=sorted({str(rule) for rule in self.rules if rule is not None}),
        )


def heading_of(settings: Settings, store: Store, run: str, at: datetime) -> Heading:
    """Return the heading of a run of a coordinator with these ``settings`` on ``store``."""
    urls = [settings.store, *([settings.watch] if settings.watch else [])]
    return Heading(
        run=run,
        at=at,
        settings=deciding(settings),
        source=" ".join(map(scheme_of, urls)),
        shards=store.shard_names,
        rules=rules_of(settings, store),
        names=TraceNames(anonymous=settings.trace_anonymous),
    )


def deciding(settings: Settings) -> dict[str, Setting]:
    """Return what decides of verdicts, by name; nothing of it names a host."""
    nova = settings.nova_url
    return {
        "service_down_time": settings.service_down_time,
        "interval": settings.interval,
        "push_timeout": settings.push_timeout,
        "sweep_period": settings.sweep_period,
        "sweep_timeout": settings.effective_sweep_timeout,
        "storm_min": settings.storm_min,
        "storm_fraction": settings.storm_fraction,
        "storm_hold": settings.storm_hold_seconds,
        "signatures": settings.signatures_in_force,
        "rpc_response_timeout": None if nova is None else parse_url(nova).rpc_response_timeout,
    }


def rules_of(settings: Settings, store: Store) -> list[Rule | None]:
    """Return for each shard by which of Nova's rules its members are judged beside musterd's verdict."""
    listing = set(store.listing)
    theirs = Rule.MC if scheme_of(settings.store) in _ASKED_BY_MC else None
    return [Rule.DB if at in listing else theirs for at in range(len(store.shard_names))]
