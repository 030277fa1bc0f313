"""The module derives keys and signs what agents say: keyed BLAKE2s (RFC 7693), as hashlib has it.

=================  =============================================================================
fleet key          32 random bytes; coordinators and relays have it
member key         BLAKE2s-128(key=fleet key, person="musterd", "namespace/group/member")
announcement mac   BLAKE2s-128(key=member key, person="announce", :func:`canonical`)
challenge digest   the first 8 bytes of BLAKE2s-256(challenge value); no key
beat mac           BLAKE2s-128(key=member key, the record's bytes 0-47, the first 8 bytes of the
                   announcement mac, the challenge digest): 64 bytes, one block
relay key          BLAKE2s-128(key=fleet key, person="relay", "namespace/relay")
=================  =============================================================================

So a beat vouches for the facts that its agent announced, and for the challenge that it saw: a value
in the store by which each coordinator knows what was signed after it began (docs/security.md).
Nothing here reads a clock or a file.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2s
from hmac import compare_digest
from secrets import token_bytes

from musterd.beat import SIGNED, Beat, head
from musterd.errors import ConfigError
from musterd.model import Member

FLEET_KEY_SIZE = 32
KEY_SIZE = 16  # of a member, and of a relay
MAC_SIZE = 16
DIGEST_SIZE = 8  # as much of an announcement's mac and of a challenge as a beat's mac covers

CHALLENGE_LIMIT = 128
"""Bytes of a challenge value: eight entries of sixteen. What is longer no coordinator wrote."""

FLEET_PREFIX, MEMBER_PREFIX = "mfk_", "mmk_"
END = "# end"
"""The last line of a file with fleet keys, where a comment before it promises it: a file that is read while
it is being written, or was copied in part, is not taken for one with fewer keys."""

_MOST_KEYS = 2
_ANY = ""  # the name of a member's key that is given without a name


@dataclass(frozen=True, slots=True, repr=False)
class FleetKeys:
    """``FleetKeys`` are the key in force, and the one before it while a rotation lasts."""

    current: bytes
    previous: bytes | None = None

    def given(self) -> tuple[bytes, ...]:
        """Return the one or two keys, the one in force first."""
        return (self.current,) if self.previous is None else (self.current, self.previous)


def member_key(fleet_key: bytes, namespace: str, group: str, member: str) -> bytes:
    """Return the key of one member, 16 bytes. Names have no ``/``, so no two have the same text."""
    name = f"{namespace}/{group}/{member}".encode()
    return blake2s(name, key=fleet_key, digest_size=KEY_SIZE, person=b"musterd").digest()


def relay_key(fleet_key: bytes, namespace: str, relay: str) -> bytes:
    """Return the key by which a relay signs its own rows, 16 bytes."""
    name = f"{namespace}/{relay}".encode()
    return blake2s(name, key=fleet_key, digest_size=KEY_SIZE, person=b"relay").digest()


def canonical(namespace: str, member: Member) -> bytes:
    """Return the bytes of an announcement that its mac covers.

    They are texts in UTF-8, each after its length as four bytes, little-endian: namespace, group,
    name, zone, owner, then the names and values of the metadata, in the order of the names.
    """
    facts = namespace, member.group, member.name, member.zone, member.owner
    pairs = (text for pair in sorted(member.metadata.items()) for text in pair)
    texts = [text.encode() for text in (*facts, *pairs)]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def announcement_mac(key: bytes, namespace: str, member: Member) -> bytes:
    """Return the mac of what the agent with the member's ``key`` announces, 16 bytes."""
    told = canonical(namespace, member)
    return blake2s(told, key=key, digest_size=MAC_SIZE, person=b"announce").digest()


def challenge_digest(value: bytes) -> bytes:
    """Return the 8 bytes that stand for a challenge value; it is empty where the store has none."""
    return blake2s(value).digest()[:DIGEST_SIZE]


def beat_mac(key: bytes, record: bytes, announced: bytes, challenge: bytes) -> bytes:
    """Return the mac of a beat, 16 bytes.

    ``record`` is its first 48 bytes, ``announced`` the announcement's mac, of which the first 8
    count, and ``challenge`` the 8 bytes of :func:`challenge_digest`.
    """
    signed = record + announced[:DIGEST_SIZE] + challenge
    return blake2s(signed, key=key, digest_size=MAC_SIZE).digest()


class Seal:
    """A ``Seal`` is one member's key, and the mac of what its agent announces."""

    __slots__ = ("_key", "_namespace", "_vouched", "mac", "member")

    def __init__(self, key: bytes, namespace: str, member: Member) -> None:
        self.member = member
        self._key = key
        self._namespace = namespace
        self.mac = announcement_mac(key, namespace, member)
        self._vouched = self.mac[:DIGEST_SIZE]

    def record(self, beat: Beat, challenge: bytes) -> bytes:
        """Return the 64 bytes of ``beat``, signed, for a challenge with this digest."""
        record = head(beat, SIGNED)
        return record + beat_mac(self._key, record, self._vouched, challenge)

    def fits(self, member: Member, mac: bytes) -> bool:
        """Say whether somebody with the same key announced ``member`` with this ``mac``."""
        return compare_digest(announcement_mac(self._key, self._namespace, member), mac)


class Keyring:
    """A ``Keyring`` has the keys of the members that an agent beats for.

    They follow from the fleet key, or are given by ``GROUP/MEMBER``; one without a name is for
    whichever member there is. ``version`` grows when they become others.
    """

    def __init__(
        self,
        namespace: str,
        *,
        fleet: FleetKeys | None = None,
        keys: Mapping[str, bytes] | None = None,
    ) -> None:
        self._namespace = namespace
        self.given = fleet, keys or {}
        self.version = 0

    def adopt(self, other: "Keyring") -> None:
        """Have the keys of ``other`` from now on."""
        if self.given != other.given:
            self.given = other.given
            self.version += 1

    def key_of(self, member: Member) -> bytes | None:
        """Return the key of ``member``; None: it has none here, and is not signed for."""
        fleet, keys = self.given
        if fleet is not None:
            return member_key(fleet.current, self._namespace, member.group, member.name)
        return keys.get(str(member)) or keys.get(_ANY)

    def seal(self, member: Member) -> Seal | None:
        """Return what signs the announcement and the beats of ``member``; None without a key."""
        key = self.key_of(member)
        return None if key is None else Seal(key, self._namespace, member)


def new_fleet_key() -> bytes:
    """Draw a fleet key."""
    return token_bytes(FLEET_KEY_SIZE)


def fleet_key_text(key: bytes) -> str:
    """Return a fleet key as it stands in files."""
    return FLEET_PREFIX + _encoded(key)


def member_key_text(key: bytes) -> str:
    """Return a member's key as agents are given it."""
    return MEMBER_PREFIX + _encoded(key)


def parse_fleet_keys(where: str, text: str) -> FleetKeys:
    """Return the one or two keys of a fleet key file, the one in force first.

    A line is a key, or begins with ``#``, or is empty. Raises ConfigError, which names ``where``
    and the line, and never shows what stands there.
    """
    if f"`{END}`" in text and END not in map(str.strip, text.splitlines()):
        raise ConfigError(f"{where} ends before its line `{END}`: it is half of one; copy it again")
    keys: list[bytes] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key = _decoded(line.strip(), FLEET_PREFIX, FLEET_KEY_SIZE)
        if key is None:
            raise ConfigError(f"{where}, line {number} is no fleet key; {_FLEET_CURE}")
        if key in keys:
            raise ConfigError(f"{where}, line {number} is the same key again; leave it out")
        keys.append(key)
    if not keys:
        raise ConfigError(f"{where} has no fleet key; {_FLEET_CURE}")
    if len(keys) > _MOST_KEYS:
        raise ConfigError(
            f"{where} has {len(keys)} keys; keep the newest two, the one in force first"
        )
    return FleetKeys(*keys)


def parse_member_keys(where: str, text: str) -> dict[str, bytes]:
    """Return keys by ``GROUP/MEMBER``, or one alone by the empty name.

    Words stand apart by white space or commas; a line may end in a comment after ``#``. Raises
    ConfigError, which names ``where``, and never shows a key.
    """
    lines = (line.partition("#")[0] for line in text.splitlines())
    words = " ".join(lines).replace(",", " ").split()
    keys: dict[str, bytes] = {}
    name = _ANY
    for word in words:
        key = _decoded(word, MEMBER_PREFIX, KEY_SIZE)
        if key is None and (name != _ANY or not _is_name(word)):
            raise ConfigError(f"{where}: {_about(name)} no member's key; {_MEMBER_CURE}")
        if key is None:
            name = word
        elif name in keys:
            raise ConfigError(f"{where}: {_about(name)} a second key; leave one of them out")
        else:
            keys[name], name = key, _ANY
    if name != _ANY or not keys:
        raise ConfigError(f"{where}: {_about(name)} no member's key; {_MEMBER_CURE}")
    if _ANY in keys and len(keys) > 1:
        raise ConfigError(f"{where}: one of several keys has no GROUP/MEMBER before it")
    return keys


_FLEET_CURE = "`musterd keygen --output FILE` makes a file with one"
_MEMBER_CURE = "`musterd key GROUP MEMBER --fleet-key FILE` prints one, where the fleet key is"


def _is_name(word: str) -> bool:
    # Names are shown: what begins as a key does is none, whatever is wrong with it.
    return word.count("/") == 1 and not word.startswith((MEMBER_PREFIX, FLEET_PREFIX))


def _about(name: str) -> str:
    return f"{name} has" if name else "there is"


def _encoded(key: bytes) -> str:
    return urlsafe_b64encode(key).rstrip(b"=").decode()


def _decoded(word: str, prefix: str, size: int) -> bytes | None:
    """Return the bytes of a key of that many bytes; None for what is none."""
    text = word.removeprefix(prefix)
    if text == word:
        return None
    try:
        key = urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}")
    except ValueError:
        return None
    return key if len(key) == size and _encoded(key) == text else None
