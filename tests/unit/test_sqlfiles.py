"""SQL in files: its steps have no gap, and know the numbers that the programs know."""

import re
from pathlib import Path

import pytest

import musterd_coordinator.relay
import musterd_coordinator.sweep.postgres
from musterd.beat import SIZE
from musterd.sqlfiles import folder, read, statement, steps
from musterd.stores.mysql import schema as mysql_schema
from musterd.stores.postgres.rights import Roles
from musterd.stores.postgres.schema import STEPS, VERSION, init_sql
from musterd_coordinator.registry import mysql_sql as registry_mysql_sql
from musterd_coordinator.registry import postgres_sql as registry_postgres_sql
from musterd_coordinator.registry import sqlite_sql as registry_sqlite_sql
from musterd_coordinator.relay.waiting import NEXT
from musterd_coordinator.sweep.rows.limits import METADATA_BYTES, MOST_SLOTS, NAME_BYTES


def test_steps_come_by_number(tmp_path: Path) -> None:
    for name in ("002_b.sql", "001_a.sql", "notes.sql"):
        (tmp_path / name).write_text(f"-- {name}")
    assert steps(tmp_path) == ("-- 001_a.sql", "-- 002_b.sql")


def test_a_statement_is_sent_without_its_comments(tmp_path: Path) -> None:
    (tmp_path / "one.sql").write_text("-- What it is for.\nSELECT 1\n-- and\nFROM t -- here\n")
    assert statement(tmp_path, "one") == "SELECT 1\nFROM t -- here\n"


def test_the_relay_s_statements_know_what_the_relay_knows() -> None:
    sql = folder(musterd_coordinator.relay.__name__, "sql") / "postgres"
    write = statement(sql, "write")
    assert f"substr($3::bytea, 1 + {SIZE} * (place::integer - 1), {SIZE})" in write
    assert f"& 65535 <= {NEXT}\n" in write
    assert f"get_byte(n.record, 24) < {NEXT})" in write
    assert f"pg_column_size(m.metadata) <= {METADATA_BYTES} " in statement(sql, "find")


def test_the_relay_s_statements_for_mariadb_know_the_same() -> None:
    write = statement(folder(musterd_coordinator.relay.__name__, "sql") / "mysql", "write")
    assert f"& 65535) <= {NEXT}\n" in write
    assert f"ASCII(SUBSTR(n.record, 25, 1)) < {NEXT})" in write


@pytest.mark.parametrize("names", [["001_a.sql", "003_c.sql"], ["001_a.sql", "001_b.sql"]])
def test_a_gap_in_the_steps_is_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match="not numbered from 1 on"):
        steps(tmp_path)


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_step_notes_its_number_last(version: int) -> None:
    noted = re.findall(r"INTO musterd.schema_version VALUES \((\d+)\);", STEPS[version - 1])
    assert noted == [str(version)]


def test_the_tables_have_the_limits_that_the_programs_know() -> None:
    tables = "".join(STEPS)
    for limit in (
        f"CHECK (slot < {MOST_SLOTS})",
        f"MAXVALUE {MOST_SLOTS - 1}",
        f"octet_length(metadata::text) <= {METADATA_BYTES}",
        *(f"octet_length({name}) <= {NAME_BYTES}" for name in ("namespace", "name", "zone")),
    ):
        assert limit in tables


def test_the_roster_s_reader_knows_the_same_limits() -> None:
    page = read(Path(musterd_coordinator.sweep.postgres.__path__[0]) / "sql", "roster_page")
    measured = re.findall(r'octet_length\(([a-z"]+)\) > (\d+)', page)
    assert set(measured) == {
        (name, str(NAME_BYTES)) for name in ('"group"', "name", "zone", "owner")
    }
    assert f"octet_length(metadata::text) <= {METADATA_BYTES}" in page


def test_what_is_read_of_a_registry_s_row_is_the_same_everywhere() -> None:
    for sql in (registry_postgres_sql, registry_mysql_sql):
        statements = sql.PAGE, sql.LOAD, sql.LOOK_UP
        columns = {text[text.index("SELECT") : text.index("FROM")] for text in statements}
        assert len(columns) == 1


@pytest.mark.parametrize("version", range(1, mysql_schema.VERSION + 1))
def test_a_step_of_mariadb_s_tables_notes_its_number_last(version: int) -> None:
    *_, last = mysql_schema.statements(mysql_schema.STEPS[version - 1])
    assert last == f"INSERT IGNORE INTO musterd_schema VALUES ({version})"


def test_coordinators_may_use_every_table_of_mariadb() -> None:
    made = re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", "".join(mysql_schema.STEPS))
    granted = "\n".join(mysql_schema.Accounts(coordinators="c").grants("d"))
    assert set(re.findall(r"ON `d`\.(musterd_\w+)", granted)) == set(made)


@pytest.mark.parametrize("version", range(1, registry_sqlite_sql.VERSION + 1))
def test_a_step_of_the_registry_s_file_notes_its_number(version: int) -> None:
    step = registry_sqlite_sql.STEPS[version - 1]
    assert re.findall(r"PRAGMA user_version = (\d+);", step) == [str(version)]


def test_the_registry_s_file_says_whose_it_is() -> None:
    marked = f"PRAGMA application_id = {registry_sqlite_sql.APPLICATION};"
    assert marked in registry_sqlite_sql.STEPS[0]


def test_names_of_roles_are_filled_in_as_psql_does_it() -> None:
    sql = Roles(agents="""o'd":'role'""").sql()
    assert """FROM "o'd"":'role'";""" in sql
    assert """WHERE role = 'o''d":''role''';""" in sql
    assert """SET LOCAL musterd.role = 'o''d":''role''';""" in sql


def test_each_kind_of_role_gets_its_files() -> None:
    assert "most_members" not in Roles(agents="a").sql()
    assert "VALUES ('h', 1024)" in Roles(agents_each="h").sql()
    assert "musterd.registry" not in Roles(relays="r").sql()
    assert "musterd.registry" in Roles(coordinators="c").sql()
    assert Roles().sql() == ""


def test_each_account_of_mariadb_gets_its_rights() -> None:
    granted = {
        kind: "\n".join(mysql_schema.Accounts(**{kind: "x"}).grants("d"))
        for kind in mysql_schema.Accounts._fields
    }
    assert " ON `d`." not in granted["agents"]
    assert "PROCEDURE" not in granted["relays"]
    assert "musterd_token" not in granted["relays"]
    assert "DELETE" not in granted["relays"]
    assert list(mysql_schema.Accounts().grants("d")) == []


def test_what_is_printed_is_one_transaction() -> None:
    lines = init_sql().splitlines()
    assert (lines[0], lines[-1]) == ("BEGIN;", "COMMIT;")
