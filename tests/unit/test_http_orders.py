"""Orders come no faster than a disk takes them, and what a schema allows is taken."""

from math import ceil

import pytest
from structlog.testing import capture_logs

from musterd.model import Member
from musterd_coordinator.http import App, make_app
from musterd_coordinator.http.limits import HttpLimits
from musterd_coordinator.limits.rates import OWED_FOR, Pace, Rate
from tests.http_calls import ask
from tests.http_desk import DictDesk

HOST = "/v1/groups/compute/members/h1"


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def app(clock: _Clock) -> App:
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    return make_app(
        desk,
        limits=HttpLimits(orders=Rate(1.0, 6.0), orders_each=Rate(0.5, 3.0), clock=clock),
    )


async def test_a_flood_of_orders_is_told_when_to_go_on(app: App, clock: _Clock) -> None:
    async def order(caller: str) -> int:
        return (await ask(app, HOST, "PATCH", {"disabled": True}, caller=caller)).status

    with capture_logs() as lines:
        assert [await order("10.0.0.1") for _ in range(5)] == [200, 200, 200, 429, 429]
        assert [await order("10.0.0.2") for _ in range(4)] == [200, 200, 200, 429]
        assert await order("10.0.0.3") == 429  # there are none left in all
        reply = await ask(app, HOST, "DELETE", caller="10.0.0.1")
        assert (reply.status, reply.headers["retry-after"]) == (429, "2")
        assert reply.json()["detail"] == "too many orders at once; go on in 2 s"
        clock.now += 2.0
        assert await order("10.0.0.1") == 200
    assert [(line["event"], line["reason"]) for line in lines] == [("order refused", "rate")]
    page = (await ask(app, "/metrics")).body
    assert b'musterd_orders_refused_total{reason="rate"} 5.0\n' in page
    assert (await ask(app, HOST)).status == 200  # questions are no orders


async def test_browsers_are_counted(app: App) -> None:
    await ask(app, HOST, "DELETE", headers={"origin": "http://evil.example"})
    assert (
        b'musterd_orders_refused_total{reason="browser"} 1.0\n' in (await ask(app, "/metrics")).body
    )


@pytest.mark.parametrize(
    "change",
    [
        {
            "disabled": False,
            "forced_down": False,
            "metadata": None,
            "owner": None,
            "reason": "",
            "zone": None,
        },
        {"zone": "z", "reason": ""},
        {"reason": ""},
    ],
)
async def test_an_empty_reason_is_none(app: App, change: dict[str, object]) -> None:
    assert (await ask(app, HOST, "PATCH", change)).status == 200


ORDERS = "/v1/groups/compute/orders"


async def test_one_order_for_many_is_answered_with_whom_it_is_for(app: App) -> None:
    order = {"selector": {"match": "H"}, "disabled": True, "reason": "rack"}
    reply = await ask(app, ORDERS, "POST", order)
    assert reply.status == 200
    assert reply.headers["x-request-id"]
    answer = reply.json()
    assert (answer["matched"], answer["members"], answer["dry_run"]) == (1, ["h1"], False)
    assert (await ask(app, HOST)).json()["disabled_reason"] == "rack"
    browser = {"content-type": "application/json", "origin": "http://evil.example"}
    assert (await ask(app, ORDERS, "POST", order, browser)).status == 403
    assert (await ask(app, "/v1/groups/nosuch/orders", "POST", order)).status == 404


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"disabled": True}, None),
        ({"selector": {}, "disabled": True}, "selector"),
        ({"selector": {"zone": 3}, "disabled": True}, "selector"),
        ({"selector": {"rack": "x"}, "disabled": True}, "rack"),
        ({"members": [], "disabled": True}, "members"),
        ({"members": ["h1"] * 10_001, "disabled": True}, "members"),
        ({"members": ["h1"]}, None),
        ({"members": ["h1"], "disabled": True, "expect": -1}, "expect"),
        ({"members": ["h1"], "enabled": True}, "enabled"),
    ],
)
async def test_an_order_for_many_is_read_strictly(
    app: App, order: dict[str, object], field: str | None
) -> None:
    reply = await ask(app, ORDERS, "POST", order)
    assert (reply.status, reply.json().get("field")) == (400, field)


async def test_an_order_for_many_counts_as_several(clock: _Clock) -> None:
    desk = DictDesk()
    desk.put(*(Member("compute", f"h{n}") for n in range(100)))
    limits = HttpLimits(orders=Rate(1.0, 6.0), orders_each=Rate(0.5, 3.0), clock=clock)
    app = make_app(desk, limits=limits)
    order = {"selector": {"everybody": True}, "disabled": True}
    assert (await ask(app, ORDERS, "POST", {**order, "dry_run": True})).status == 200
    assert (await ask(app, ORDERS, "POST", order)).status == 200
    reply = await ask(app, ORDERS, "POST", order)
    assert (reply.status, reply.headers["retry-after"]) == (429, "10")
    clock.now += 10.0
    assert (await ask(app, ORDERS, "POST", order)).status == 200


async def test_what_is_owed_has_a_bound(clock: _Clock) -> None:
    pace = Pace(Rate(20.0, 100.0), Rate(10.0, 50.0), clock)
    assert pace.retry_after("a") == 0
    pace.charge("a", 1e9)
    assert pace.retry_after("a") == ceil(OWED_FOR + 0.1)
    pace.charge("nobody", 5.0)
