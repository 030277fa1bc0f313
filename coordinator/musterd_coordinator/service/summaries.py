"""How each member of a group stands is told in portions, for tools that take all of them at once."""

from collections.abc import Iterator

from musterd_coordinator.roll.verdicts import NO_FACTS
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.service.contract import MemberSummary

AT_ONCE = 100  # members in one portion


def summaries(view: RollView, group: str) -> Iterator[list[MemberSummary]]:
    """Yield how each member of ``group`` stands, in portions.

    A member that comes, goes or changes meanwhile may be told or not, as it was or as it is.
    """
    rows = view.rows_of(group)
    for at in range(0, len(rows), AT_ONCE):
        here, _ = view.names_in(group, rows[at : at + AT_ONCE])
        members = map(view.effective, here.tolist())
        facts = [view.said(row) or NO_FACTS for row in here.tolist()]
        yield list(map(MemberSummary, members, view.verdicts(here), facts))
