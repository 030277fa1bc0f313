"""The view by Nova's key, and the file that outlives a run."""

from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from musterd.client.view import Event
from musterd.errors import ConfigError
from musterd.model import State, Verdict
from musterd.settings.declared.door import topics_of
from musterd_coordinator.nova import lastview
from musterd_coordinator.nova.lastview import OLDEST, LastView, Writer
from musterd_coordinator.nova.values import key_of
from musterd_coordinator.nova.view import NovaView

UP = {"up": True, "schedulable": True, "down": False, "state": "up"}
DOWN = {"up": False, "schedulable": False, "down": True, "state": "down"}
NOW = 1_764_514_145.0
TOPICS = {"compute": "compute"}


def event(name: str, version: int, **body: object) -> Event:
    whole = {"version": version, "listening": True, "staleness": 0.1, "more": False, **body}
    return Event(name, f"run-{version}", msgspec.json.encode(whole))


def change(group: str, member: str, **verdict: object) -> dict[str, object]:
    told = {"version": 2, "at": "2026-11-30T14:49:05Z", "reason": "silent", **UP, **verdict}
    return {"group": group, "member": member, **told}


def test_members_are_under_the_keys_of_their_topics() -> None:
    view = NovaView({"hosts": "compute", "conductor": "conductor"})
    assert view.group is None
    groups = {"hosts": {"h1": UP, "h2": DOWN}, "conductor": {"h1": UP}, "other": {"h3": UP}}
    view.apply(event("snapshot", 1, groups=groups))
    down = {key: verdict.down for key, verdict in view.members.items()}
    assert down == {
        key_of("compute", "h1"): False,
        key_of("compute", "h2"): True,
        key_of("conductor", "h1"): False,
    }


def test_changes_of_served_groups_are_taken_in_and_no_others() -> None:
    view = NovaView({"hosts": "compute", "conductor": "conductor"})
    view.apply(event("snapshot", 1, groups={"hosts": {"h1": UP, "h2": UP}}))
    changes = [
        change("hosts", "h1", **DOWN),
        change("hosts", "h2", gone=True),
        change("hosts", "h3"),
        change("compute", "h1"),
    ]
    view.apply(event("changes", 2, changes=changes))
    assert {key: verdict.down for key, verdict in view.members.items()} == {
        key_of("compute", "h1"): True,
        key_of("compute", "h3"): False,
    }


def test_one_group_is_asked_for_by_its_name() -> None:
    assert NovaView({"hosts": "compute"}).group == "hosts"


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("compute", {"compute": "compute"}),
        (" a=compute , b ", {"a": "compute", "b": "b"}),
        ("a=", {"a": "a"}),
    ],
)
def test_groups_have_topics(text: str, topics: dict[str, str]) -> None:
    assert topics_of(text) == topics


@pytest.mark.parametrize("text", ["", ",", "a b", "=compute", "a=b=c"])
def test_what_names_no_group_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        topics_of(text)


def verdict(*, down: bool) -> Verdict:
    state = State.DOWN if down else State.UP
    return Verdict(up=not down, schedulable=not down, down=down, state=state)


A, B, C = (key_of("compute", host) for host in "abc")


def test_a_view_outlives_its_run(tmp_path: Path) -> None:
    file = tmp_path / "view"
    verdicts = {A: verdict(down=False), B: verdict(down=True)}
    lastview.write(file, TOPICS, verdicts, [(C, True, 0.0), (A, False, 3.5)], NOW)
    last = lastview.read(file, TOPICS, NOW + 2)
    assert last == LastView(verdicts, [Writer(C, True, 0.0), Writer(A, False, 3.5)], 2.0)
    assert [each.name for each in tmp_path.iterdir()] == ["view"]


def test_no_view_is_no_trouble(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert lastview.read(tmp_path / "view", TOPICS, NOW) is None
    assert logs == []


@pytest.mark.parametrize("age", [-OLDEST, OLDEST])
def test_a_view_of_another_day_is_not_used(tmp_path: Path, age: float) -> None:
    lastview.write(tmp_path / "view", TOPICS, {A: verdict(down=False)}, [], NOW)
    assert lastview.read(tmp_path / "view", TOPICS, NOW + age) is None


def test_a_view_of_other_groups_is_not_used(tmp_path: Path) -> None:
    lastview.write(tmp_path / "view", {"hosts": "compute"}, {A: verdict(down=False)}, [], NOW)
    assert lastview.read(tmp_path / "view", TOPICS, NOW) is None


@pytest.mark.parametrize("cut", [0, 1, 40, -1])
def test_half_a_view_is_not_used(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "view"
    lastview.write(file, TOPICS, {A: verdict(down=False)}, [], NOW)
    file.write_bytes(file.read_bytes()[:cut])
    with capture_logs() as logs:
        assert lastview.read(file, TOPICS, NOW) is None
    assert [line["event"] for line in logs] == ["last view not read"]


def test_a_view_of_another_version_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "view"
    lastview.write(file, TOPICS, {A: verdict(down=False)}, [], NOW)
    kept = msgspec.msgpack.decode(file.read_bytes())
    for other in ({"format": 2}, {"living": b"short"}):
        file.write_bytes(msgspec.msgpack.encode(kept | other))
        assert lastview.read(file, TOPICS, NOW) is None
