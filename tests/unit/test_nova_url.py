"""What URLs of Nova's databases mean, and where the cells are that such a database tells of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.errors import ConfigError
from musterd.settings.options import check_store
from musterd.stores import open_store
from musterd.stores.nova.store import Cell, Rhythm, beside, is_novas, watching
from musterd.stores.nova.url import parse_url, target_of
from musterd_coordinator.sweep.base import open_reader
from musterd_coordinator.sweep.nova.apidb import Mapped
from musterd_coordinator.sweep.nova.cells import cells_of

URL = "nova+mysql://musterd:secret@db1/nova_api"
OWN = "musterd:secret"


def opened(url: str) -> tuple[str, ...]:
    store = open_store(url, namespace="musterd", timeout=1.0, beat_ttl=60.0)
    return store.shard_names


@pytest.mark.parametrize(
    ("url", "database"),
    [
        (URL, "db1:3306/nova_api"),
        ("nova+mariadb://u:p@db1:3307/nova", "db1:3307/nova"),
        ("nova+mysql+pymysql://u:p@db1/nova?charset=utf8", "db1:3306/nova"),
        ("nova+postgresql://u:p@db1,db2/nova", "db1:5432,db2:5432/nova"),
        ("nova+postgres://u@db1/nova?sslmode=require&group=binary", "db1:5432/nova"),
    ],
)
def test_a_cell_is_two_shards_one_for_each_way(url: str, database: str) -> None:
    assert check_store(url) == url
    assert opened(url) == (f"{database} direct", f"{database} rpc")


def test_options_of_ours_stand_beside_those_of_the_database() -> None:
    nova = parse_url(f"{URL}?group=binary&login=mapping&rpc_response_timeout=120&ssl=true")
    assert (nova.group, nova.login, nova.rpc_response_timeout) == ("binary", "mapping", 120.0)
    assert nova.database == "mysql://musterd:secret@db1/nova_api?ssl=true"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nova+sqlite:///nova.db", "names no database of Nova's"),
        ("nova+mysql://", "names no database of Nova's"),
        ("nova+mysql://u:p@db1", "names no database: write mysql://"),
        (f"{URL}?group=zone", "group 'zone' is not one of topic, binary"),
        (f"{URL}?login=nova", "login 'nova' is not one of own, mapping"),
        (f"{URL}?rpc_response_timeout=soon", "is no number of seconds from 1 to 3600"),
        (f"{URL}?rpc_response_timeout=nan", "is no number of seconds from 1 to 3600"),
        (f"{URL}?colour=red", "option 'colour' is not one of"),
        ("nova+mysql://u:p/w@db1/nova", "has / ? # or @ where they mean something else"),
    ],
)
def test_what_cannot_be_used_is_said_without_the_password(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace("?", r"\?")) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)
    assert "p/w" not in str(caught.value)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_url(f"nova+mysql://{text}")
    except ConfigError:
        return


def test_an_agent_is_told_that_nobody_takes_its_beats() -> None:
    store = open_store(URL, namespace="musterd", timeout=1.0, beat_ttl=60.0)
    with pytest.raises(ConfigError, match="is read by coordinators, and takes no beats") as caught:
        store.writer(0)
    assert "secret" not in str(caught.value)


def test_members_have_no_place_before_they_are_seen() -> None:
    assert open_store(URL, namespace="musterd", timeout=1.0, beat_ttl=60.0).place(17) == ()


def cells(*mapped: tuple[str, str], url: str = URL) -> list[Cell]:
    return cells_of(parse_url(url), [Mapped(*each) for each in mapped])


def test_cells_are_read_by_the_login_of_the_url_and_where_the_mapping_says() -> None:
    found = cells(
        ("cell0", "mysql+pymysql://nova:n0va@db1/nova_cell0?charset=utf8"),
        ("cell1", "mysql+pymysql://nova:n0va@[fd00::7]:3307/nova?charset=utf8"),
        url=f"{URL}?ssl=true",
    )
    assert [(cell.name, cell.database) for cell in found] == [
        ("cell0", f"mysql://{OWN}@db1/nova_cell0?ssl=true"),
        ("cell1", f"mysql://{OWN}@[fd00::7]:3307/nova?ssl=true"),
    ]


def test_cells_are_read_by_novas_login_where_that_is_wanted() -> None:
    mapped = ("cell1", "mysql+pymysql://nova:n:va/2@db2/nova_cell1?charset=utf8&connect_timeout=3")
    [cell] = cells(mapped, url=f"{URL}?login=mapping")
    assert cell.database == "mysql://nova:n%3Ava%2F2@db2/nova_cell1?charset=utf8"


@pytest.mark.parametrize(
    "template",
    [
        "{scheme}://{username}:{password}@{hostname}:{port}/nova_cell1?{query}",
        "{scheme}://{username}:{password}@{hostname}/nova_cell1?charset=utf8&{query}",
        "mysql+pymysql://{username}:{password}@db1:3306/nova_cell1",
    ],
)
@pytest.mark.parametrize("login", ["own", "mapping"])
def test_templates_are_filled_in_by_the_url(template: str, login: str) -> None:
    [cell] = cells(("cell1", template), url=f"{URL}?login={login}")
    target = target_of(cell.database)
    assert target.name == "db1:3306/nova_cell1"
    assert cell.database.startswith(f"mysql://{OWN}@db1")


def test_a_template_that_asks_for_what_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="cell cell1") as caught:
        cells(("cell1", "{scheme}://{username}:{password}@{hostname1}:{port1}/nova"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("connection", ["", "sqlite:////var/lib/nova/nova.sqlite", "none:///"])
def test_a_cell_that_cannot_be_watched_is_named(connection: str) -> None:
    with pytest.raises(ConfigError, match=r"cell cell7 is in .* and musterd watches PostgreSQL"):
        cells(("cell7", connection))


def test_two_cells_in_one_database_are_read_once() -> None:
    same = "mysql://nova:n@db1:3306/nova"
    assert [cell.name for cell in cells(("a", same), ("b", same))] == ["a"]


def test_every_cell_has_shards_of_its_own() -> None:
    store = open_store(URL, namespace="musterd", timeout=1.0, beat_ttl=60.0)
    two = [Cell("a", "mysql://u:p@db1/a"), Cell("b", "mysql://u:p@db2/b")]
    assert watching(store, two, Rhythm()).shard_names == (
        *("db1:3306/a direct", "db1:3306/a rpc"),
        *("db2:3306/b direct", "db2:3306/b rpc"),
    )


def test_agents_are_placed_on_their_own_shards_beside_novas() -> None:
    agents = open_store(
        "memcached://m1,m2?replicas=2", namespace="musterd", timeout=1.0, beat_ttl=60.0
    )
    nova = open_store(URL, namespace="musterd", timeout=1.0, beat_ttl=60.0)
    both = beside(agents, nova)
    assert both.shard_names == agents.shard_names + nova.shard_names
    assert both.listing == (2, 3)
    assert (
        both.url == "memcached://m1:11211,m2:11211?replicas=2 nova+mysql://musterd:***@db1/nova_api"
    )
    assert sorted(both.place(17)) == [0, 1]
    assert both.place(17) == agents.place(17)
    assert both.writer(1).name == "m2:11211"
    with pytest.raises(ConfigError, match="takes no beats"):
        both.writer(2)
    readers = [open_reader(both, shard, "c1") for shard in range(4)]
    assert tuple(reader.name for reader in readers) == both.shard_names


@pytest.mark.parametrize(
    ("group", "novas"),
    [
        ("compute", True),
        ("scheduler", True),
        ("nova-compute", True),
        ("host", False),
        ("novas", False),
    ],
)
def test_groups_of_novas_are_known(group: str, novas: bool) -> None:
    assert is_novas(group) == novas
