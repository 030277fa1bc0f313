"""Coordinators on the same registry tell each other what they see, and whether that differs."""

import anyio
import msgspec
import structlog

from musterd.errors import RegistryError
from musterd.model import State
from musterd.status import PeerStatus
from musterd_coordinator.registry.base import Registry
from musterd_coordinator.service.orders import CoordinatorService

log = structlog.get_logger(__name__)

PERIOD = 5.0


class PeerReport(msgspec.Struct, frozen=True):
    """A `PeerReport` is what a coordinator leaves in the registry for the others."""

    listening: bool
    states: dict[State, int]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(PeerReport).decode


class Peers:
    """`Peers` tells the others how ``office`` sees its members, and ``office`` how they see theirs."""

    def __init__(self, registry: Registry, office: CoordinatorService) -> None:
        self._registry = registry
        self._office = office

    async def run(self) -> None:
        """Tell and read every few seconds, for ever. A registry that is lost is told of elsewhere."""
        while True:
            await self.once()
            await anyio.sleep(PERIOD)

    async def once(self) -> None:
        """Leave a report, and read theirs."""
        listening, states = self._office.summary()
        try:
            told = await self._registry.exchange_reports(
                _encode(PeerReport(listening, states)).decode()
            )
        except RegistryError as error:
            log.debug("peers not read", reason=str(error))
            return
        self._office.peers = [
            _peer(name, age, text, listening, states) for name, age, text in told if _report(text)
        ]


def _peer(
    name: str, age: float, text: str, listening: bool, states: dict[State, int]
) -> PeerStatus:
    report = _report(text)
    assert report is not None, "it was looked at before"
    comparable = listening and report.listening and age < 3 * PERIOD
    return PeerStatus(
        coordinator=name,
        age=round(age, 3),
        listening=report.listening,
        states=report.states,
        differs=comparable and _seen(report.states) != _seen(states),
    )


def _report(text: str) -> PeerReport | None:
    try:
        return _decode(text)
    except msgspec.MsgspecError:
        return None


def _seen(states: dict[State, int]) -> dict[State, int]:
    return {state: count for state, count in states.items() if count}
