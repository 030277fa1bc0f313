"""An Alertmanager gets each incident as an alert, again and again while it goes on, as of Prometheus."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from musterd_coordinator.notify.endpoint import DEADLINE, Poster, Undelivered
from musterd_coordinator.notify.matters import Matter, Message, MessageKind

REPEAT = 60.0
"""Seconds after which an alert is sent again."""

LASTS = 4 * REPEAT
"""Seconds after which an Alertmanager takes an alert for resolved that is not sent again: it need not
know when we sent it, nor what its own resolve_timeout is."""

INCIDENT, HEARTBEAT = "MusterdIncident", "MusterdHeartbeat"

_encode = msgspec.json.Encoder().encode


class Alertmanager:
    """An `Alertmanager` is an endpoint of one or more of them, which share alerts with each other.

    As with Prometheus, all are sent everything, and it was taken where one of them took it.
    """

    batch = 100
    repeat = REPEAT

    def __init__(
        self, urls: str, heartbeat: float, ca_file: str | None, deadline: float = DEADLINE
    ) -> None:
        bases = [url.strip().rstrip("/") for url in urls.split(",")]
        self._posters = [Poster(f"{base}/api/v2/alerts", ca_file, deadline) for base in bases]
        self._heartbeat = heartbeat
        self.name = ",".join(poster.name for poster in self._posters)

    async def deliver(self, messages: Sequence[Message]) -> None:
        """Send them to all."""
        body = _encode([alert for one in messages for alert in alerts(one, self._heartbeat)])
        refused = list[Undelivered]()
        for poster in self._posters:
            try:
                await poster.post(body)
            except Undelivered as error:
                refused.append(error)
        if len(refused) == len(self._posters):
            reason = "; ".join(map(str, refused))
            raise Undelivered(reason, of_message=all(one.of_message for one in refused))


def alerts(message: Message, heartbeat: float) -> Iterator[dict[str, Any]]:
    """Yield the alerts that say ``message``; ``heartbeat`` is the seconds between two of these.

    What an alert is of is in its labels: where the kind is another one, the alert before ends.
    """
    if message.incident is None:
        lasts = max(LASTS, 2.5 * heartbeat)
        yield _alert(
            {"alertname": HEARTBEAT, "severity": "none"},
            {"summary": message.text},
            None,
            message.at + timedelta(seconds=lasts),
        )
        return
    known, matter = message.before, message.incident
    if known is not None and known.kind != matter.kind:
        yield _alert(labels(known), {}, known.since, message.at)
    ends = message.at + timedelta(seconds=LASTS)
    if message.event is MessageKind.RESOLVED:
        ends = min(message.until or message.at, message.at)
    yield _alert(labels(matter), _annotations(message, matter), matter.since, ends)


def labels(matter: Matter) -> dict[str, str]:
    """Return what tells this alert from others; none of it changes while its kind does not."""
    given = {
        "alertname": INCIDENT,
        "kind": matter.kind,
        "severity": matter.severity,
        "group": matter.group,
        "zone": matter.zone or "",
        "scope": matter.scope,
        "incident": matter.id,
    }
    return {name: value for name, value in given.items() if value}


def _annotations(message: Message, matter: Matter) -> dict[str, str]:
    return {
        "summary": matter.what,
        "description": matter.next,
        "command": matter.command,
        "count": str(matter.count),
        "members": ", ".join(matter.members),
    }


def _alert(
    named: dict[str, str],
    annotations: dict[str, str],
    since: datetime | None,
    ends: datetime,
) -> dict[str, Any]:
    made = {"labels": named, "annotations": annotations, "endsAt": ends}
    return made if since is None else {**made, "startsAt": min(since, ends)}
