"""One order for many members is one change of the registry and one version, made in steps."""

from collections.abc import Sequence
from itertools import chain, compress
from typing import NamedTuple

import numpy as np
import structlog
from msgspec import UNSET

from musterd.errors import Conflict
from musterd.model import Facts, FactsChange
from musterd.orders import EXAMPLES, ORDER_LIMIT, GroupOrder, OrderAnswer, Origin, Selector
from musterd_coordinator.judge.members import Rows
from musterd_coordinator.registry.base import FactsChanged, Registry
from musterd_coordinator.roll.names import NOBODY
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.roll.verdicts import NO_FACTS
from musterd_coordinator.service.changing import changed, described, refuse_for_nova, told
from musterd_coordinator.service.queries import Queries
from musterd_coordinator.service.recorder import RegistryWriter
from musterd_coordinator.service.selection import Filters, passing
from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.turns import in_steps

AT_ONCE = 1000  # members that are looked at in one step
CONFIRMED = "operator: mass silence confirmed"
_NAMED = 3  # in the log

log = structlog.get_logger(__name__)


class _Chosen(NamedTuple):
    """These members, in ``rows`` (n), an order is for; and names of which there is no member."""

    rows: Rows
    names: list[str]
    not_found: list[str]


class GroupOrders:
    """`GroupOrders` gives orders for many members; its caller gives one order at a time."""

    def __init__(
        self,
        answers: Queries,
        roll: Roll,
        registry: Registry,
        recorder: RegistryWriter,
        *,
        limit: int = ORDER_LIMIT,
    ) -> None:
        self._answers = answers
        self._view = roll.view
        self._roll = roll
        self._registry = registry
        self._recorder = recorder
        self._limit = limit
        self._alone = not registry.shared

    async def give(self, group: str, order: GroupOrder, origin: Origin) -> OrderAnswer:
        """Give ``order``. Raises Conflict, and does nothing, where it is for others than expected."""
        self._answers.freshness(group)  # NotFound, if there is no such group
        chosen = await in_steps(self._choose(group, order))
        self._check(order, len(chosen.rows))
        first = await in_steps(_first(chosen.names))
        if order.confirm_silence:
            version, count = await self._confirm(chosen.rows, order, origin)
        else:
            version, count = await self._change(group, chosen, order, origin)
        if count and not order.dry_run:
            what = _words(order)
            names = first[:_NAMED]
            log.info(
                "members ordered",
                group=group,
                count=count,
                change=what,
                first=names,
                **told(origin),
            )
        matched = len(chosen.rows)
        return OrderAnswer(version, matched, count, first, order.dry_run, chosen.not_found)

    def _check(self, order: GroupOrder, matched: int) -> None:
        if order.expect is not None and matched != order.expect:
            raise Conflict(
                f"{matched} members match, and {order.expect:g} were expected: nothing was done; look at"
                " them by dry_run"
            )
        if matched > self._limit:
            raise Conflict(
                f"{matched} members match, and one order is for at most {self._limit}: nothing was done;"
                " select less at a time, as by zone"
            )

    # -- whom it is for ------------------------------------------------------------------

    def _choose(self, group: str, order: GroupOrder) -> Steps[_Chosen]:
        if isinstance(order.members, list):
            names, rows = list(dict.fromkeys(order.members)), None
        else:
            assert isinstance(order.selector, Selector)
            names, rows = [], (yield from passing(self._view, group, _filters(order.selector)))
        of_them, here, missing = [np.empty(0, np.int64)], list[str](), list[str]()
        for at in range(0, len(names if rows is None else rows), AT_ONCE):
            asked = names[at : at + AT_ONCE]
            found = self._view.rows(group, asked) if rows is None else rows[at : at + AT_ONCE]
            some, named = self._view.names_in(group, found[found != NOBODY])
            known = set(named)
            missing += [name for name in asked if name not in known]
            if order.confirm_silence:
                held = self._view.are_held(some)
                some, named = some[held], list(compress(named, held.tolist()))
            of_them.append(some)
            here += named
            yield
        return _Chosen(np.concatenate(of_them), here, missing)

    # -- what is done --------------------------------------------------------------------

    async def _confirm(self, rows: Rows, order: GroupOrder, origin: Origin) -> tuple[int, int]:
        rows = rows[~self._view.are_confirmed(rows)]
        if order.dry_run or not len(rows):
            return self._view.version, len(rows)
        version = await in_steps(self._roll.confirm_silence(rows, _words(order), origin))
        return version, len(rows)

    async def _change(
        self, group: str, chosen: _Chosen, order: GroupOrder, origin: Origin
    ) -> tuple[int, int]:
        change = order.change
        others = await in_steps(self._others(chosen, change))
        if order.dry_run:
            return self._view.version, len(others)
        # Where others write to the registry as well, what is known here may not be the newest.
        names = [chosen.names[place] for place in others] if self._alone else chosen.names
        if not names:
            return self._view.version, 0
        rows = chosen.rows[others] if self._alone else chosen.rows
        async with self._recorder.holding(rows.tolist()):
            written = await self._registry.change_facts_of(
                group, names, lambda facts: changed(facts, change)
            )
            news, facts = await in_steps(self._news(group, written))
            if not len(news):
                return self._view.version, 0
            steps = self._roll.set_facts_of(news, facts, described(change), origin)
            return await in_steps(steps), len(news)

    def _others(self, chosen: _Chosen, change: FactsChange) -> Steps[list[int]]:
        """Return the places of those of which other facts are known than after it; refuse Nova's own."""
        others, made = list[int](), dict[int, tuple[Facts, bool]]()
        for at in range(0, len(chosen.rows), AT_ONCE):
            for place, row in enumerate(chosen.rows[at : at + AT_ONCE].tolist(), at):
                refuse_for_nova(self._view, row, change)
                known = self._view.facts(row) or NO_FACTS
                if (
                    id(known) not in made
                ):  # most have the same, and it is kept so that no other has its id
                    made[id(known)] = known, changed(known, change) != known
                if made[id(known)][1]:
                    others.append(place)
            yield
        return others

    def _news(self, group: str, written: Sequence[FactsChanged]) -> Steps[tuple[Rows, list[Facts]]]:
        """Return rows and facts of those that changed in the registry, or were not known so here."""
        rows, facts = [np.empty(0, np.int64)], list[Facts]()
        for at in range(0, len(written), AT_ONCE):
            some = written[at : at + AT_ONCE]
            found = self._view.rows(group, [each.name for each in some])
            pairs = zip(found.tolist(), some, strict=True)
            news = [(row, each.after) for row, each in pairs if self._is_news(row, each)]
            rows.append(np.array([row for row, _ in news], np.int64))
            facts += [after for _, after in news]
            yield
        return np.concatenate(rows), facts

    def _is_news(self, row: int, each: FactsChanged) -> bool:
        if row == NOBODY:
            return False  # forgotten meanwhile
        known = self._view.facts(row) or NO_FACTS
        return each.after is not each.before or each.after != known


def _filters(selector: Selector) -> Filters:
    given = (
        (name, getattr(selector, name)) for name in ("zone", "state", "match", "owner", "mark")
    )
    return Filters(**{name: value for name, value in given if value is not UNSET})


def _words(order: GroupOrder) -> str:
    if not order.confirm_silence:
        return described(order.change)
    return f"{CONFIRMED}: {order.reason}" if order.reason else CONFIRMED


def _first(names: Sequence[str]) -> Steps[list[str]]:
    """Return the first of ``names`` in order, as many as an answer has."""
    first = list[str]()
    for at in range(0, len(names), AT_ONCE):
        first = sorted(chain(first, names[at : at + AT_ONCE]))[:EXAMPLES]
        yield
    return first
