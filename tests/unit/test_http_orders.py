"""Orders come no faster than a disk takes them, and what a schema allows is taken."""

import pytest
from structlog.testing import capture_logs

from musterd.model import Member
from musterd_coordinator.http import App, make_app
from musterd_coordinator.http.limits import HttpLimits
from musterd_coordinator.limits.rates import Rate
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
