"""These are all errors that musterd raises on purpose, split by what the caller can do about them.

::

    MusterdError
    ├── ConfigError          wrong use or configuration: change it
    ├── CannotListen         an address to listen on cannot be had now: wait, or start again later
    ├── StoreError           something about one shard of the store
    │   ├── ShardUnavailable     no answer in time, or none at all: try again at the next tick
    │   ├── ShardRefused         the shard answered, and said no (authentication, rights, full, read-only)
    │   └── ShardCorrupt         the shard answered nonsense: nothing of the reply may be believed
    ├── RegistryError        the persistent facts could not be read or written
    │   ├── RegistryRefused      the registry is there, and cannot keep what it was given
    │   └── RegistryInUse        another process has the registry's file
    ├── CoordinatorError     the coordinator answered with a problem
    │   ├── NotFound             no such group or member
    │   ├── NotReady             it has not heard its store yet: ask another one, or later
    │   ├── Conflict             refused in the member's present state
    │   └── AccessDenied         it asks for a token, or for one that may do this
    └── CoordinatorUnreachable   no coordinator answered
"""


class MusterdError(Exception):
    """``MusterdError`` is the root of all of them.

    Its text is one line that names the key, host or file, and what to do.
    """


class ConfigError(MusterdError):
    """A ``ConfigError`` says that use or configuration is wrong; nothing was started."""


class CannotListen(MusterdError):
    """A ``CannotListen`` says that an address to listen on cannot be had: not yet, or not any more.

    It may mend by itself.
    """


class StoreError(MusterdError):
    """A ``StoreError`` says that a shard of the store did not do what it was asked.

    ``shard`` names it (``"mc1:11211"``, ``"db1:5432/fleet"``); ``reason`` says what happened.
    A failed read is never an empty one: no StoreError may be turned into "absent".
    """

    def __init__(self, shard: str, reason: str) -> None:
        super().__init__(f"{shard}: {reason}")
        self.shard = shard
        self.reason = reason


class ShardUnavailable(StoreError):
    """A ``ShardUnavailable`` means no answer within the deadline, or no connection."""


class ShardRefused(StoreError):
    """A ``ShardRefused`` means that the shard answered with an error of its own."""


class ShardCorrupt(StoreError):
    """A ``ShardCorrupt`` means that a reply made no sense; its connection was thrown away."""


class RegistryError(MusterdError):
    """A ``RegistryError`` says that the registry could not be read or written."""


class RegistryRefused(RegistryError):
    """A ``RegistryRefused`` says that the registry is there, and cannot keep some of what it got.

    Trying the same again is useless; the rest, without what is to blame, may well be kept.
    """


class RegistryInUse(RegistryError):
    """A ``RegistryInUse`` says that another process has the registry's file."""


class CoordinatorError(MusterdError):
    """A ``CoordinatorError`` says that the coordinator answered with a problem (RFC 9457).

    Its text is the problem's ``detail``.
    """


class NotFound(CoordinatorError):
    """A ``NotFound`` says that there is no such group or member."""


class NotReady(CoordinatorError):
    """A ``NotReady`` says that the coordinator has not heard its store yet.

    What it does not know may well be there. The text says what it waits for.
    """


class Conflict(CoordinatorError):
    """A ``Conflict`` says that an order is refused in the present state of the member."""


class AccessDenied(CoordinatorError):
    """An ``AccessDenied`` says that the coordinator asks for a token, or for one that may do this."""


class CoordinatorUnreachable(MusterdError):
    """A ``CoordinatorUnreachable`` means no answer from a coordinator within the deadline."""
