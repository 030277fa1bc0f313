"""Columns: a byte for each member, names by ordinal, and events in this form."""

import gzip
from base64 import b64decode
from typing import Any

import pytest
import trio.testing

from musterd.model import FactsChange, Member, State
from musterd_coordinator.http import App, make_app
from tests.http_calls import Reader, ask, reading
from tests.http_desk import DictDesk


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """A clock that jumps to the next deadline when all wait."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


@pytest.fixture
def desk() -> DictDesk:
    """Three members of one group in two zones, one of another."""
    desk = DictDesk()
    desk.put(Member("compute", "h3"), Member("compute", "h2", zone="a"), Member("volume", "v1"))
    desk.put(Member("compute", "h1", zone="a"), state=State.SUSPECT)
    return desk


def cells_of(columns: dict[str, Any]) -> dict[str, list[int]]:
    """The cells by group."""
    return {one["group"]: list(b64decode(one["cells"])) for one in columns["groups"]}


async def columns_of(app: App, query: str = "") -> Any:
    return (await ask(app, f"/v1/columns{query}")).json()


async def test_a_byte_for_each_member_by_zone_and_name(desk: DictDesk) -> None:
    columns = await columns_of(make_app(desk))
    assert (columns["version"], columns["listening"], columns["staleness"]) == (3, True, 0.25)
    assert [one["zones"] for one in columns["groups"]] == [
        [{"zone": "", "members": 1}, {"zone": "a", "members": 2}],
        [{"zone": "", "members": 1}],
    ]
    assert cells_of(columns) == {"compute": [1, 2, 1], "volume": [1]}


async def test_a_group_alone(desk: DictDesk) -> None:
    app = make_app(desk)
    assert cells_of(await columns_of(app, "?group=volume")) == {"volume": [1]}
    assert (await ask(app, "/v1/columns?group=nova")).status == 404


async def test_marks_are_bits(desk: DictDesk) -> None:
    app = make_app(desk)
    await desk.change_facts("compute", "h3", FactsChange(disabled=True))
    await desk.change_facts("compute", "h2", FactsChange(forced_down=True))
    assert cells_of(await columns_of(app))["compute"] == [1 + 8, 2, 3 + 16]


async def test_who_has_this_version_is_told_so(desk: DictDesk) -> None:
    app = make_app(desk)
    tag = (await ask(app, "/v1/columns")).headers["etag"]
    same = await ask(app, "/v1/columns", headers={"if-none-match": f'"x", {tag}'})
    assert (same.status, same.body, same.headers["etag"]) == (304, b"", tag)
    assert (await ask(app, "/v1/columns?group=volume")).headers["etag"] != tag
    desk.put(Member("compute", "h3"), state=State.DOWN)
    assert (await ask(app, "/v1/columns", headers={"if-none-match": tag})).status == 200


async def test_it_comes_compressed_for_who_takes_that(desk: DictDesk) -> None:
    app = make_app(desk)
    plain = await ask(app, "/v1/columns")
    small = await ask(app, "/v1/columns", headers={"accept-encoding": "br, gzip;q=0.5"})
    assert (plain.headers["vary"], small.headers["content-encoding"]) == ("accept-encoding", "gzip")
    assert gzip.decompress(small.body) == plain.body
    none = await ask(app, "/v1/columns", headers={"accept-encoding": "*, gzip;q=0"})
    assert none.body == plain.body


async def test_names_by_ordinal_in_one_layout(desk: DictDesk) -> None:
    app = make_app(desk)
    layout = (await columns_of(app))["layout"]
    asked = f"/v1/names?group=compute&layout={layout}"
    named = (await ask(app, asked)).json()
    names = ["h3", "h1", "h2"]
    assert named == {"layout": layout, "group": "compute", "from": 0, "names": names}
    assert (await ask(app, f"{asked}&from=1&n=1")).json()["names"] == ["h1"]
    assert (await ask(app, f"{asked}&from=7")).json()["names"] == []
    assert (await ask(app, f"/v1/names?group=nova&layout={layout}")).status == 404
    desk.put(Member("compute", "h0"))
    assert (await ask(app, asked)).status == 409
    missing = await ask(app, "/v1/names?group=compute")
    assert (missing.status, missing.json()["field"]) == (400, "layout")


async def first_of(reader: Reader) -> Any:
    """The columns, with which each stream begins after its status."""
    assert (await reader.next())[0] == "status"
    name, data = await reader.next()
    assert name == "columns"
    return data


async def next_of(reader: Reader, wanted: str) -> Any:
    """The next event of this name."""
    while True:
        name, data = await reader.next()
        if name == wanted:
            return data


async def test_a_follower_hears_which_bytes_are_others(desk: DictDesk) -> None:
    async with reading(make_app(desk), "/v1/events?form=columns") as reader:
        data = await first_of(reader)
        assert cells_of(data) == {"compute": [1, 2, 1], "volume": [1]}
        desk.put(Member("compute", "h2", zone="a"), Member("volume", "v1"), state=State.DOWN)
        name, told = await reader.next()
        assert (name, told["version"], told["layout"]) == ("cells", desk.version, data["layout"])
        assert told["cells"] == {"compute": [[2, 3]], "volume": [[0, 3]]}
        name, told = await reader.next()
        assert (name, told["status"]["version"]) == ("status", desk.version)
        assert told["groups"][1]["states"]["down"] == 1
        assert (await reader.next())[0] == "ping"


async def test_who_resumes_hears_only_what_changed(desk: DictDesk) -> None:
    app = make_app(desk)
    async with reading(app, "/v1/events?form=columns") as reader:
        await reader.next()
        mark = (await reader.event()).id
    desk.put(Member("compute", "h3"), state=State.DOWN)
    async with reading(app, f"/v1/events?form=columns&since={mark}&group=compute") as reader:
        assert (await reader.next())[0] == "status"
        name, told = await reader.next()
        assert (name, told["cells"]) == ("cells", {"compute": [[0, 3]]})
    desk.put(Member("compute", "h0"))
    async with reading(app, f"/v1/events?form=columns&since={mark}") as reader:
        assert (await reader.next())[0] == "status"
        assert (await reader.next())[0] == "cells"  # in the layout that it knows
        assert len(cells_of(await next_of(reader, "columns"))["compute"]) == 4
    async with reading(app, f"/v1/events?form=columns&since={mark}") as reader:
        assert len(cells_of(await first_of(reader))["compute"]) == 4


async def test_another_layout_brings_columns_again(desk: DictDesk) -> None:
    app = make_app(desk)
    async with reading(app, "/v1/events?form=columns") as reader:
        layout = (await first_of(reader))["layout"]
        desk.put(Member("compute", "h0"), state=State.DOWN)
        data = await next_of(reader, "columns")
        assert data["layout"] != layout
        assert cells_of(data)["compute"] == [3, 1, 2, 1]
