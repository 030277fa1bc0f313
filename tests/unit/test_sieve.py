"""One row that a registry refuses does not hold up the others, whichever it is."""

from collections.abc import Sequence
from datetime import UTC, datetime

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from musterd.errors import RegistryError, RegistryRefused
from musterd_coordinator.registry.base import Row
from musterd_coordinator.registry.quarantine import NAMED_SINGLY, RowQuarantine
from musterd_coordinator.service.sieve import RefusalFilter

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Picky:
    """A registry that refuses a transaction with any of ``poison`` in it: members, or lines."""

    def __init__(self, poison: set[tuple[str, int]]) -> None:
        self.poison = poison
        self.kept: list[tuple[str, int]] = []
        self.calls = 0
        self.away = False

    async def record(
        self, members: Sequence[Row], history: Sequence[Row], known: Sequence[int] = ()
    ) -> None:
        self.calls += 1
        if self.away:
            raise RegistryError("away")
        rows = [("member", row[-1]) for row in members] + [("line", row[0]) for row in history]
        if bad := self.poison.intersection(rows):
            raise RegistryRefused(f"cannot keep {sorted(bad)}")
        self.kept += rows


def member(number: int) -> Row:
    return "g", f"m{number}", number


def line(number: int) -> Row:
    return number, AT, "g", f"m{number % 10}"


numbers = st.sets(st.integers(0, 39))


@given(numbers, numbers, st.integers(1, 3))
def test_all_but_the_poison_is_saved_and_each_of_it_named_once(
    members: set[int], lines: set[int], times: int
) -> None:
    poison = {("member", number) for number in members} | {("line", number) for number in lines}
    registry = Picky(poison)
    sieve = RefusalFilter(registry)  # type: ignore[arg-type]  # as much of a registry as it uses
    every = list(range(40))
    with capture_logs() as logged:
        for _ in range(times):
            anyio.run(sieve.record, list(map(member, every)), list(map(line, every)), [])
    good = {(kind, number) for kind in ("member", "line") for number in every} - poison
    assert sorted(registry.kept) == sorted([*good] * times)
    blamed = {f"g/m{number}" for number in members} | {f"g/m{number % 10}" for number in lines}
    assert len(sieve.quarantine) == len(blamed)
    named = [each["name"] for each in logged if "name" in each]
    assert len(named) == len(set(named)) == min(len(blamed), NAMED_SINGLY)
    assert set(named) <= blamed


def test_one_among_many_costs_few_calls_and_next_time_one_more() -> None:
    registry = Picky({("member", 700)})
    sieve = RefusalFilter(registry)  # type: ignore[arg-type]
    rows = list(map(member, range(1024)))
    anyio.run(sieve.record, rows, [], [])
    assert registry.calls <= 2 * 10 + 2
    registry.calls = 0
    anyio.run(sieve.record, rows, [], [])
    assert registry.calls == 2


def test_a_registry_that_is_away_refuses_nobody() -> None:
    registry = Picky({("member", 3)})
    registry.away = True
    sieve = RefusalFilter(registry)  # type: ignore[arg-type]
    with pytest.raises(RegistryError):
        anyio.run(sieve.record, list(map(member, range(9))), [], [])
    assert (registry.calls, len(sieve.quarantine)) == (1, 0)


def test_many_are_named_by_their_number() -> None:
    quarantine = RowQuarantine("left out")
    with capture_logs() as lines:
        for number in range(100):
            quarantine.add(f"m{number}", "odd")
    assert [each.get("count") for each in lines[NAMED_SINGLY:]] == [40, 80]
    assert len(quarantine) == 100
