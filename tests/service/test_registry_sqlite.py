"""A registry in a SQLite file, which one coordinator has."""

import sqlite3
import sys
import textwrap
import threading
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Self

import anyio
import pytest
from structlog.testing import capture_logs

from musterd.errors import ConfigError, RegistryError
from musterd.testing.busy import allowed_now
from musterd_coordinator.registry.sqlite import SqliteRegistry
from tests.service.registries import (
    TIMEOUT,
    by_name,
    change,
    entry,
    loaded,
    open_at,
    opened,
    record,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_relative_and_absolute_files(folder: Path) -> None:
    async with opened("sqlite:///here.db") as registry:
        await record(registry, [entry("a")])
    async with opened(f"sqlite:///{folder}/here.db") as registry:
        assert list(by_name(await loaded(registry))) == ["a"]


@pytest.mark.parametrize(
    "url",
    [
        *("sqlite:", "sqlite://host/x.db", "sqlite:///", "sqlite:////", "sqlite:///:memory:"),
        *("sqlite:///x.db?mode=ro", "sqlite:///dir/"),
    ],
)
def test_urls_that_name_no_file_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"write sqlite:///relative\.db"):
        open_at(url)


async def refusal(url: str) -> str:
    registry = open_at(url)
    with pytest.raises(RegistryError) as refused:
        await registry.open()
    await registry.aclose()
    return str(refused.value)


async def test_every_commit_reaches_the_disk(folder: Path) -> None:
    """No test can cut the power; SQLite's manual says which settings survive it."""
    registry = SqliteRegistry(folder / "x.db", "fleet", TIMEOUT)
    await registry.open()
    settings = [
        registry._db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("synchronous", "journal_mode", "locking_mode")
    ]
    await registry.aclose()
    assert settings == [2, "wal", "exclusive"]  # 2 is FULL


async def test_a_file_belongs_to_one_coordinator(folder: Path) -> None:
    url = "sqlite:///musterd.db"
    async with opened(url):
        assert "another coordinator runs on it" in await refusal(url)
        script = f"""
            import sqlite3
            sqlite3.connect({str(folder / "musterd.db")!r}, timeout=0).execute("SELECT * FROM member")
        """
        other = await anyio.run_process(
            [sys.executable, "-c", textwrap.dedent(script)], check=False
        )
        assert b"database is locked" in other.stderr
    async with opened(url):
        pass


async def test_files_that_cannot_be_used_are_refused_in_words(folder: Path) -> None:
    assert "there is no folder" in await refusal("sqlite:///nowhere/x.db")
    (folder / "is_a_folder").mkdir()
    assert "cannot write it" in await refusal("sqlite:///is_a_folder")
    (folder / "text").write_text("not a database at all, but a longer text than a header\n" * 40)
    assert "not a SQLite database" in await refusal("sqlite:///text")
    with sqlite3.connect(folder / "other.db") as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    assert "another program's database" in await refusal("sqlite:///other.db")


async def test_a_newer_file_is_refused(folder: Path) -> None:
    async with opened("sqlite:///x.db"):
        pass
    with sqlite3.connect(folder / "x.db") as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    assert "version 9, made by a newer musterd" in await refusal("sqlite:///x.db")


_DAMAGES = (
    *("state = 'sideways'", "since = 'yesterday'", "since = '2026-01-01'", "interval_s = 9e999"),
    *("interval_s = 'x'", "facts = 'x'", "metadata = '[1]'", "zone = x'fffe'", "name = x'fffe'"),
    *("zone = CAST(x'fffe' AS TEXT)", "interval_s = -1", "reason = 7e77", "\"group\" = x'00ff'"),
)


async def test_a_damaged_row_is_left_out_and_named_once(folder: Path) -> None:
    names = [f"h{number:02}" for number in range(len(_DAMAGES) + 1)]
    async with opened("sqlite:///x.db") as registry:
        await record(registry, map(entry, names), [change(names[-1], 1)])
    with sqlite3.connect(folder / "x.db") as database:
        for name, damage in zip(names, _DAMAGES, strict=False):
            database.execute(f"UPDATE member SET {damage} WHERE name = '{name}'")
        database.execute(
            'INSERT INTO history (namespace, version, at, "group", name, old, new, reason)'
            " SELECT namespace, 7, 'x', \"group\", name, old, new, reason FROM history"
        )
    database.close()
    with capture_logs() as lines:
        async with opened("sqlite:///x.db") as registry:
            for _ in range(2):
                healed = by_name(await loaded(registry))
                assert len(await registry.history("compute", names[-1], 9)) == 1
    assert names[-1] in healed
    damaged = [line for line in lines if line["event"] == "registry row damaged"]
    assert len(damaged) == len({line["name"] for line in damaged}) == len(registry.quarantine)
    assert len(names) - len(healed) in (len(damaged) - 1, len(damaged) - 2)
    assert len(healed) <= 2  # a number may be text that can be read


async def test_damaged_rows_do_not_hide_those_behind_them(folder: Path) -> None:
    names = [f"h{number:02}" for number in range(12)]
    async with opened("sqlite:///x.db") as registry:
        await record(registry, map(entry, names))
    with sqlite3.connect(folder / "x.db") as database:
        database.execute("UPDATE member SET facts = 'x' WHERE name BETWEEN 'h03' AND 'h08'")
    database.close()
    async with opened("sqlite:///x.db", at_once=3) as registry:
        assert list(by_name(await loaded(registry))) == [*names[:3], *names[9:]]


async def test_a_file_is_for_its_owner_alone_and_shown_where_it_is(folder: Path) -> None:
    async with opened("sqlite:///x.db") as registry:
        assert registry.url == f"sqlite:///{folder}/x.db"
        await record(registry, [entry("a")])
        modes = [file.stat().st_mode & 0o777 for file in folder.glob("x.db*")]  # noqa: ASYNC240
        assert set(modes) == {0o600}
        assert len(modes) >= 2  # with its journal


async def test_a_file_of_the_version_before_is_upgraded(folder: Path) -> None:
    async with opened("sqlite:///x.db") as registry:
        await record(registry, [entry("a")], [change("a", 1)])
    with sqlite3.connect(folder / "x.db") as database:
        database.executescript(
            "DROP TABLE token; ALTER TABLE history DROP COLUMN actor;"
            "ALTER TABLE history DROP COLUMN address; ALTER TABLE history DROP COLUMN request;"
            "ALTER TABLE history DROP COLUMN coordinator; ALTER TABLE history DROP COLUMN zone;"
            "PRAGMA user_version = 1"
        )
    database.close()
    async with opened("sqlite:///x.db") as registry:
        assert list(await registry.history("compute", "a", 9)) == [change("a", 1)]
        assert list(by_name(await loaded(registry))) == ["a"]


async def test_a_disk_that_hangs_is_given_up_and_the_next_call_waits_for_it(
    folder: Path,
) -> None:
    disk = threading.Event()

    class Hanging(datetime):
        """An instant that is as slow to be written as the disk is."""

        def astimezone(self, tz: tzinfo | None = None) -> Self:
            disk.wait(60)
            return super().astimezone(tz)

    async with opened("sqlite:///x.db", timeout=allowed_now(0.3)) as registry:
        await record(registry, [entry("a")])
        hanging = entry("a", since=Hanging(2026, 1, 1, tzinfo=UTC))
        for call in (record(registry, [hanging]), loaded(registry)):
            with pytest.raises(RegistryError, match="is the disk stuck"):
                await call
        disk.set()
        assert list(by_name(await loaded(registry))) == ["a"]
