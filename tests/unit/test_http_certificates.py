"""A certificate or a local user says who asks, where there is no token."""

import os
import pwd

import pytest

from musterd.model import Member
from musterd.tokens import Rank, TokenOrder
from musterd_coordinator.doorway.peer import CLIENT_CN, LOCAL_USER
from musterd_coordinator.http import App, make_app
from tests.http_calls import ask
from tests.http_desk import DictDesk
from tests.unit.token_shelf import Door

HOST = "/v1/groups/compute/members/h1"
ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def desk() -> DictDesk:
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    return desk


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def app(desk: DictDesk, door: Door) -> App:
    return make_app(desk, door.access, certificates=True)


async def answers(app: App, state: dict[str, str]) -> list[int]:
    """Statuses of a question, an order, and the list of tokens."""
    order = await ask(app, HOST, "PATCH", {"disabled": True}, state=state)
    tokens = await ask(app, "/v1/tokens", state=state)
    return [(await ask(app, HOST, state=state)).status, order.status, tokens.status]


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("reader", [200, 403, 403]),
        ("operator", [200, 200, 403]),
        ("admin", [200, 200, 200]),
        ("host-17", [401, 401, 401]),
        ("Admin", [401, 401, 401]),
    ],
)
async def test_a_common_name_is_a_role(
    app: App, desk: DictDesk, name: str, statuses: list[int]
) -> None:
    assert await answers(app, {CLIENT_CN: name}) == statuses
    assert [origin.actor for origin in desk.origins] == [name] * statuses[1:2].count(200)


async def test_a_common_name_is_that_of_a_token(app: App, door: Door) -> None:
    await door.access.create(TokenOrder("ci", Rank.OPERATOR, ("compute",)))
    assert await answers(app, {CLIENT_CN: "ci"}) == [200, 200, 403]
    reply = await ask(app, "/v1/tokens", state={CLIENT_CN: "ci"})
    assert "the caller ci has the role operator" in reply.json()["detail"]
    assert (await ask(app, "/v1/groups/storage", state={CLIENT_CN: "ci"})).status == 403
    await door.access.revoke("ci")
    assert await answers(app, {CLIENT_CN: "ci"}) == [401, 401, 401]


async def test_a_token_goes_before_a_certificate(app: App, door: Door) -> None:
    made = await door.make("ci")
    login = {"authorization": f"Bearer {made.text}"}
    assert (await ask(app, "/v1/tokens", headers=login, state={CLIENT_CN: "admin"})).status == 403


async def test_local_users_are_known_by_name(app: App, door: Door, desk: DictDesk) -> None:
    await door.make("nobody", Rank.READER)
    for user, statuses in (
        ("root", [200, 200, 200]),
        (ME, [200, 200, 200]),
        ("nobody", [200, 403, 403]),
        ("reader", [401, 401, 401]),  # no role is had by being called so
        ("daemon", [401, 401, 401]),
    ):
        assert await answers(app, {LOCAL_USER: user}) == statuses, user
    assert {origin.actor for origin in desk.origins} == {"root", ME}


async def test_on_an_open_door_an_order_has_the_name_of_its_user(desk: DictDesk) -> None:
    app = make_app(desk)
    await ask(app, HOST, "PATCH", {"disabled": True}, state={LOCAL_USER: "eve"})
    assert desk.origins[0].actor == "eve"
