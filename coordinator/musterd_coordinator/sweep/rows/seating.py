"""The module says which seat a row of a database's roster is; pure, but for what it logs."""

from collections.abc import Callable
from typing import Generic, TypeVar

from musterd_coordinator.sweep.rows.members import Told, member_in
from musterd_coordinator.sweep.rows.refused import RefusedRows
from musterd_coordinator.sweep.rows.slotmap import Seat
from musterd_coordinator.sweep.signed.signing import Signing

R = TypeVar("R")


class SeatedRows(Generic[R]):
    """A `SeatedRows` makes seats of rows, which ``told`` reads, and leaves alone what is no member.

    With ``signing``, only who was announced with its key is a member.
    """

    def __init__(
        self, shard: str, namespace: str, signing: Signing | None, told: Callable[[R], Told]
    ) -> None:
        self.refused = RefusedRows(shard)
        self._namespace = namespace
        self._signing = signing
        self._told = told

    def seat(self, slot: int, changed: int, row: R, *, ours: bool) -> Seat:
        """Return the seat that ``row`` is: a vacant one, unless it is ``ours`` and a member."""
        if not ours:
            self.refused.accept(slot)
            return Seat(slot, changed)
        try:
            told = self._told(row)
            member = member_in(told, self._namespace, self._signing)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with it is wrong with it alone)
            self.refused.add(slot, str(error) or type(error).__name__)
            return Seat(slot, changed)
        self.refused.accept(slot)
        return Seat(slot, changed, told.its_id, member)
