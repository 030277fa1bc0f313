"""The page for Prometheus is in its own text format or OpenMetrics, whichever is asked for."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from prometheus_client.core import Metric
from prometheus_client.exposition import (
    CONTENT_TYPE_PLAIN_0_0_4,
    choose_encoder,
    generate_latest,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from musterd.answers import GroupList, GroupSummary
from musterd.model import Mark, State
from musterd.status import StatusAnswer
from musterd_coordinator.http.families import families
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.steps import Steps

GROUPS_SHOWN = 1000
GROUPS_ADDED_AT_ONCE = 500

SAMPLES_AT_ONCE = 100
"""Samples written in one step: a millisecond or two."""

_MEDIA = re.compile(r"[a-z/-]+; version=[0-9.]+; charset=utf-8(; escaping=[a-z0-9-]+)?")


class Form(NamedTuple):
    """A `Form` says how a page is written, and its media type."""

    encode: Callable[[Collector], bytes]
    media: str


PLAIN = Form(generate_latest, CONTENT_TYPE_PLAIN_0_0_4)


def form_of(accept: str) -> Form:
    """Return the form for an Accept header: what every Prometheus reads, unless it asks for another."""
    try:
        encode, media = choose_encoder(accept)
    except TypeError:  # a version that is no number
        return PLAIN
    return Form(encode, media) if _MEDIA.fullmatch(media) else PLAIN


def render(
    status_steps: Steps[StatusAnswer],
    groups: Steps[GroupList],
    *,
    gauges: HttpGauges,
    readers: int,
    members: Iterable[Metric] = (),
    counted: Iterable[Metric] = (),
    form: Form = PLAIN,
) -> Steps[bytes]:
    """Return the whole page, in steps."""
    status = yield from status_steps
    listed = yield from groups
    shown = yield from _shown(listed.groups)
    texts: list[bytes] = []
    yield
    for text in _texts(families(status, shown, gauges, readers, members, counted), form):
        texts.append(text)
        yield
    return b"".join([*texts, form.encode(_Only())])


class _Only(Collector):
    """An `_Only` collects this one family, or none."""

    def __init__(self, *family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return self._family


def _texts(told: Iterable[Metric], form: Form) -> Iterator[bytes]:
    """Yield the text of each part. What is said of a family stands before its first part alone."""
    end, head = form.encode(_Only()), b""
    for part in _parts(told):
        head_before, head = head, form.encode(_Only(_like(part, []))).removesuffix(end)
        text = form.encode(_Only(part)).removesuffix(end)
        yield text.removeprefix(head) if head == head_before else text


def _parts(told: Iterable[Metric]) -> Iterator[Metric]:
    for family in told:
        for at in range(0, max(1, len(family.samples)), SAMPLES_AT_ONCE):
            yield _like(family, family.samples[at : at + SAMPLES_AT_ONCE])


def _like(family: Metric, samples: list[Sample]) -> Metric:
    part = Metric(family.name, family.documentation, family.type, family.unit)
    part.samples = samples
    return part


def _shown(groups: list[GroupSummary]) -> Steps[Sequence[GroupSummary]]:
    """Return the largest groups; the others, which leave ``groups``, are one without a name."""
    if len(groups) <= GROUPS_SHOWN:
        return groups
    sizes = np.fromiter((one.members for one in groups), np.int64, len(groups))
    order = np.argsort(-sizes, kind="stable")
    others = Others()
    for at in range(GROUPS_SHOWN, len(order), GROUPS_ADDED_AT_ONCE):
        for place in order[at : at + GROUPS_ADDED_AT_ONCE].tolist():
            others.add(groups[place])
            groups[place] = _NOBODY  # to free all of them in the end is a long step too
        yield
    return [*(groups[place] for place in np.sort(order[:GROUPS_SHOWN]).tolist()), others.summary()]


_NOBODY = GroupSummary("", 0, {})


class Others:
    """An `Others` adds groups up."""

    def __init__(self) -> None:
        self._members = 0
        self._states, self._verdicts, self._marks = (
            Counter[State](),
            Counter[str](),
            Counter[Mark](),
        )

    def add(self, group: GroupSummary) -> None:
        """Add one more group."""
        self._members += group.members
        self._states.update(group.states)
        self._verdicts.update(group.verdicts)
        self._marks.update(group.marks)

    def summary(self) -> GroupSummary:
        """Return all of them as one, with a name that no group can have."""
        counts = dict(self._states), dict(self._verdicts), dict(self._marks)
        return GroupSummary("", self._members, *counts)
