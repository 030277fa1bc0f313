"""Junk in a store all the time: whoever lives is up, and whoever dies is down on time."""

from dataclasses import replace

import anyio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from musterd.stores.slots.protocol import SLOT_LIMIT
from musterd_coordinator.roll.placement import Places
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.roll.shard import Clocks
from musterd_coordinator.sweep.loop import Sweeper
from tests.examples import examples
from tests.unit.fleet import rules
from tests.unit.keyed_world import BAD_UTF8, GOOD, HUGE_COUNT, KEYS, NESTED, World, contents

DOWN_TIME = 4  # rounds, of a second each
NOBODYS = st.one_of(st.integers(len(GOOD), 60), st.sampled_from([5000, SLOT_LIMIT - 1]))
unowned = st.one_of(
    st.builds(KEYS.holder, NOBODYS),
    st.builds(KEYS.beat, NOBODYS),
    st.sampled_from([KEYS.counter, KEYS.free]),
    st.sampled_from([KEYS.index(KEYS.identity(member)) for member in GOOD]),
)
holders = st.tuples(
    st.builds(KEYS.holder, st.integers(0, len(GOOD) - 1)),
    st.sampled_from([BAD_UTF8, NESTED, b"", b"\xc1" * 20_000]),
)


class Watched(World):
    """A world with a roll, in seconds of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 1000.0
        clocks = Clocks(lambda: self.at, lambda: self.at)
        self.roll = Roll(
            rules(),
            ["table"],
            namespace="fleet",
            places=Places(lambda identity: (0,)),
            sweep_period=1.0,
            sweep_timeout=2.0,
            clocks=clocks,
        )
        self._sweeper = Sweeper(
            self.reader,
            1,
            period=1.0,
            timeout=20.0,
            canary_timeout=lambda: 10.0,
            wall=lambda: self.at,
        )

    async def second(self, dead: int) -> None:
        """All but the first ``dead`` beat, and there is a sweep."""
        self.at += 1
        self.now += 1
        for member in GOOD[dead:]:
            await self.beat(member)
        swept = await self._sweeper.once()
        assert swept.proven, swept.reason
        self.roll.apply(0, replace(swept, begin=self.at, end=self.at + 0.01))

    def states(self) -> list[str]:
        rows = [self.roll.directory.row(member.group, member.name) for member in GOOD]
        return [str(self.roll.view.state(row)) for row in rows if row is not None]


@settings(max_examples=examples(15), deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(holders, st.tuples(unowned, contents)), max_size=6),
        min_size=DOWN_TIME + 4,
        max_size=DOWN_TIME + 4,
    )
)
@example([[(KEYS.counter, HUGE_COUNT), (KEYS.holder(50), NESTED)]] * (DOWN_TIME + 4))
@example([[(KEYS.holder(slot), BAD_UTF8) for slot in range(60)]] * (DOWN_TIME + 4))
def test_verdicts_are_on_time(junk: list[list[tuple[bytes, bytes]]]) -> None:
    async def live() -> None:
        world = Watched()
        for _ in range(4):
            await world.second(dead=0)
        assert world.states() == ["up"] * len(GOOD)
        for portion in junk:
            for key, value in portion:
                world.table.set(key, value)
            await world.second(dead=1)
            assert world.states()[1:] == ["up"] * (len(GOOD) - 1)
        assert world.states()[0] == "down"

    anyio.run(live)
