"""A report is drawn as one page of HTML, which needs nothing from anywhere, and runs nothing."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files

from musterd.report.answers import DayAnswer, ReportAnswer, WrongAnswer
from musterd.report.assessing import Assessment
from musterd.report.causes import Culprit
from musterd.report.drawing import strip, tallest_of
from musterd.report.summing import day_parts
from musterd.report.words import (
    advice_words,
    deaths_lines,
    duration,
    later_lines,
    named,
    period_words,
    settings_words,
)

Cell = str | int

_LEGEND = (
    ("shard", "called down while it lived: its shard did not carry its beats"),
    ("storm", "so did many, or their way was in doubt"),
    ("clock", "an age by clocks that differed"),
    ("alone", "only its own beats did not come"),
    ("death", "a death, where it was found"),
    ("deaf", "not listened to: silence counts against nobody"),
    ("doubt", "a storm, or a way in doubt"),
    ("blank", "not watched"),
)
_CAUSES = [each.value for each in Culprit]


def page(report: ReportAnswer, made: Assessment) -> str:
    """Return the whole page."""
    style = files("musterd.report").joinpath("page.css").read_text("utf-8")
    body = "\n".join([*_head(report), *_strips(report, made), *_tables(report)])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(style)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Who would have been called down, and was not dead</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _policy(style: str) -> str:
    """Return the policy under which a browser takes this one style, and nothing else of any kind."""
    told = b64encode(sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{told}'; base-uri 'none'; form-action 'none'"


def _head(report: ReportAnswer) -> Iterator[str]:
    what = f"{report.members:,} members of {' and '.join(report.source)}, {period_words(report)}"
    yield "<h1>Who would have been called down, and was not dead</h1>"
    yield f'<p class="soft">{escape(what)}. {escape(settings_words(report.settings))}</p>'
    yield '<div class="cards">'
    for judge in report.judges:
        yield _card(judge, report.total.judges[judge])
    yield _deaths_card(report)
    yield "</div>"


def _card(judge: str, wrong: WrongAnswer) -> str:
    tone = "wrong" if wrong.times else "right"
    more = f"{wrong.times} times, for {duration(wrong.seconds)} in all"
    return _section(
        f"{named(judge)} called down living members",
        f'<p class="big {tone}">{wrong.members:,}</p><p class="soft">{more}</p>',
    )


def _deaths_card(report: ReportAnswer) -> str:
    deaths = report.total.deaths
    words = " ".join(f"{each}." for each in list(deaths_lines(deaths, report.judges))[1:])
    found = ", ".join(f"{named(judge)} found {deaths.found[judge]}" for judge in report.judges)
    return _section(
        "deaths",
        f'<p class="big">{deaths.count:,}</p><p class="soft">{escape(found)}. {escape(words)}</p>',
    )


def _strips(report: ReportAnswer, made: Assessment) -> Iterator[str]:
    keys = "".join(f'<li><i class="key {key}"></i>{words}</li>' for key, words in _LEGEND)
    watched = min(each[0] for each in made.watched), max(each[1] for each in made.watched)
    names, tallest = {judge: named(judge) for judge in report.judges}, tallest_of(made)
    drawn = [
        f'<div class="day"><h3>{told.day}</h3>{strip(part, day, names, _sums(told), tallest)}</div>'
        for told, (day, part) in zip(report.days, day_parts(made, watched), strict=True)
    ]
    yield _section(
        "what each would have said, day by day (UTC)",
        "\n".join([*drawn, f'<ul class="legend">{keys}</ul>']),
    )


def _sums(day: DayAnswer) -> dict[str, str]:
    return {
        judge: f"{wrong.members} for {duration(wrong.seconds)}" if wrong.members else "none"
        for judge, wrong in day.judges.items()
    }


def _tables(report: ReportAnswer) -> Iterator[str]:
    days = [row for day in [*report.days, report.total] for row in _day_rows(day, report.judges)]
    yield _section(
        "living members that were called down, and why",
        _table(["day", "watched", "who", "called down", "times", "for", *_CAUSES], days),
    )
    if report.worst:
        worst: list[list[Cell]] = [
            [one.member, one.zone, named(judge), wrong.times, duration(wrong.seconds), _why(wrong)]
            for one in report.worst
            for judge, wrong in one.judges.items()
            if wrong.times
        ]
        yield _section(
            "worst members", _table(["member", "zone", "who", "times", "for", "cause"], worst)
        )
    advice: list[list[Cell]] = [[named(each.judge), advice_words(each)] for each in report.advice]
    yield _section(
        "settings under which none would have erred", _table(["who", "settings"], advice)
    )
    if notes := list(_notes(report)):
        yield _section("what is not known", _list(notes))


def _day_rows(day: DayAnswer, judges: Sequence[str]) -> Iterator[list[Cell]]:
    for judge in judges:
        wrong = day.judges[judge]
        causes: list[Cell] = [wrong.causes.get(cause, 0) for cause in _CAUSES]
        first = [day.day, duration(day.watched), named(judge)]
        yield [*first, wrong.members, wrong.times, duration(wrong.seconds), *causes]


def _why(wrong: WrongAnswer) -> str:
    return ", ".join(wrong.causes)


def _notes(report: ReportAnswer) -> Iterator[str]:
    for gap in report.unwatched:
        yield f"not watched: {gap.begin:%Y-%m-%d %H:%M:%S} to {gap.end:%Y-%m-%d %H:%M:%S}"
    yield from later_lines(report.later)
    yield from report.notes


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{content}\n</section>"


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _table(headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in headers)
    lines = (f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _cell(cell: Cell) -> str:
    return f"<td>{escape(str(cell))}</td>" if cell != 0 else '<td class="soft">0</td>'
