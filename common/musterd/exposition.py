"""Prometheus' text format is written and read here by hand, for agents, which take no library for it.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/, text format 0.0.4.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

Labels = Mapping[str, str]


class Series(NamedTuple):
    """A ``Series`` is one value and the labels that tell it from others of its family.

    One of a histogram has a ``part`` of it besides: ``_bucket``, ``_sum`` or ``_count``.
    """

    labels: Labels
    value: float
    part: str = ""


class MetricFamily(NamedTuple):
    """A ``MetricFamily`` is all series of one name; ``kind`` is ``gauge``, ``counter`` or ``histogram``."""

    name: str
    kind: str
    means: str
    series: Sequence[Series]


def text_of(families: Iterable[MetricFamily]) -> str:
    """Return the page that Prometheus, and what collects text files for it, reads."""
    return "".join(line for family in families for line in _lines(family))


def series_in(text: str) -> Iterator[tuple[str, Series]]:
    """Yield the names and series of a page that :func:`text_of` wrote; other lines are passed over."""
    for line in text.split("\n"):
        found = _SERIES.fullmatch(line)
        if found:
            labels = {name: _plain(value) for name, value in _LABEL.findall(found["labels"] or "")}
            yield found["name"], Series(labels, float(found["value"]))


_SERIES = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>[-+.\dea-z]+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
_PLAIN = {escaped: plain for plain, escaped in _ESCAPES.items()}


def _lines(family: MetricFamily) -> Iterator[str]:
    yield f"# HELP {family.name} {family.means}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for labels, value, part in family.series:
        told = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        yield f"{family.name}{part}{f'{{{told}}}' if told else ''} {_number(value)}\n"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(one, one) for one in text)


def _plain(text: str) -> str:
    return re.sub(r"\\.", lambda found: _PLAIN.get(found[0], found[0]), text)
