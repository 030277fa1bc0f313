"""A coordinator begins with keys in front of a small fleet, and somebody stops before it saw the nonce.

What the agent signed last is no news for that coordinator, and stays where it is. It is one of few
records, so it looks as if a tenth of all beats were spoiled.
"""

from dataclasses import dataclass, field
from itertools import count
from math import inf
from pathlib import Path
from random import Random

import anyio
import pytest

from musterd.beat import Beat, member_id
from musterd.keyfiles import fleet_key_lines
from musterd.keys import FleetKeys, Keyring, Seal, challenge_digest, member_key
from musterd.model import Member, State
from musterd.settings.settings import Settings
from musterd.stores import Store, open_store
from musterd.stores.slots.protocol import Keys, read_slots
from musterd.stores.table.store import forget_table, named_table
from musterd_coordinator.registry.base import portion_of
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.roll.shard import Clocks
from musterd_coordinator.sweep.loop import SweepOutcome
from musterd_coordinator.sweep.signed.lastwords import LAST_WORD_AFTER
from musterd_coordinator.sweep.spoilage import GIVEN_UP_AFTER
from musterd_coordinator.wiring import fleet_keys, make_roll, make_sweepers
from tests.examples import seeds
from tests.unit.stage import entry

INTERVAL = 1.0
DOWN_TIME = 30.0
PERIOD = 0.5
LOOKS = 3.0  # intervals between two looks of an agent at the challenge
LOST = 0.1  # the share of pushes that do not get through
BOUND = DOWN_TIME + (LAST_WORD_AFTER + 2 * LOOKS) * INTERVAL + 4 * PERIOD
KEYS = FleetKeys(b"1" * 32)
NAMES = Keys("fleet")

_numbers = count()


@dataclass
class Fleet:
    """Agents of ``size`` members, and coordinators, one after the other.

    ``stops`` has instants after which agents beat no more, and ``stopped`` when they last did. Who is
    ``blind`` signs each beat for what was the challenge before the second coordinator.
    """

    size: int
    key_file: Path
    dice: Random
    blind: frozenset[int] = frozenset()
    stops: dict[str, float] = field(default_factory=dict)
    stopped: dict[str, float] = field(default_factory=dict)
    downs: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key_file.write_text(fleet_key_lines(KEYS.current))
        self.key_file.chmod(0o600)
        self.name = f"start-{next(_numbers)}"
        self.settings = Settings(
            store=f"memory:{self.name}",
            namespace="fleet",
            fleet_key_file=str(self.key_file),
            interval=INTERVAL,
            service_down_time=DOWN_TIME,
            sweep_period=PERIOD,
        )
        self.members = [Member("compute", f"host-{number}") for number in range(self.size)]
        self.before = b""

    def store(self) -> Store:
        return open_store(
            self.settings.store,
            namespace="fleet",
            timeout=1.0,
            beat_ttl=600.0,
            keyring=Keyring("fleet", fleet=KEYS),
        )

    async def beat(self, number: int) -> None:
        """Beat once an interval until it is time to stop."""
        member, writer = self.members[number], self.store().writer(0)
        await anyio.sleep(self.dice.uniform(0, INTERVAL))
        for sequence in count(1):
            now = anyio.current_time()
            if now >= self.stops.get(member.name, inf):
                return
            beat = Beat(member_id("fleet", "compute", member.name), 7, sequence, 1000)
            if self.dice.random() > LOST:
                self.stopped[member.name] = now
                if number in self.blind and self.before:
                    self._sign_for_what_was_before(member, beat)
                elif not await writer.beat(beat):
                    await writer.announce(member)
                    await writer.beat(beat)
            await anyio.sleep(INTERVAL)

    def _sign_for_what_was_before(self, member: Member, beat: Beat) -> None:
        seal = Seal(member_key(KEYS.current, "fleet", "compute", member.name), "fleet", member)
        [slot] = read_slots(self._value(NAMES.index(beat.member_id)))
        record = seal.record(beat, challenge_digest(self.before))
        named_table(self.name).set(NAMES.beat(slot), record)

    def _value(self, key: bytes) -> bytes:
        item = named_table(self.name).get((key,))[0]
        return b"" if item is None else item.value

    async def coordinate(self, known: State | None) -> None:
        """Run a coordinator whose registry has all members in this state, if any."""
        clocks = Clocks(anyio.current_time, anyio.current_time)
        roll = make_roll(self.settings, store := self.store(), clocks)
        if known is not None:
            roll.restore(portion_of([entry(member.name, known) for member in self.members]))
        keys = fleet_keys(self.settings, roll)
        assert keys is not None
        [sweeper] = make_sweepers(self.settings, store, roll, keys.signing)

        async def take(swept: SweepOutcome) -> None:
            roll.apply(0, swept)
            self._look(roll)

        await sweeper.run(take)

    def _look(self, roll: Roll) -> None:
        for member in self.members:
            row = roll.directory.row("compute", member.name)
            if row is not None and roll.view.state(row) is State.DOWN:
                self.downs.setdefault(member.name, anyio.current_time())

    async def restart_coordinator(self, victims: dict[int, float], lasting: float) -> None:
        """Run one coordinator after another, the second for so many seconds.

        Members in ``victims`` stop so many seconds after it begins.
        """
        async with anyio.create_task_group() as tasks:
            for number in range(self.size):
                tasks.start_soon(self.beat, number)
            with anyio.move_on_after(20 * INTERVAL):
                await self.coordinate(None)
            self.before, now = self._value(NAMES.challenge), anyio.current_time()
            self.stops = {self.members[at].name: now + after for at, after in victims.items()}
            self.downs.clear()
            with anyio.move_on_after(lasting):
                await self.coordinate(State.UP)
            tasks.cancel_scope.cancel()
        forget_table(self.name)


@pytest.mark.parametrize("size", [1, 2, 5, 9, 12])
@pytest.mark.parametrize("seed", range(4))
async def test_who_stops_at_a_start_is_down_in_time_and_nobody_else(
    size: int, seed: int, tmp_path: Path
) -> None:
    dice = Random(100 * size + seed)
    fleet = Fleet(size, tmp_path / "fleet.key", dice)
    victims = dice.sample(range(size), 1 + seed % size)
    stops = {number: dice.uniform(0, LOOKS + 1) for number in victims}
    await fleet.restart_coordinator(stops, LOOKS + 1 + BOUND + PERIOD)
    took = {name: at - fleet.stopped[name] for name, at in fleet.downs.items()}
    assert sorted(took) == sorted(f"host-{number}" for number in victims)
    assert max(took.values()) <= BOUND


@pytest.mark.parametrize(("size", "blind"), [(1, 1), (4, 1), (9, 5)])
async def test_nobody_is_down_for_agents_that_live_and_do_not_look(
    size: int, blind: int, tmp_path: Path
) -> None:
    """Their records are no last words: a tenth of all beats or more are no news, and prove nothing."""
    for seed in seeds(8):
        key_file = tmp_path / f"{seed}.key"
        fleet = Fleet(size, key_file, Random(seed), frozenset(range(blind)))
        await fleet.restart_coordinator({}, GIVEN_UP_AFTER * DOWN_TIME)
        assert fleet.downs == {}
