"""What a MariaDB registry holds and takes, in musterd's terms."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from musterd_coordinator.registry.mysql_values import (
    BYTES,
    ROWS,
    ChangeMark,
    as_instant,
    in_json,
    is_too_old,
)


@pytest.mark.parametrize(
    ("version", "too_old"),
    [
        ("10.11.19-MariaDB-0+deb12u1-log", False),
        ("10.6.0-MariaDB", False),
        ("10.5.27-MariaDB", True),
        ("11.4.2-MariaDB", False),
        ("8.0.36", False),
        ("5.7.44-log", True),
        ("?", True),
    ],
)
def test_a_server_without_json_tables_is_too_old(version: str, too_old: bool) -> None:
    assert is_too_old(version) is too_old


def test_rows_are_sent_in_parts_that_a_server_takes() -> None:
    rows = [("a", number, None) for number in range(2 * ROWS + 1)]
    parts = [msgspec.json.decode(part) for part in in_json(rows)]
    assert [len(part) for part in parts] == [ROWS, ROWS, 1]
    assert [tuple(row) for part in parts for row in part] == rows
    assert len(list(in_json([("x" * BYTES,)] * 3))) == 3
    assert list(in_json([])) == []


def test_an_instant_is_sent_in_utc() -> None:
    at = datetime(2026, 1, 2, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert as_instant(at) == as_instant(at.astimezone(UTC)) == "2026-01-01 23:00:00.000000"


def test_what_changed_is_read_from_the_last_mark_within_one_life() -> None:
    before = ChangeMark(7, 1)
    assert ChangeMark(9, 1).read_from(before) == 7
    assert ChangeMark(9, 2).read_from(before) == ChangeMark(6, 1).read_from(before) == 0
    assert before.read_from(None) == 0
