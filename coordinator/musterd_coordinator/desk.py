"""What the HTTP API may ask of a coordinator: the one seam between them.

Reads are plain calls answered from memory: they never touch the store or the registry and never
wait. Writes and history go to the registry and are awaited. Every read of one group raises
NotFound with a text that names the group's size.
"""

from typing import Protocol

from musterd.model import (
    FactsChange,
    GroupAnswer,
    GroupList,
    History,
    MemberAnswer,
    MemberPage,
    QueryAnswer,
    State,
    StatusAnswer,
)

PAGE_LIMIT = 1000


class Desk(Protocol):
    """Questions and orders of schedulers and operators."""

    ready: bool  # has listened long enough to answer

    def groups(self) -> GroupList:
        """All groups."""

    def group(self, group: str) -> GroupAnswer:
        """One group."""

    def members(
        self,
        group: str,
        *,
        state: State | None = None,
        zone: str | None = None,
        up: bool | None = None,
        after: str = "",
        limit: int = PAGE_LIMIT,
    ) -> MemberPage:
        """Members by name, filtered, from the first name greater than ``after``."""

    def member(self, group: str, member: str) -> MemberAnswer:
        """One member."""

    def query(self, group: str, members: list[str]) -> QueryAnswer:
        """Verdicts on the named members."""

    def status(self) -> StatusAnswer:
        """This coordinator and its shards."""

    async def change_facts(self, group: str, member: str, change: FactsChange) -> MemberAnswer:
        """Durably change what an operator may change; the member as it is then."""

    async def forget(self, group: str, member: str, *, force: bool = False) -> None:
        """Forget a member; Conflict while it is up, unless ``force``."""

    async def history(self, group: str, member: str, limit: int) -> History:
        """Its state changes, newest first; NotFound only if there are none and no such member."""
