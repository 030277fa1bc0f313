"""What `musterd init-db` prints and refuses before it connects to any database."""

import pytest

from musterd import cli

pytestmark = pytest.mark.usefixtures("no_configuration")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], 'GRANT USAGE ON SCHEMA musterd TO "musterd_agents"'),
        (["--agents", "nova"], 'GRANT USAGE ON SCHEMA musterd TO "nova"'),
        (["--store", "mysql://u@db1/fleet"], "USE `fleet`;"),
        (["--store", "mysql://u@db1/fleet"], "TO `musterd_agents`@`%`"),
        (["--store", "mariadb://u@db1/fleet", "--agents", "nova@h1"], "TO `nova`@`h1`"),
        (["--store", "mysql://u@db1/fleet", "--relays", "r"], ".musterd_turn TO `r`@`%`"),
        (["--store", "nova+mysql://u@db1/nova_api"], "musterd_watch.canary TO `musterd`@`%`"),
        (["--store", "nova+mysql://u@db1/cell", "--coordinators", "w"], ".services TO `w`@`%`"),
        (["--store", "nova+postgresql://u@db1/nova_api"], 'ON services TO "musterd"'),
    ],
)
def test_the_sql_is_that_of_the_database(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["init-db", "--print", *argv]) == 0
    assert said in capsys.readouterr().out


def test_rights_that_mariadb_does_not_have_are_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["init-db", "--store", "mysql://u@db1/fleet", "--agents-each", "nova"]) == 2
    assert "--agents-each is for PostgreSQL" in capsys.readouterr().err


def test_who_watches_nova_takes_no_beats(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init-db", "--print", "--store", "nova+mysql://u@db1/n", "--relays", "r"]) == 2
    assert "--relays is for stores that take beats" in capsys.readouterr().err
