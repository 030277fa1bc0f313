"""How a desk of known answers counts its members."""

from collections import Counter
from collections.abc import Iterable, Sequence

from musterd.answers import MemberAnswer
from musterd.model import Mark, State

VERDICTS = ("up", "schedulable", "down")


def counted_states(answers: Iterable[MemberAnswer]) -> dict[State, int]:
    counted = Counter(answer.state for answer in answers)
    return {state: counted.get(state, 0) for state in State}


def counted_verdicts(answers: Sequence[MemberAnswer]) -> dict[str, int]:
    return {name: sum(getattr(one, name) for one in answers) for name in VERDICTS}


def counted_marks(answers: Iterable[MemberAnswer]) -> dict[Mark, int]:
    counted = Counter(mark for answer in answers for mark in answer.marks)
    return {mark: counted[mark] for mark in Mark}
