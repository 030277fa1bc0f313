"""The history of many members over HTTP, and from Python."""

from datetime import UTC, datetime

import pytest

from musterd.answers import HistoryPage
from musterd.client import calls
from musterd.errors import CoordinatorError
from musterd.model import Member, State
from musterd_coordinator.http import App, make_app
from tests.http_calls import ask
from tests.http_desk import DictDesk


@pytest.fixture
def app() -> App:
    desk = DictDesk()
    desk.put(Member("compute", "h1"), Member("storage", "s1"))
    desk.put(Member("compute", "h1"), state=State.DOWN, reason="silent")
    return make_app(desk)


async def test_pages_of_changes_follow_one_another(app: App) -> None:
    first = (await ask(app, "/v1/history?limit=2")).json()
    assert [line["new"] for line in first["changes"]] == ["down", "up"]
    rest = (await ask(app, f"/v1/history?limit=2&before={first['next']}")).json()
    assert (len(rest["changes"]), rest["next"]) == (1, None)
    of_one = (await ask(app, "/v1/history?group=storage&since=2026-01-01T00:00:00Z")).json()
    assert [line["member"] for line in of_one["changes"]] == ["s1"]
    counted = (await ask(app, "/v1/history/buckets?step=15&group=compute")).json()
    assert (counted["step"], counted["buckets"][0]["up"]) == (15, 2)
    assert "down" not in counted["buckets"][0]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("history?since=yesterday", "since"),
        ("history?since=2026-01-01T00:00:00", "since"),
        ("history?until=0.5", "until"),
        ("history?before=x", "before"),
        ("history?limit=0", "limit"),
        ("history?member=h1", "member"),
        ("history/buckets?step=0", "step"),
        ("history/buckets?limit=3", "limit"),
    ],
)
async def test_nonsense_is_refused(app: App, query: str, field: str) -> None:
    reply = await ask(app, f"/v1/{query}")
    assert (reply.status, reply.json()["field"]) == (400, field)


def test_a_client_asks_so_and_takes_no_pages_that_go_back() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    call = calls.history_page({"group": "g", "zone": "z 1", "since": at}, "17-4", 5)
    assert call.target == (
        "/v1/history?group=g&zone=z+1&since=2026-03-01T12%3A00%3A00Z&before=17-4&limit=5"
    )
    assert calls.history_buckets({}, 15).target == "/v1/history/buckets?step=15"
    assert calls.next_changes(HistoryPage([], "9-1"), "17-4") == "9-1"
    assert calls.next_changes(HistoryPage([], None), "17-4") is None
    for following in ("17-4", "17-5", "18-1", "x"):
        with pytest.raises(CoordinatorError, match=r"go back|no place"):
            calls.next_changes(HistoryPage([], following), "17-4")
