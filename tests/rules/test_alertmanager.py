"""What musterd notify tells a real Alertmanager."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import anyio.to_thread
import pytest

from musterd.incidents import IncidentKind
from musterd_coordinator.notify.alertmanager import LASTS, Alertmanager
from musterd_coordinator.notify.matters import Matter, Message, MessageKind, matter_of
from tests.notify_desk import incident
from tests.rules.alertmanager import RealAlertmanager

OPENED, CHANGED, ONGOING, RESOLVED = (
    *(MessageKind.OPENED, MessageKind.CHANGED),
    *(MessageKind.ONGOING, MessageKind.RESOLVED),
)


@pytest.fixture
def server() -> Iterator[RealAlertmanager]:
    with RealAlertmanager() as server:
        yield server


def message(
    event: MessageKind, matter: Matter | None = None, before: Matter | None = None
) -> Message:
    now = datetime.now(UTC)
    over = now if event is RESOLVED else None
    return Message(event, now, "musterd notify", matter, before, over)


async def test_an_incident_is_an_alert_until_it_is_over(server: RealAlertmanager) -> None:
    def alerts() -> dict[str, dict[str, object]]:
        return server.alerts()

    endpoint = Alertmanager(server.url, 60.0, None)
    held = matter_of(incident(kind=IncidentKind.MASS_SILENCE), "http://c1:8420")
    other = matter_of(incident("b", zone="no zone: “ü”"), "http://c1:8420")
    await endpoint.deliver(
        [message(OPENED, held), message(OPENED, other), message(MessageKind.HEARTBEAT)]
    )
    told = await anyio.to_thread.run_sync(alerts)
    assert set(told) == {"a", "b", "MusterdHeartbeat"}
    assert told["a"]["labels"] == {
        "alertname": "MusterdIncident",
        "kind": "mass_silence",
        "severity": "critical",
        "group": "compute",
        "zone": "rack-a",
        "incident": "a",
    }
    ends = datetime.fromisoformat(str(told["a"]["endsAt"]))
    assert timedelta(0) < ends - datetime.now(UTC) <= timedelta(seconds=LASTS)

    # Its hold is over: the alert of that kind ends, and one of another kind goes on.
    dead = matter_of(incident(count=9), "http://c1:8420")
    await endpoint.deliver([message(CHANGED, dead, held), message(RESOLVED, other, other)])
    told = await anyio.to_thread.run_sync(alerts)
    assert set(told) == {"a", "MusterdHeartbeat"}
    labels, notes = told["a"]["labels"], told["a"]["annotations"]
    assert isinstance(labels, dict)
    assert isinstance(notes, dict)
    assert (labels["kind"], notes["count"]) == ("deaths", "9")

    await endpoint.deliver([message(ONGOING, dead, dead)])
    assert len(await anyio.to_thread.run_sync(alerts)) == 2
    await endpoint.deliver([message(RESOLVED, dead, dead)])
    assert set(await anyio.to_thread.run_sync(alerts)) == {"MusterdHeartbeat"}
