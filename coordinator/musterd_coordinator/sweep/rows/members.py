"""The module says which member a row of a roster is, where it is one; pure."""

from collections.abc import Mapping
from typing import NamedTuple

from musterd.beat import member_id
from musterd.model import Member, check_member
from musterd_coordinator.sweep.signed.signing import Signing


class Told(NamedTuple):
    """A `Told` is what a row says of its member; ``its_id`` is the member_id beside that."""

    its_id: int
    group: str
    name: str
    zone: str
    owner: str
    metadata: Mapping[str, str]
    mac: bytes


def member_in(told: Told, namespace: str, signing: Signing | None) -> Member:
    """Return the member that a row tells of; raise ValueError, which says why, where it is none."""
    member = check_member(Member(*told[1:6]))
    if member_id(namespace, member.group, member.name) != told.its_id:
        raise ValueError(f"its member_id is not that of {member}")
    if signing and (fault := signing.fault(member, told.mac)):
        raise ValueError(f"{member}: {fault}")
    return member
