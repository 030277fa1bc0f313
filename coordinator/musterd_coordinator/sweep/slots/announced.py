"""The module reads who is said to hold a slot, and by whom that was said."""

from musterd.model import Member
from musterd.stores.slots.protocol import HolderError, read_announcement, read_holder
from musterd_coordinator.sweep.signed.signing import Signing


class UnprovenError(HolderError):
    """The value of an ``m`` key was not written by an agent with its member's key.

    ``kind`` is a field of Rejected.
    """

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


def holder_in(value: bytes, signing: Signing | None) -> Member | None:
    """Do as :func:`~musterd.stores.slots.protocol.read_holder`, and check the mac with ``signing``."""
    if signing is None:
        return read_holder(value)
    said = read_announcement(value)
    if said is None:
        return None
    member, mac = said
    if why := signing.fault(member, mac):
        raise UnprovenError("mac" if mac else "unsigned", f"{member}: {why}")
    return member
