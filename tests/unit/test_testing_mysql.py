"""Which server is a MySQL that tests can take."""

import pytest

from musterd.testing.mysql import is_mysql


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        ("/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", True),
        ("mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)", True),
        ("mysqld  Ver 5.7.44 for Linux on x86_64 (MySQL Community Server (GPL))", False),
        (
            "mysqld  Ver 10.11.14-MariaDB-0+deb12u2 for debian-linux-gnu on x86_64 (Debian 12)",
            False,
        ),
        ("mysqld: error while loading shared libraries", False),
        ("", False),
    ],
)
def test_a_server_is_taken_by_what_it_says_of_its_version(version: str, *, taken: bool) -> None:
    assert is_mysql(version) is taken
