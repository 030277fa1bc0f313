"""Who comes in by which token, and for how long."""

from datetime import datetime
from unittest.mock import patch

import pytest
from structlog.testing import capture_logs

from musterd.errors import ConfigError, Conflict, NotFound, RegistryError
from musterd.tokens import Rank, TokenOrder
from musterd_coordinator.registry.tokens import KeptToken
from musterd_coordinator.service import access
from musterd_coordinator.service.access import Grant
from tests.unit.token_shelf import OPS, Door, Shelf


async def test_the_door_is_open_until_there_is_a_token_and_locked_for_good_then() -> None:
    door = Door()
    await door.access.refresh()
    assert not door.access.locked
    made = await door.make("ci", Rank.OPERATOR, "compute")
    assert door.access.locked
    assert door.access.check(made.text) == Grant("ci", Rank.OPERATOR, frozenset({"compute"}))
    await door.access.revoke("ci", OPS)
    assert door.access.locked
    assert door.refusal(made.text) == "revoked"


async def test_a_token_that_makes_no_sense_locks_the_door_all_the_same() -> None:
    door = Door()
    door.shelf.damaged = 1
    await door.access.refresh()
    assert (door.access.locked, door.access.tokens().tokens) == (True, [])


async def test_a_wrong_secret_a_wrong_id_and_no_token_at_all_are_refused() -> None:
    door = Door()
    one, two = await door.make("a"), await door.make("b")
    assert door.refusal(one.text[:12] + two.text[12:]) == "unknown"
    assert door.refusal("mt_00000000_" + one.text[12:]) == "unknown"
    for text in ("", "x", one.text + "x", one.text[:-1], one.text.upper()):
        assert door.refusal(text) == "malformed"


async def test_a_token_expires_to_the_second_though_it_was_just_checked() -> None:
    door = Door()
    made = await door.access.create(TokenOrder("ci", Rank.READER, days=1))
    door.go_on(86399.0)
    assert door.access.check(made.text).name == "ci"
    door.go_on(1.0)
    assert door.refusal(made.text) == "expired"


async def test_a_token_that_others_revoke_is_refused_from_the_next_look_on() -> None:
    door = Door()
    here = Door(door.shelf)
    made = await door.make("ci")
    assert here.refusal(made.text) == "unknown"
    await here.access.refresh()
    assert here.access.check(made.text).name == "ci"
    await door.access.revoke("ci")
    await here.access.refresh()
    assert here.refusal(made.text) == "revoked"


async def test_while_the_registry_is_lost_what_was_heard_last_holds() -> None:
    door = Door()
    made = await door.make("ci")
    door.shelf.away = True
    with pytest.raises(RegistryError):
        await door.access.refresh()
    assert (door.access.locked, door.access.check(made.text).name) == (True, "ci")
    with pytest.raises(RegistryError):
        await door.make("b")


async def test_a_look_that_finds_nothing_new_costs_no_check() -> None:
    door = Door()
    made = await door.make("ci")
    grant = door.access.check(made.text)
    await door.access.refresh()
    assert door.access.check(made.text) is grant


async def test_only_so_many_checks_are_remembered() -> None:
    door = Door()
    made = await door.make("ci")
    for _ in range(2):
        door.access.check(made.text)
    for number in range(2 * access.REMEMBERED):
        door.refusal(f"mt_{number:08x}_" + "x" * 43)
    assert len(door.access._checked) == 1


async def test_a_name_is_given_once() -> None:
    door = Door()
    await door.make("ci")
    await door.access.revoke("ci")
    with pytest.raises(Conflict, match="a token ci already, or was"):
        await door.make("ci")
    with pytest.raises(NotFound, match="no token other among 1"):
        await door.access.revoke("other")
    with pytest.raises(ConfigError, match="token name"):
        await door.make("a b")


async def test_what_is_done_to_tokens_is_in_the_log_without_their_secrets() -> None:
    door = Door()
    with capture_logs() as lines:
        made = await door.make("ci")
        facts = await door.access.revoke("ci", OPS)
    assert [line["event"] for line in lines] == [
        "tokens asked for",
        "token created",
        "token revoked",
    ]
    assert {line["actor"] for line in lines[1:]} == {"root"}
    assert made.text[12:] not in repr(lines)
    assert [facts] == door.access.tokens().tokens
    assert (facts.created_by, facts.revoked is not None) == ("root", True)


async def test_a_token_that_the_registry_does_not_take_is_none() -> None:
    class Refusing(Shelf):
        async def add(self, token: KeptToken) -> bool:
            return False

    door = Door(Refusing())
    with pytest.raises(RegistryError, match="did not take the token ci"):
        await door.make("ci")
    assert not door.access.locked


async def test_a_damaged_row_that_is_revoked_is_told_of() -> None:
    class Damaged(Shelf):
        damaged = 1

        async def revoke(self, name: str, at: datetime) -> bool:
            return True

    with pytest.raises(RegistryError, match="row of the token ci is damaged"):
        await Door(Damaged()).access.revoke("ci")


async def test_more_tokens_than_are_remembered_are_checked_anew() -> None:
    door = Door()
    texts = [(await door.make(f"ci{number}")).text for number in range(3)]
    with patch.object(access, "REMEMBERED", 2):
        for text in texts:
            assert door.access.check(text).rank is Rank.READER
    assert len(door.access._checked) == 1
