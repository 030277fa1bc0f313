"""A roll with its sweeps in the test's hands, and members to be on it."""

from datetime import UTC, datetime
from typing import TypedDict, Unpack

import numpy as np

from musterd.beat import Status
from musterd.model import Facts, Member, State
from musterd.status import StatusAnswer
from musterd_coordinator.registry.base import Entry
from musterd_coordinator.roll.placement import Place, Places
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.roll.shard import Clocks
from musterd_coordinator.service.queries import Queries
from musterd_coordinator.service.status import Identity, RegistryStatus, status
from musterd_coordinator.steps import Steps, whole
from musterd_coordinator.sweep.base import BeatBatch, LastSeen, Roster
from musterd_coordinator.sweep.columns import Beats, Rejected, no_beats
from musterd_coordinator.sweep.loop import SweepOutcome
from tests.unit.fleet import rules

NAMESPACE = "test"


class Signed(TypedDict, total=False):
    """What a sweep may say besides: of signatures, of what the store itself knows, of the agents' clocks."""

    ordered: tuple[tuple[int, Facts], ...]
    contested: tuple[int, ...]
    proved: tuple[tuple[int, Member], ...]
    unproven: str
    doubt: str
    last_seen: LastSeen
    sent: dict[int, float]  # by slot, in Unix seconds
    missed: int
    lag: float  # seconds


class Stage:
    """A roll over hand-made sweeps of one second each.

    Where members are ``watched``, their store says who they are, and only their seats tell where.
    """

    def __init__(
        self,
        shards: int = 1,
        replicas: int = 1,
        place: Place | None = None,
        *,
        watched: bool = False,
    ) -> None:
        self.now = 5000.0
        self.wall = 1_700_000_000.0
        self.roll = Roll(
            rules(),
            [f"mc{n}:11211" for n in range(1, shards + 1)],
            namespace=NAMESPACE,
            places=Places(
                place or (lambda identity: tuple(range(replicas))),
                replicas,
                listing=range(shards) if watched else (),
                listed=lambda group: watched,
            ),
            sweep_period=0.5,
            sweep_timeout=2.0,
            clocks=Clocks(lambda: self.now, lambda: self.wall),
        )
        self.answers = Queries(self.roll.view)

    def sweep(
        self,
        beats: dict[int, tuple[int, int]] | None = None,
        *,
        seated: tuple[tuple[int, Member], ...] = (),
        vacated: tuple[int, ...] = (),
        status: Status = Status.OK,
        proven: bool = True,
        shard: int = 0,
        interval: float = 1.0,
        push_timeout: float = 0.0,
        canary: float = 0.001,
        **signed: Unpack[Signed],
    ) -> None:
        """``beats``: slot to (incarnation, sequence)."""
        self.now += 0.5
        self.wall += 0.5
        columns = columns_of(beats, status, interval, push_timeout) if beats else no_beats()
        for slot, at in signed.get("sent", {}).items():
            columns.sent_ms[columns.slot == slot] = round(at * 1000)
        columns.missed[:] = signed.get("missed", 0)
        columns.lag_ms[:] = round(signed.get("lag", 0.0) * 1000)
        sweep = BeatBatch(
            columns,
            Rejected(),
            complete=proven,
            contested=signed.get("contested", ()),
            seated=signed.get("proved", ()),
            unproven=signed.get("unproven", ""),
            doubt=signed.get("doubt", ""),
            last_seen=signed.get("last_seen"),
        )
        roster = Roster(seated, vacated, ordered=signed.get("ordered", ()))
        reason = "" if proven else "broken"
        self.take(
            shard,
            SweepOutcome(*(self.now, self.now + 0.01, proven, reason, roster, sweep, canary, 0.01)),
        )

    def take(self, shard: int, swept: SweepOutcome) -> None:
        """Have a sweep taken in."""
        self.roll.apply(shard, swept)

    def state(self, name: str) -> State:
        return self.answers.member("compute", name).observed


def columns_of(
    beats: dict[int, tuple[int, int]],
    status: Status,
    interval: float = 1.0,
    push_timeout: float = 0.0,
) -> Beats:
    slots = np.array(list(beats), np.int64)
    zeros = np.zeros(len(slots), np.uint32)
    return Beats(
        slot=slots,
        member_id=np.zeros(len(slots), np.uint64),
        incarnation=np.array([i for i, _ in beats.values()], np.uint64),
        sequence=np.array([s for _, s in beats.values()], np.uint64),
        interval_ms=zeros + np.uint32(interval * 1000),
        status=np.full(len(slots), status, np.uint8),
        sent_ms=slots.copy(),
        missed=zeros.astype(np.uint16),
        push_timeout_ms=zeros.astype(np.uint16) + np.uint16(push_timeout * 1000),
        lag_ms=zeros,
    )


def host(name: str, **facts: str) -> Member:
    return Member("compute", name, **facts)  # type: ignore[arg-type]  # metadata is not given here


def entry(name: str, state: State, **changes: object) -> Entry:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    usual = {
        "facts": Facts(),
        "reason": "as it was",
        "since": at,
        "first_seen": at,
        "interval": 1.0,
    }
    return Entry(member=host(name), state=state, **{**usual, **changes})  # type: ignore[arg-type]


def telling(stage: Stage) -> Steps[StatusAnswer]:
    identity = Identity("c1", "memory:", "memory:", stage.roll.clocks.instant(0), 0.5)
    return status(stage.roll.view, stage.answers, identity, RegistryStatus())


def told(stage: Stage) -> StatusAnswer:
    return whole(telling(stage))
