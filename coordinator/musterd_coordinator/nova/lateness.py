"""The time in a value is that of a host's last beat, as far as it is late: others were heard just now."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress

import anyio
from anyio.lowlevel import checkpoint

from musterd.answers import MemberAnswer
from musterd.errors import MusterdError
from musterd_coordinator.nova.answers import Answers
from musterd_coordinator.nova.values import key_of

LATE = 1.5
"""Intervals of silence after which a member is late; until then its next beat is not due, or under way."""

MOST = 10_000
"""Members that are asked for, of each group. Where more are late at once, it is not the hosts."""

_LONGEST_PAUSE = 10.0
_PORTION = 100
"""Members that are taken in before Nova has its turn."""

AskLate = Callable[[str, float], AsyncGenerator[MemberAnswer, None]]
"""Gives the members of a group that are up, and silent for so many seconds or more."""


class Lateness:
    """A `Lateness` tells ``answers`` who is late, of the groups in ``topics``."""

    def __init__(
        self, answers: Answers, topics: Mapping[str, str], ask: AskLate, interval: float
    ) -> None:
        self._answers = answers
        self._topics = topics
        self._ask = ask
        self._after = LATE * interval
        self._pause = min(_LONGEST_PAUSE, interval / 2)

    async def keep_asking(self) -> None:
        """Ask time and again, until cancelled. What was known last stands while nobody answers."""
        while True:
            with suppress(MusterdError):  # whoever follows the coordinators says so
                self._answers.silences = await self._late()
            await anyio.sleep(self._pause)

    async def _late(self) -> Mapping[bytes, float]:
        late: dict[bytes, float] = {}
        for group, topic in self._topics.items():
            most = len(late) + MOST
            async with aclosing(self._ask(group, self._after)) as members:
                async for member in members:
                    late[key_of(topic, member.member)] = member.silent_for
                    if len(late) >= most:
                        break
                    if not len(late) % _PORTION:
                        await checkpoint()
        return late
