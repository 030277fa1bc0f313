"""The Prometheus page."""

import re

from musterd.model import FactsChange, Member, State, StormStatus
from musterd_coordinator.http import make_app
from tests.http_calls import ask
from tests.http_desk import NOW, DictDesk, shard_status

_SAMPLE = re.compile(r'^([a-z_]+)(\{([a-z]+="([^"\\\n]|\\.)*",?)+\})? -?[0-9.e+-]+$')


async def page(desk: DictDesk) -> list[str]:
    """The lines of the page."""
    reply = await ask(make_app(desk), "/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return reply.body.decode().splitlines()


async def test_every_line_is_prometheus_text() -> None:
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    desk.storms = [StormStatus("compute", 'z"1\\', 5, 9, NOW, 60.0)]
    lines = await page(desk)
    announced = set()
    for line in lines:
        if line.startswith("# TYPE "):
            announced.add(line.split()[2])
        elif not line.startswith("# HELP "):
            assert _SAMPLE.match(line), line
            assert re.split("[{ ]", line)[0] in announced
    assert 'musterd_storm_silent_members{group="compute",zone="z\\"1\\\\"} 5' in lines


async def test_states_and_shards_are_counted() -> None:
    desk = DictDesk()
    desk.put(Member("compute", "h1"), Member("compute", "h2"), state=State.DOWN)
    deaf = shard_status("mc2:11211", listening=False, reason="no answer")
    desk.shards = [shard_status("mc1:11211"), deaf]
    lines = await page(desk)
    assert 'musterd_members{group="compute",state="down"} 2' in lines
    assert 'musterd_members{group="compute",state="up"} 0' in lines
    assert 'musterd_shard_listening{shard="mc1:11211"} 1' in lines
    assert 'musterd_shard_listening{shard="mc2:11211"} 0' in lines
    assert 'musterd_shard_canary_seconds{shard="mc1:11211"} 0.0004' in lines
    assert 'musterd_rejected_records_total{shard="mc1:11211",reason="magic"} 0' in lines


async def test_what_is_not_known_is_left_out() -> None:
    desk = DictDesk()
    desk.listen(False, None)
    lines = await page(desk)
    assert "musterd_listening 0" in lines
    assert not any(line.startswith("musterd_staleness_seconds ") for line in lines)


async def test_requests_are_counted_by_status() -> None:
    app = make_app(DictDesk())
    for target in ("/v1/groups", "/v1/groups", "/nowhere"):
        await ask(app, target)
    lines = (await ask(app, "/metrics")).body.decode().splitlines()
    assert 'musterd_http_requests_total{code="200"} 2' in lines
    assert 'musterd_http_requests_total{code="404"} 1' in lines


async def test_verdicts_and_marks_are_counted() -> None:
    desk = DictDesk()
    desk.put(Member("compute", "h1"), Member("compute", "h2"), Member("compute", "h3"))
    await desk.change_facts("compute", "h1", FactsChange(forced_down=True))
    await desk.change_facts("compute", "h2", FactsChange(disabled=True))
    lines = await page(desk)
    for line in (
        'musterd_members{group="compute",state="up"} 2',
        'musterd_members{group="compute",state="down"} 1',
        'musterd_verdicts{group="compute",verdict="up"} 2',
        'musterd_verdicts{group="compute",verdict="schedulable"} 1',
        'musterd_verdicts{group="compute",verdict="down"} 1',
        'musterd_members_marked{group="compute",mark="forced_down"} 1',
        'musterd_members_marked{group="compute",mark="disabled"} 1',
        'musterd_members_marked{group="compute",mark="conflict"} 0',
    ):
        assert line in lines, line
