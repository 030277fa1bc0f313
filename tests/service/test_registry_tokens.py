"""Tokens in a registry, in each of its homes: all but the secret is kept, and no row is reused."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from musterd.errors import RegistryError
from musterd.testing.servers import Database
from musterd.tokens import Made, Rank, TokenFacts, draw, fits, parts
from musterd_coordinator.registry.base import Registry
from musterd_coordinator.registry.tokens import KeptToken
from tests.service.registries import T0, change, opened, record

pytestmark = pytest.mark.usefixtures("tables")

DAY = timedelta(days=1)


@pytest.fixture
async def registry(url: str) -> AsyncIterator[Registry]:
    async with opened(url) as registry:
        yield registry


def token(name: str, made: Made | None = None, **changes: object) -> KeptToken:
    made = made or draw()
    plain = TokenFacts(name=name, role=Rank.READER, id=made.id, created=T0, created_by="root")
    return KeptToken(replace(plain, **changes), made.digest)


async def test_what_is_kept_is_read_again_by_name(url: str) -> None:
    made = draw()
    kept = [
        token("b", made, role=Rank.OPERATOR, groups=("compute", "storage"), expires=T0 + DAY),
        token("a", created_by=""),
        token("C", role=Rank.ADMIN),
    ]
    async with opened(url) as registry:
        assert await registry.tokens.all() == (0, [])
        for each in kept:
            assert await registry.tokens.add(each)
    async with opened(url) as registry:
        rows, usable = await registry.tokens.all()
        assert (rows, usable) == (3, [kept[2], kept[1], kept[0]])
        secret = parts(made.text)
        assert secret is not None
        assert fits(secret.secret, usable[2].digest)


async def test_a_name_and_an_id_are_taken_for_good(registry: Registry) -> None:
    first = token("a")
    assert await registry.tokens.add(first)
    assert await registry.tokens.revoke("a", T0)
    assert not await registry.tokens.add(token("a"))
    assert not await registry.tokens.add(token("b", id=first.facts.id))
    assert [each.facts.name for each in (await registry.tokens.all()).usable] == ["a"]


async def test_a_token_is_revoked_once(registry: Registry) -> None:
    await registry.tokens.add(token("a"))
    assert not await registry.tokens.revoke("b", T0)
    assert await registry.tokens.revoke("a", T0 + DAY)
    assert await registry.tokens.revoke("a", T0 + 2 * DAY)
    rows, [kept] = await registry.tokens.all()
    assert (rows, kept.facts.revoked) == (1, T0 + DAY)


async def test_each_namespace_has_tokens_of_its_own(shared_url: str) -> None:
    async with opened(shared_url) as one, opened(shared_url, "lab") as other:
        assert await one.tokens.add(token("a"))
        assert await other.tokens.add(token("a"))
        assert await other.tokens.revoke("a", T0)
        assert (await one.tokens.all()).usable[0].facts.revoked is None


async def test_several_coordinators_see_the_same_tokens(shared_url: str) -> None:
    async with opened(shared_url) as one, opened(shared_url) as two:
        await one.tokens.add(token("a"))
        assert (await two.tokens.all()).rows == 1


async def test_an_order_s_origin_is_in_the_history(registry: Registry) -> None:
    order = replace(change("a", 1), actor="ops", address="10.0.0.7", request="r-1")
    await record(registry, [], [order, change("a", 2)])
    found = await registry.history("compute", "a", 10)
    assert [(each.actor, each.address, each.request) for each in found] == [
        ("", "", ""),
        ("ops", "10.0.0.7", "r-1"),
    ]


@pytest.mark.parametrize(
    "damage",
    [
        "role = 'king'",
        "groups = '{}'",
        "digest = x'00'",
        "created = 'soon'",
        "expires = '2026-01-01'",
    ],
)
async def test_a_row_that_makes_no_sense_lets_nobody_in(tmp_path: Path, damage: str) -> None:
    url = f"sqlite:///{tmp_path}/musterd.db"
    async with opened(url) as registry:
        await registry.tokens.add(token("a"))
    with sqlite3.connect(tmp_path / "musterd.db") as file:
        file.execute(f"UPDATE token SET {damage}")
    file.close()
    async with opened(url) as registry:
        assert await registry.tokens.all() == (1, [])  # and yet there is one: the door is locked
        assert "token 'a'" in registry.quarantine


async def test_an_instant_beyond_all_calendars_lets_nobody_in(database: Database) -> None:
    async with opened(database.dsn) as registry:
        await registry.tokens.add(token("a"))
        await registry.tokens.add(token("b"))
        database.execute("UPDATE musterd.token SET expires = 'infinity' WHERE name = 'a'")
        rows, usable = await registry.tokens.all()
        assert (rows, [each.facts.name for each in usable]) == (2, ["b"])


async def test_a_registry_that_is_lost_says_so(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/musterd.db") as registry:
        await registry.aclose()
        with pytest.raises(RegistryError, match="not open"):
            await registry.tokens.all()
