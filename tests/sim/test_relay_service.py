"""What a relay does by the clock and when it stops, without its database."""

from pathlib import Path

import anyio
import pytest

from musterd.beat import SIZE, member_id
from musterd.errors import ShardUnavailable
from musterd.keyfiles import fleet_key_lines
from musterd.keys import FleetKeys
from musterd.model import Member
from musterd.renewal import LOOK_EVERY
from musterd.settings.settings import Settings
from musterd.stores.slots.protocol import Keys, write_holder
from musterd_coordinator.relay.service import STOPPING, RelayService
from musterd_coordinator.relay.waiting import FirstBeat, Newcomer, PendingBeats
from musterd_coordinator.relay.writer import acknowledge_all

OLD, NEW = FleetKeys(b"1" * 32), FleetKeys(b"2" * 32)
KEYS = Keys("fleet")


def relay_of(key_file: Path | None = None) -> RelayService:
    """A relay that never reaches its database."""
    return RelayService(
        Settings(
            store="postgresql://u@192.0.2.1/fleet",
            namespace="fleet",
            fleet_key_file=None if key_file is None else str(key_file),
        )
    )


def seat(relay: RelayService, number: int) -> int:
    member = Member("compute", f"h{number}")
    checks = relay.reception.checks
    seals = checks.seals(member) if checks else b""
    identity = member_id("fleet", "compute", member.name)
    holder, now = write_holder(member), anyio.current_time()
    relay.table.set(KEYS.holder(number), holder)
    relay.reception.seats.put(identity, number, holder, KEYS.beat(number), now, seals)
    return identity


def key_file(path: Path, keys: FleetKeys) -> Path:
    path.write_text(fleet_key_lines(keys.current))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("told", [True, False])
async def test_a_renewed_key_is_taken_when_told_or_by_itself_and_for_all_members(
    told: bool, tmp_path: Path
) -> None:
    relay = relay_of(key_file(tmp_path / "fleet.key", OLD))
    checks = relay.reception.checks
    assert checks is not None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(relay.keep_keys)
        gone, *stay = [seat(relay, number) for number in range(600)]
        relay.reception.vacate(gone)
        await anyio.sleep(1.5 * LOOK_EVERY)
        key_file(tmp_path / "fleet.key", NEW)
        if told:
            relay.renew()
            assert checks.keys == NEW
        await anyio.sleep(LOOK_EVERY)
        tasks.cancel_scope.cancel()
    assert checks.keys == NEW
    for number, identity in enumerate(stay, 1):
        place = relay.reception.seats.find(identity)
        seals = relay.reception.seats.seals[:, place].tobytes()
        assert seals == checks.seals(Member("compute", f"h{number}"))


async def test_a_relay_without_keys_and_certificates_has_none_to_renew() -> None:
    relay = relay_of()
    relay.renew()
    with anyio.fail_after(1):
        await relay.keep_keys()
    assert (relay.tls, relay.reception.checks) == (None, None)


async def test_thousands_of_members_that_went_away_are_dropped_at_once() -> None:
    relay = relay_of()
    for number in range(2500):
        seat(relay, number)
    await relay.tidy()
    assert len(relay.reception.seats) == 2500
    await anyio.sleep(Settings().beat_ttl + 1.0)
    last = seat(relay, 2500)
    await relay.tidy()
    assert (len(relay.reception.seats), relay.reception.seats.find(last) is None) == (1, False)


async def test_what_waits_for_its_turn_while_the_relay_stops_is_not_written() -> None:
    relay = relay_of()
    beats = PendingBeats(bytes(SIZE))
    async with anyio.create_task_group() as tasks:
        async with relay.writer.turn:  # as while a batch is under way
            tasks.start_soon(relay.writer.run)
            relay.reception.known.put(beats)
            await anyio.wait_all_tasks_blocked()
            relay.reception.close(STOPPING)
        await anyio.sleep(60.0)
        tasks.cancel_scope.cancel()
    assert beats.outcome == STOPPING
    assert relay.gauges.beats.reason == ""


async def test_for_a_newcomer_that_hung_up_the_database_is_not_asked() -> None:
    relay = relay_of()
    newcomer = Newcomer("fleet", Member("compute", "h1"), b"")
    first = FirstBeat(1, bytes(SIZE), KEYS.beat(1), newcomer)
    first.abandoned = True
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(relay.usher.run)
        relay.reception.new.put(first)
        await anyio.sleep(60.0)
        tasks.cancel_scope.cancel()
    assert (relay.gauges.newcomers.reason, relay.gauges.newcomers.refused) == ("", 0)


async def test_all_of_very_many_agents_are_told() -> None:
    beats = [PendingBeats(bytes(SIZE)) for _ in range(1200)]
    refused = ShardUnavailable("db1:5432/fleet", "no answer")
    await acknowledge_all(beats, str(refused).encode())
    assert {beat.outcome for beat in beats} == {str(refused).encode()}
