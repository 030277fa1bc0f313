"""The module says which member a row of Nova's ``services`` is, where it is one; pure."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from musterd.beat import member_id
from musterd.model import NAME_LIMIT, Facts, Member, check_member
from musterd_coordinator.sweep.rows.refused import RefusedRows

IN_NOVA = "in Nova"
"""What the reason of an order begins with that was given to Nova."""


class Service(NamedTuple):
    """A `Service` is what a row of the table says of one."""

    id: int
    host: str
    topic: str
    binary: str
    disabled_reason: str
    disabled: bool = False
    forced_down: bool = False


class ServiceSeat(NamedTuple):
    """A `ServiceSeat` is the slot in which the row of a member is kept, and what is ordered of it."""

    slot: int
    member: Member
    member_id: int
    orders: Facts


class ServiceSeating:
    """A `ServiceSeating` makes members of services, and leaves alone what can be none.

    ``zone_of`` says in which zone a host is. The ``cell`` has a name or an empty text.
    """

    def __init__(
        self,
        shard: str,
        namespace: str,
        group: str,
        cell: str,
        zone_of: Callable[[str], str],
    ) -> None:
        self.refused = RefusedRows(shard)
        self._namespace = namespace
        self._by_topic = group == "topic"
        self._cell = cell
        self._zone_of = zone_of
        self._slots: dict[str, int] = {}  # by host: it has one service of a kind in a cell

    def slots_of(self, hosts: Iterable[str]) -> list[int]:
        """Return the slots of services on these ``hosts``."""
        return [self._slots[host] for host in hosts if host in self._slots]

    def vacate(self, slots: Iterable[int]) -> None:
        """Note that these ``slots`` have no row any more."""
        for slot in slots:
            self.refused.accept(slot)

    def seat(self, slot: int, service: Service) -> ServiceSeat | None:
        """Return the seat of ``service``; None where its names can be no member's."""
        try:
            member = check_member(self._member(service))
        except Exception as error:  # noqa: BLE001 (whatever is wrong with it is wrong with it alone)
            self.refused.add(slot, f"service {service.id}: {error}")
            return None
        self.refused.accept(slot)
        self._slots[member.name] = slot
        its_id = member_id(self._namespace, member.group, member.name)
        return ServiceSeat(slot, member, its_id, _orders(service))

    def _member(self, service: Service) -> Member:
        group = service.topic if self._by_topic else service.binary
        said = {"cell": self._cell} if self._cell else {}
        facts = {**said, "binary": service.binary}
        return Member(group, service.host, zone=self._zone_of(service.host), metadata=facts)


def _orders(service: Service) -> Facts:
    """Return what Nova's operators ordered, with reasons that say that it was in Nova."""
    disabled, forced_down = bool(service.disabled), bool(service.forced_down)
    said = "".join(filter(str.isprintable, service.disabled_reason))
    because = f"{IN_NOVA}: {said}"[:NAME_LIMIT] if said else IN_NOVA
    return Facts(
        disabled=disabled,
        disabled_reason=because if disabled else "",
        forced_down=forced_down,
        forced_down_reason=IN_NOVA if forced_down else "",
    )
