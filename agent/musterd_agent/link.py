"""A member's way to a shard is a push under a deadline that no failure gets out of."""

from collections.abc import Awaitable
from math import inf
from random import Random

import anyio
from msgspec.structs import replace

from musterd import ages
from musterd.ages import Slept
from musterd.beat import Beat
from musterd.errors import ShardCorrupt, ShardUnavailable
from musterd.loop_clock import Clock
from musterd.model import Member
from musterd.stores.bounds import Mutex
from musterd.stores.link import NotWritable
from musterd_agent.beating import retry_pause
from musterd_agent.shard import BeatTarget, reason_of

_FORGETFUL = "lost the member again as soon as it was announced"
_TOO_SLOW = "no answer within {:g} s"
_MENDS_SOON = (ShardUnavailable, ShardCorrupt, NotWritable)
"""As when its server was restarted, or another of its hosts takes the beats by now."""
_SHARE_TO_RENEW = 0.8  # of the time to the next tick, which must not be late


class MemberPush:
    """A ``MemberPush`` carries the beats of one member to one shard, at most one at a time.

    ``accepted`` and ``failed`` count pushes; ``last_accepted`` and ``due`` (the tick served now or
    next) are instants of the loop's clock. A beat that is tried several times within its deadline
    is one push. Only the first beat that fails is tried again so: that bridges a restart of the
    server, and when it takes longer, a fleet that tries once a tick does not meet the returning
    server as a herd.
    """

    def __init__(
        self,
        member: Member,
        shard: BeatTarget,
        push_timeout: float,
        rng: Random,
        slept: Slept = ages.slept,
        clock: Clock = anyio.current_time,
    ) -> None:
        self.shard = shard
        self.accepted = 0
        self.failed = 0
        self.last_accepted: float | None = None
        self.due = inf
        self.push_timeout = push_timeout
        self._member = member
        self._rng = rng
        self._slept = slept
        self._clock = clock
        self._slept_before = 0.0  # when a beat last got through
        self._missed = 0
        self._announced = False
        self._turn = Mutex()
        self._name = str(member)
        shard.expect(self._name)

    def age(self, now: float) -> float | None:
        """Return the seconds since a beat last got through, asleep or awake; None: never.

        ``now`` is the present by the loop's clock.
        """
        if self.last_accepted is None:
            return None
        return now - self.last_accepted + ages.asleep(self._slept_before, self._slept())

    async def push(self, beat: Beat, within: float | None = None) -> bool:
        """Push ``beat``; say whether the shard took it within that many seconds.

        ``within`` is the push timeout where None. A push waits its turn after one that is under
        way. Whatever a driver raises is counted here and ends here, except KeyboardInterrupt and
        SystemExit. A cancellation ends here too, and is raised again by the caller's next await:
        anyio's are level-triggered.
        """
        within = self.push_timeout if within is None else within
        failure = await _failure_of(self._deliver(beat, within), within)
        if failure is None:
            self._took()
        elif anyio.current_effective_deadline() > -inf:  # else we were told to stop, not it
            self._failed(failure)
        return failure is None

    def announce_as(self, member: Member) -> None:
        """Announce ``member``, the same with other facts, before the next beat and whenever it is lost."""
        self._member = member
        self._announced = False

    def is_to_renew(self, now: float) -> bool:
        """Say whether it is time to connect anew, after a beat that got through ``now``."""
        renewal = self.shard.renewal
        return renewal is not None and renewal.is_due(now)

    async def renew(self, now: float) -> None:
        """Connect anew before the next tick, or go on over the old connection.

        A failure is not told: it says nothing of whether beats get through.
        """
        left = (self.due - now) * _SHARE_TO_RENEW
        await _failure_of(self.shard.renew(), min(self.push_timeout, left))

    async def _deliver(self, beat: Beat, within: float) -> None:
        async with self._turn:
            beat = replace(beat, missed=self._missed)
            while True:
                try:
                    return await self._carry(beat)
                except _MENDS_SOON:
                    left = anyio.current_effective_deadline() - anyio.current_time()
                    pause = retry_pause(left, within, self._rng)
                    if pause is None or self._missed:
                        raise
                await anyio.sleep(pause)

    async def _carry(self, beat: Beat) -> None:
        if self._announced and await self.shard.writer.beat(beat):
            return
        await self.shard.writer.announce(self._member)
        self._announced = True
        if not await self.shard.writer.beat(beat):
            raise ShardUnavailable(self.shard.name, _FORGETFUL)

    def _took(self) -> None:
        self.accepted += 1
        self.last_accepted, self._slept_before = self._clock(), self._slept()
        self._missed = 0
        self.shard.took(self._name)

    def _failed(self, reason: str) -> None:
        self.failed += 1
        self._missed += 1
        self.shard.failed(self._name, reason)


async def _failure_of(delivery: Awaitable[None], within: float) -> str | None:
    """Return why ``delivery`` failed within that many seconds, in words; None if it did not.

    A driver may leak a cancellation that nobody asked for, or answer ours with some other error:
    either is a failed push like any other and must not end the member's loop.
    """
    scope = anyio.move_on_after(within)
    try:
        with scope:
            await delivery
    except BaseException as error:
        if _ends_the_process(error):
            raise
        return _TOO_SLOW.format(within) if scope.cancel_called else reason_of(error)
    return _TOO_SLOW.format(within) if scope.cancelled_caught else None


def _ends_the_process(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(map(_ends_the_process, error.exceptions))
    return isinstance(error, KeyboardInterrupt | SystemExit)
