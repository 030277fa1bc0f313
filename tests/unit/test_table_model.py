"""The in-memory table does what a dictionary with instants of expiry does, in any order."""

from math import inf

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from musterd.stores.table.table import ITEM_OVERHEAD, Outcome
from tests.examples import examples
from tests.unit.tables import Clock, table_of, value_of

ALL_KEYS = (b"a", b"b", b"c")
KEYS = st.sampled_from(ALL_KEYS)
VALUES = st.binary(max_size=100)
EXPTIMES = st.sampled_from([0, 0, 5, 10, -1])


class SameAsADictionary(RuleBasedStateMachine):
    """The table against a dictionary of values and instants of expiry."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.table = table_of(self.clock)
        self.model: dict[bytes, tuple[bytes, float]] = {}

    def expected(self, key: bytes) -> bytes | None:
        value, expires = self.model.get(key, (b"", 0.0))
        return value if expires > self.clock.now else None

    def remember(self, key: bytes, value: bytes, exptime: int) -> None:
        self.model[key] = (value, self.clock.now + exptime if exptime else inf)

    @rule(key=KEYS, value=VALUES, exptime=EXPTIMES)
    def set(self, key: bytes, value: bytes, exptime: int) -> None:
        assert self.table.set(key, value, 0, exptime) is Outcome.STORED
        self.remember(key, value, exptime)

    @rule(key=KEYS, value=VALUES, exptime=EXPTIMES)
    def add(self, key: bytes, value: bytes, exptime: int) -> None:
        absent = self.expected(key) is None
        outcome = self.table.add(key, value, 0, exptime)
        assert outcome is (Outcome.STORED if absent else Outcome.NOT_STORED)
        if absent:
            self.remember(key, value, exptime)

    @rule(key=KEYS, value=VALUES, exptime=EXPTIMES)
    def replace(self, key: bytes, value: bytes, exptime: int) -> None:
        absent = self.expected(key) is None
        outcome = self.table.replace(key, value, 0, exptime)
        assert outcome is (Outcome.NOT_STORED if absent else Outcome.STORED)
        if not absent:
            self.remember(key, value, exptime)

    @rule(key=KEYS, value=VALUES)
    def append(self, key: bytes, value: bytes) -> None:
        old = self.expected(key)
        outcome = self.table.append(key, value)
        assert outcome is (Outcome.NOT_STORED if old is None else Outcome.STORED)
        if old is not None:
            self.model[key] = (old + value, self.model[key][1])

    @rule(key=KEYS, exptime=EXPTIMES)
    def touch(self, key: bytes, exptime: int) -> None:
        old = self.expected(key)
        assert self.table.touch(key, exptime) is (old is not None)
        if old is not None:
            self.remember(key, old, exptime)

    @rule(key=KEYS)
    def delete(self, key: bytes) -> None:
        assert self.table.delete(key) is (self.expected(key) is not None)
        self.model.pop(key, None)

    @rule(seconds=st.sampled_from([0.5, 4.5, 5.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def flush(self) -> None:
        self.table.flush_all()
        self.model.clear()

    @invariant()
    def agrees(self) -> None:
        for key in ALL_KEYS:
            assert value_of(self.table, key) == self.expected(key)

    @invariant()
    def counts_its_memory(self) -> None:
        alive = [(key, value_of(self.table, key)) for key in ALL_KEYS]
        sizes = [len(key) + len(value) + ITEM_OVERHEAD for key, value in alive if value is not None]
        assert (len(self.table), self.table.bytes_used) == (len(sizes), sum(sizes))


TestSameAsADictionary = SameAsADictionary.TestCase
TestSameAsADictionary.settings = settings(max_examples=examples(50), stateful_step_count=30)
