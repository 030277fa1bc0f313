"""A coordinator of which there is something to tell by every metric."""

from typing import NamedTuple

import msgspec

from musterd.model import FactsChange, Member, State
from musterd.status import Hold, PeerStatus, StatusAnswer, StormStatus
from musterd_coordinator.http import make_app
from musterd_coordinator.http.gauges import HttpGauges
from tests.desk_seats import NOW
from tests.http_desk import DictDesk, shard_status


class Scene(NamedTuple):
    """What metrics are made of."""

    desk: DictDesk
    status: StatusAnswer
    gauges: HttpGauges
    readers: int


async def scene() -> Scene:
    """Two shards, three groups, a mass silence, orders, and callers of all kinds."""
    desk = await _desk()
    status = msgspec.structs.replace(
        desk.status(),
        held=[Hold("storm", 'compute/z"1\\', "many fell silent", NOW, NOW, 5)],
        peers=[PeerStatus("c2", 1.0, True, {State.UP: 2}, True)],
        unsaved=3,
        not_seated=4,
        quarantined=2,
        judged_later=6,
        uncovered=1,
        facts_age=1.75,
    )
    return Scene(desk, status, _gauges(desk), 11)


async def _desk() -> DictDesk:
    desk = DictDesk()
    desk.put(*[Member("compute", f"h{number}") for number in range(7)])
    desk.put(Member("storage", "s1"), state=State.SUSPECT)
    desk.put(Member("ops", "o1"), state=State.LEFT)
    await desk.change_facts("compute", "h1", FactsChange(forced_down=True))
    await desk.change_facts("compute", "h2", FactsChange(disabled=True))
    deaf = shard_status("mc2:11211", listening=False, reason="no answer")
    rejected = {"magic": 12, "mac": 3}
    desk.shards = [
        shard_status("mc1:11211"),
        msgspec.structs.replace(
            deaf,
            canary_seconds=None,
            rejected=rejected,
            sweeps=12_345_678,
            with_old_key=2,
            beating_unsigned=5,
            challenges_put_back=4,
        ),
    ]
    desk.storms = [StormStatus("compute", 'zoné "1"\\\n', 5, 9, NOW, 60.0)]
    return desk


def _gauges(desk: DictDesk) -> HttpGauges:
    gauges = make_app(desk).gauges
    gauges.answered.update({200: 1234567, 404: 2})
    gauges.refused.update({"rate": 3})
    gauges.door.refused.update({"all": 8})
    gauges.door.dismissed = 9
    gauges.room.unsent.acquire("here", 70_000)
    return gauges
