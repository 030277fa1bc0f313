"""The module says where a coordinator's canary is among the rows of beats; pure."""

from hashlib import blake2b


def canary_slot(namespace: str, coordinator: str) -> int:
    """Return the slot, below zero, of a coordinator's canary.

    Two coordinators with one name share it, as do two in 2**31 with different names; neither can
    prove a sweep then.
    """
    digest = blake2b(f"{namespace}/{coordinator}".encode(), digest_size=4).digest()
    return -1 - (int.from_bytes(digest) >> 1)
