"""SQL in files: its steps have no gap, and know the numbers that the programs know."""

import re
from pathlib import Path

import pytest

from musterd.sqlfiles import steps
from musterd.stores.postgres_limits import METADATA_BYTES, MOST_SLOTS, NAME_BYTES
from musterd.stores.postgres_rights import Roles
from musterd.stores.postgres_schema import STEPS, VERSION, init_sql


def test_steps_come_by_number(tmp_path: Path) -> None:
    for name in ("002_b.sql", "001_a.sql", "notes.sql"):
        (tmp_path / name).write_text(f"-- {name}")
    assert steps(tmp_path) == ("-- 001_a.sql", "-- 002_b.sql")


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


def test_what_is_printed_is_one_transaction() -> None:
    lines = init_sql().splitlines()
    assert (lines[0], lines[-1]) == ("BEGIN;", "COMMIT;")
