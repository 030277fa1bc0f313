"""What can happen to a PostgreSQL that has a standby."""

from contextlib import ExitStack

import pytest

from musterd.testing.servers import Postgres
from tests.conftest import StartPostgres
from tests.faults.conftest import StartLab
from tests.faults.outcome import assert_explained
from tests.faults.postgres_others import fleets_database, ways_into
from tests.faults.postgres_standby import Standby

READ_WRITE = "target_session_attrs=read-write"


@pytest.mark.full_only
def test_standby_promoted(
    start_postgres: StartPostgres, servers: ExitStack, start_lab: StartLab
) -> None:
    primary = start_postgres(**Postgres.cheap)
    database = fleets_database(primary)
    standby = servers.enter_context(Standby(primary))
    hosts = f"{primary.address},{standby.address}"
    lab = start_lab(**ways_into(database, hosts, READ_WRITE), kind="PostgreSQL with a standby")
    with lab.fault("primary lost, standby promoted after 6 s"):
        primary.kill()
        lab.last(6)
        standby.promote()
        lab.last(2)
    assert_explained(lab.verify(), "refused")
