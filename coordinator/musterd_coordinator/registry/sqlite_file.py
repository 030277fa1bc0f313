"""The module makes a SQLite registry's file ours, locked for one process, and with today's tables."""

import sqlite3

from musterd_coordinator.registry import sqlite_sql as sql

_JOURNAL_LIMIT = 64 << 20  # bytes that the journal keeps on the disk after a large batch


def prepare(database: sqlite3.Connection) -> None:
    """Lock the file for this process, and make or upgrade its tables."""
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA synchronous = FULL")
    # In files of their own, temporary tables would need a folder that a container may not have.
    database.execute("PRAGMA temp_store = MEMORY")
    database.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT}")
    application, version, tables = (
        database.execute(query).fetchone()[0]
        for query in (
            *("PRAGMA application_id", "PRAGMA user_version"),
            "SELECT count(*) FROM sqlite_master",
        )
    )
    if tables and application != sql.APPLICATION:
        raise sqlite3.DatabaseError("it is another program's database")
    if version > sql.VERSION:
        raise sqlite3.DatabaseError(
            f"its tables are of version {version}, made by a newer musterd; this one knows"
            f" {sql.VERSION}: upgrade this musterd"
        )
    database.execute("PRAGMA journal_mode = WAL")
    steps = "".join(sql.STEPS[version if tables else 0 :])
    database.executescript(f"BEGIN EXCLUSIVE; {steps} COMMIT; {sql.NEWS}")
