"""Whoever has no key of a member changes nothing of it but to be held, whatever it writes and when."""

from dataclasses import dataclass, field, replace
from random import Random

import anyio
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from msgspec import structs
from trio.testing import MockClock

from musterd.beat import HEAD, SIGNED, SIZE, Beat, Status, pack
from musterd.keys import beat_mac, challenge_digest, member_key
from musterd.model import Member, State
from musterd.stores.slots.protocol import RETIRED, read_slots, write_holder, write_slots
from musterd_coordinator.judge.contests import PATIENCE
from musterd_coordinator.roll.placement import Places
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.roll.shard import Clocks
from musterd_coordinator.service.queries import Queries
from musterd_coordinator.sweep.loop import Sweeper
from tests.examples import examples
from tests.unit.fleet import rules
from tests.unit.signed_world import FLEET, NAMES, NAMESPACE, SignedWorld

DOWN_TIME = 4.0
HOSTS = 12
SETTLE = 6
DEAD_FROM = 3  # rounds after that

Deed = tuple[bool, int, int, int]
"""Whether it is done before the beats of a round or after, on which key, with what, and a number."""


def member(number: int) -> Member:
    return Member("compute", f"host-{number}", "z1")


@dataclass
class Neighbour:
    """It reads and writes all keys of a table, remembers what stood there, and has one host's key."""

    world: SignedWorld
    seen: list[list[bytes]] = field(default_factory=lambda: [[b""] for _ in range(HOSTS + 2)])
    challenge: bytes = b""

    def look(self) -> None:
        for slot in range(HOSTS + 2):
            for key in (NAMES.beat(slot), NAMES.holder(slot)):
                item = self.world.table.get((key,))[0]
                if item is not None and item.value not in self.seen[slot]:
                    self.seen[slot].append(item.value)
        item = self.world.table.get((NAMES.challenge,))[0]
        self.challenge = b"" if item is None else item.value

    def write(self, where: int, what: int, number: int) -> None:
        """Write something about a member, mostly under its own keys, and what it wrote itself."""
        victim = member(number % HOSTS)
        seat = self.world.value(NAMES.index(NAMES.identity(victim)))
        found = read_slots(seat)
        slot = (found[0] if found and where < 96 else where) % (HOSTS + 2)
        old = self.seen[slot if number % 5 else number % (HOSTS + 2)]
        keys = [NAMES.beat(slot)] * 3 + [NAMES.holder(slot)] * 2
        keys += [NAMES.index(NAMES.identity(victim)), NAMES.challenge, NAMES.free]
        self.world.table.set(keys[where % 8], self.value(what, number, victim, old))

    def value(self, what: int, number: int, victim: Member, recorded: list[bytes]) -> bytes:
        old = recorded[number // HOSTS % len(recorded)]
        status = Status(number % 4)
        beat = Beat(NAMES.identity(victim), 7, self.world.sequence + number % 3, 1000, status)
        head = pack(structs.replace(beat, version=SIGNED))[:HEAD]
        own = member_key(FLEET.current, NAMESPACE, "compute", "host-0")  # a host that it broke into
        kinds = [
            old,
            old,
            old[:3] + bytes([status]) + old[4:],
            pack(beat),
            head + beat_mac(own, head, b"announced", challenge_digest(self.challenge)),
            (old[:2] + b"\x01" + old[3:])[:SIZE],
            RETIRED,
            write_holder(Member("compute", victim.name, "elsewhere")),
            write_holder(Member("compute", "stranger", "z1"), b"m" * 16),
            write_slots(number % (HOSTS + 4)),
            bytes(number % 70),
        ]
        return kinds[what % len(kinds)]


class Observed:
    """A roll that takes the sweeps of a world: one a second of a clock that jumps."""

    def __init__(self, world: SignedWorld) -> None:
        self.world, self.now = world, anyio.current_time()
        self.roll = Roll(
            replace(rules(), signed=True),
            ["table"],
            namespace=NAMESPACE,
            places=Places(lambda identity: (0,)),
            sweep_period=1.0,
            sweep_timeout=2.0,
            clocks=Clocks(lambda: self.now, lambda: self.now),
        )
        self.answers = Queries(self.roll.view)
        self.sweeper = Sweeper(
            world.reader,
            1,
            period=1.0,
            timeout=60.0,
            canary_timeout=lambda: 60.0,
            down_time=lambda: DOWN_TIME,
            wall=lambda: self.now,
            rng=Random(1),
        )
        self.proven = 0

    async def sweep(self) -> None:
        await anyio.sleep(1.0)
        self.now = anyio.current_time()
        swept = await self.sweeper.once()
        self.proven += swept.proven
        begin, end = self.now, self.now + 0.01
        self.roll.apply(0, replace(swept, begin=begin, end=end, canary_seconds=0.001))

    def heard_at(self, name: str) -> float:
        row = self.roll.view.row("compute", name)
        assert row is not None
        return float(self.roll.detector.members.heard_at[row])

    def check(self, dead: str, died_at: float) -> None:
        members, directory = self.roll.detector.members, self.roll.directory
        names = {member(number).name for number in range(HOSTS)}
        for row in range(members.size):
            who = directory.member(row)
            assert who.name in names
            assert (who.zone, dict(who.metadata)) == ("z1", {})
            assert members.incarnation[row] == 7
            assert members.sequence[row] <= self.world.sequence
            assert members.status[row] == Status.OK
        assert self.heard_at(dead) <= died_at


async def live(deeds: list[list[Deed]]) -> None:
    world = SignedWorld(HOSTS)
    observed, neighbour = Observed(world), Neighbour(world)
    dead, died_at = world.hosts[-1], float("inf")
    for _ in range(SETTLE):
        await beat(world, None)
        await observed.sweep()
        neighbour.look()
    assert observed.proven
    for number, some in enumerate(deeds):
        if number == DEAD_FROM:
            died_at = observed.now
        for _, *deed in [deed for deed in some if deed[0]]:
            neighbour.write(*deed)
        await beat(world, dead if number >= DEAD_FROM else None)
        neighbour.look()
        for _, *deed in [deed for deed in some if not deed[0]]:
            neighbour.write(*deed)
        await observed.sweep()
        observed.check(dead.name, died_at)
        for each in world.hosts[:-1]:
            state = observed.answers.member("compute", each.name).state
            assert state is State.UP, (each.name, number)
    for _ in range(SETTLE + int(2 * PATIENCE * DOWN_TIME)):
        await beat(world, dead)
        await observed.sweep()
        observed.check(dead.name, died_at)
    states = {
        each.name: observed.answers.member("compute", each.name).state for each in world.hosts
    }
    assert states.pop(dead.name) is State.DOWN
    assert set(states.values()) == {State.UP}


async def beat(world: SignedWorld, silent: Member | None) -> None:
    world.sequence += 1
    for each in world.hosts:
        if each is not silent:
            await world.beat(each)


deeds = st.tuples(st.booleans(), st.integers(0, 127), st.integers(0, 10), st.integers(0, 10**6))


@settings(max_examples=examples(12), deadline=None, phases=[Phase.explicit, Phase.generate])
@example(
    [
        *([], []),
        [(True, 107, 6, 590262)],
        [(True, 102, 2, 593), (False, 82, 9, 683)],
        *([], [(False, 124, 6, 1352)], [], []),
    ]
)
@given(st.lists(st.lists(deeds, max_size=3), min_size=5, max_size=11))
def test_nothing_that_a_neighbour_writes_changes_a_member(done: list[list[Deed]]) -> None:
    clock = MockClock(autojump_threshold=0)
    anyio.run(live, done, backend="trio", backend_options={"clock": clock})
