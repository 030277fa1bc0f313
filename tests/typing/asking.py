"""A user's program that asks; it is not run, but must satisfy strict type checkers."""

from collections.abc import Iterator

from musterd import (
    AsyncClient,
    Client,
    FactsChange,
    Mark,
    MemberAnswer,
    QueryAnswer,
    Replica,
    State,
    Verdict,
)
from musterd.errors import CoordinatorUnreachable, MusterdError, NotFound


def free_hosts(client: Client, names: list[str]) -> list[str]:
    answer: QueryAnswer = client.query("compute", names)
    verdicts: dict[str, Verdict] = answer.members
    return [name for name, verdict in verdicts.items() if answer.listening and verdict.schedulable]


def silent(client: Client) -> Iterator[tuple[str, float | None]]:
    for member in client.members("compute", state=State.DOWN, zone="rack-12"):
        yield member.member, member.silent_for


def draining(client: Client) -> list[str]:
    return [each.member for each in client.members("compute", mark=Mark.DRAINING)]


def disable(url: str, name: str) -> str:
    try:
        with Client(url, timeout=5.0) as client:
            change = FactsChange(disabled=True, reason="new disk")
            changed: MemberAnswer = client.change_facts("compute", name, change)
            return changed.disabled_reason
    except NotFound:
        return "no such host"
    except CoordinatorUnreachable as error:
        return str(error)
    except MusterdError as error:
        raise SystemExit(str(error)) from error


async def count(url: str) -> int:
    async with AsyncClient(url) as client:
        return len([each async for each in client.members("compute", up=True)])


async def follow(url: str) -> bool:
    async with Replica(url, "compute") as replica:
        await replica.wait_ready()
        return replica.age < 5 and replica.is_up("h1")
