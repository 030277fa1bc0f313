"""Masakari's Consul driver is told who is alive, and an error while that is not known."""

from itertools import product

import pytest

from musterd.answers import NOT_READY
from musterd.model import FactsChange, Member, State, Verdict
from musterd.tokens import Rank, TokenOrder
from musterd_coordinator.http import App, make_app
from musterd_coordinator.http.consul import ALIVE, FAILED, LEFT, agent_member
from tests.http_calls import Reply, ask
from tests.http_desk import DictDesk, shard_status
from tests.unit.token_shelf import Door

PATH = "/v1/agent/members"


def desk_of(*states: State) -> DictDesk:
    """A member of each of these states, called by it."""
    desk = DictDesk()
    for state in states:
        desk.put(Member("compute", state), state=state)
    return desk


def health(reply: Reply) -> dict[str, str]:
    """What Masakari's driver makes of an answer: only a Status of 1 is alive."""
    return {each["Name"]: "up" if each["Status"] == 1 else "down" for each in reply.json()}


async def test_whoever_must_not_be_evacuated_is_alive() -> None:
    desk = desk_of(*State)
    reply = await ask(make_app(desk), PATH)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert health(reply) == {"up": "up", "suspect": "up", "down": "down", "left": "down"}
    told = {each["Name"]: (each["Status"], each["Tags"]) for each in reply.json()}
    assert told["left"] == (3, {"state": "left"})
    assert told["down"] == (4, {"state": "down"})


async def test_orders_count_as_everywhere() -> None:
    desk = desk_of(State.UP)
    desk.put(Member("compute", "h2"))
    await desk.change_facts("compute", "up", FactsChange(forced_down=True))
    await desk.change_facts("compute", "h2", FactsChange(disabled=True))
    assert health(await ask(make_app(desk), PATH)) == {"up": "down", "h2": "up"}


@pytest.mark.parametrize(("state", "down"), [*product(State, (True, False))])
def test_a_status_of_one_means_that_it_must_not_be_evacuated(state: State, down: bool) -> None:
    told = agent_member("h", Verdict(up=False, schedulable=False, down=down, state=state))
    if state is State.UNKNOWN:
        assert told is None
    else:
        assert told is not None
        assert (told.status == ALIVE) is not down
        assert told.status in (ALIVE, LEFT, FAILED)


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 2345])
async def test_all_members_are_told_once(count: int) -> None:
    desk = DictDesk()
    desk.put(Member("compute", "new"), state=State.UNKNOWN)
    desk.put(*[Member("compute", f"h{number}") for number in range(count)])
    desk.put(Member("storage", "elsewhere"))
    reply = await ask(make_app(desk), PATH)
    assert sorted(each["Name"] for each in reply.json()) == sorted(f"h{n}" for n in range(count))


async def test_another_group_where_it_is_named() -> None:
    desk = desk_of(State.DOWN)
    desk.put(Member("host", "h1"))
    assert health(await ask(make_app(desk, consul_group="host"), PATH)) == {"h1": "up"}


async def test_while_it_is_not_listening_everybody_stays_as_they_were() -> None:
    desk = desk_of(State.UP, State.DOWN)
    app = make_app(desk)
    desk.shards = [shard_status("mc1:11211", listening=False, reason="connection refused")]
    desk.listen(False, 7.5)
    await is_refused(app, "not ready: not listening to mc1:11211: connection refused")
    desk.shards = [shard_status("mc1:11211")]
    desk.listen(True, 0.25)
    assert len(health(await ask(app, PATH))) == 2
    desk.ready = False
    await is_refused(app, "not ready: it has not listened long enough to answer yet")


async def test_no_such_group_is_no_answer_without_members() -> None:
    """py-consul makes None of a 404, and what is [] might be taken for an empty cloud."""
    desk = DictDesk()
    desk.put(Member("storage", "s1"))
    reply = await ask(make_app(desk), PATH)
    assert reply.status == 503
    assert "compute" in reply.json()["detail"]
    assert "consul_group names the one to tell of" in reply.json()["detail"]


async def is_refused(app: App, detail: str) -> None:
    reply = await ask(app, PATH)
    assert (reply.status, reply.headers["retry-after"]) == (503, "2")
    assert (reply.json()["type"], reply.json()["detail"]) == (NOT_READY, detail)


async def test_where_there_are_tokens_one_is_taken_as_consul_takes_it() -> None:
    door = Door()
    app = make_app(desk_of(State.UP), door.access)
    made = [
        await door.access.create(TokenOrder(f"t{number}", Rank.READER, groups, None))
        for number, groups in enumerate([(), ("compute",), ("storage",)])
    ]
    tokens = [each.text for each in made]
    consul = [await ask(app, PATH, headers={"x-consul-token": text}) for text in tokens]
    assert [reply.status for reply in consul] == [200, 200, 403]
    usual = await ask(app, PATH, headers={"authorization": f"Bearer {tokens[1]}"})
    assert (usual.status, (await ask(app, PATH)).status) == (200, 401)
    wrong = {"x-consul-token": "not a token", "authorization": f"Bearer {tokens[0]}"}
    assert (await ask(app, PATH, headers=wrong)).status == 200
    del wrong["authorization"]
    assert (await ask(app, PATH, headers=wrong)).status == 401
