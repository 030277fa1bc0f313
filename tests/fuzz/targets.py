"""What is fuzzed, and what must hold for whatever comes.

A target takes bytes and raises for a fault of ours alone: errors that are declared are none.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import anyio
import numpy as np

from musterd.beat import SIZE, Beat, BeatError, beat_in, pack, unpack
from musterd.errors import ConfigError, StoreError
from musterd.settings.inifile import assignments
from musterd.settings.novacache import DoorFacts, findings
from musterd.settings.novaconf import read
from musterd.settings.novafile import of_texts
from musterd.stores.postgres.url import parse_url
from musterd.stores.slots.protocol import SLOT_LIMIT, Keys, write_holder
from musterd.stores.table.table import Table
from musterd.urls import host_and_port, without_secret, without_secrets
from musterd_coordinator.memcache.binary import BinarySession
from musterd_coordinator.memcache.protocol import ProtocolSession
from musterd_coordinator.nova.beats import is_beat
from musterd_coordinator.nova.values import value_of
from musterd_coordinator.relay.reception import Inbox
from musterd_coordinator.sweep.columns import Rejected, sift, words_in
from musterd_coordinator.sweep.memcached.replies import BeatsReply
from musterd_coordinator.sweep.memcached.values import BulkReply, ValuesReply
from musterd_coordinator.sweep.postgres.copy import Copy
from musterd_coordinator.sweep.rows.collector import RowCollector
from musterd_coordinator.sweep.rows.relays import RelayWatch
from musterd_coordinator.sweep.slots.slotmap import Block
from tests.binary_packets import GETK, QUIT, SET, packet, storing
from tests.fuzz.feed import Feed
from tests.nova_values import NOVA_34
from tests.unit.keyed_world import BAD_UTF8, GOOD, KEYS, NESTED, ROUNDS_TO_HEAL, World
from tests.unit.postgres_rows import copy_of, seats_of
from tests.unit.sealed import Signer, Slots, host

GOOD_RECORD = pack(Beat(5, 7, 9, 1000))
SIGNED_RECORD = Signer(host(0)).record(b"")
NEXT = b"VALUE fleet:b:00000000 0 3\r\nodd\r\nEND\r\n"
"""The reply to another command, which comes after the one that is read."""

SECRET = "s3cretpassword"


class Target(NamedTuple):
    """Something that reads bytes, and bytes that lead a fuzzer into it. ``cost``: slower than others."""

    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    cost: int = 1


def records(data: bytes) -> None:
    """One by one and by column, the same records are good."""
    whole = data[: len(data) // SIZE * SIZE]
    good, rejected = sift(words_in(whole, len(whole) // SIZE, 0, SIZE))
    assert isinstance(rejected, Rejected)
    alone = [beat_in(whole[at : at + SIZE]) for at in range(0, len(whole), SIZE)]
    assert good.tolist() == [beat is not None for beat in alone]
    for beat in filter(None, alone):
        assert unpack(pack(beat)) == beat
    try:
        unpack(data)
    except BeatError as error:
        assert str(error)


def signed_records(data: bytes) -> None:
    """Whatever stands in slots, only what was signed with a member's key is its beat."""
    world = Slots()
    agents = [Signer(host(number)) for number in range(4)]
    world.sweep()
    for slot, agent in enumerate(agents):
        world.announce(slot, agent.member)
        world.records[slot] = agent.record(world.challenge)
    assert world.sweep() == set(range(4))
    known = dict(world.records)
    pieces = [data[at : at + SIZE] for at in range(0, len(data) // SIZE * SIZE, SIZE)]
    for number, piece in enumerate(pieces):
        if beat_in(piece) is not None:
            world.records[number % 4] = piece
    good = world.sweep()
    assert good == {slot for slot in range(4) if world.records[slot] == known[slot]}
    assert set(world.seals.contested) <= set(range(4)) - good
    world.records = {slot: agent.record(world.challenge) for slot, agent in enumerate(agents)}
    assert world.sweep() == set(range(4))


def memcached_values(data: bytes) -> None:
    """The values of a few keys, whole or in pieces."""
    asked = [KEYS.holder(slot) for slot in range(4)]
    replies(data, lambda: ValuesReply("mc", asked))


def memcached_beats(data: bytes) -> None:
    """A block of beats, whole or in pieces."""
    slots = np.arange(4)
    keys = b"".join(KEYS.beat(slot) + b" " for slot in range(4))
    replies(data, lambda: BeatsReply("mc", Block(slots, keys), KEYS.beat_prefix))


def replies(data: bytes, begin: Callable[[], BulkReply]) -> None:
    """How a reply comes in pieces makes no difference to what it says."""
    feed = Feed(data)
    cuts = sorted(feed.number(2048) for _ in range(feed.number(5)))
    text = feed.rest() + NEXT
    in_pieces, at_once = outcome(begin(), text, cuts), outcome(begin(), text, [])
    # Whoever sees it in pieces may see sooner that it is wrong.
    assert in_pieces == at_once or {in_pieces, at_once} == {"refused", "more to come"}


def outcome(reply: BulkReply, text: bytes, cuts: Sequence[int]) -> int | str:
    """How many bytes the whole reply took; or that it was refused, or is not at its end."""
    begin = 0
    for end in [*(cut for cut in cuts if 0 < cut < len(text)), len(text)]:
        try:
            taken, whole = reply.parse(memoryview(bytearray(text[begin:end])))
        except StoreError:
            return "refused"
        assert 0 <= taken <= max(0, end - begin)
        begin += taken
        if whole:
            return begin
    return "more to come"


def keyed_store(data: bytes) -> None:
    """Anything under any key: the good stay good, the junk goes, nothing grows."""
    feed = Feed(data)
    keys = [
        KEYS.counter,
        KEYS.free,
        *(KEYS.index(KEYS.identity(member)) for member in GOOD),
        *(KEYS.holder(slot) for slot in (*range(9), 100, 5000, SLOT_LIMIT - 1)),
        *(KEYS.beat(slot) for slot in (*range(9), 100, 5000, SLOT_LIMIT - 1)),
    ]

    async def live() -> None:
        world = World()
        everybody = {member.name for member in GOOD}
        await world.round()
        for _ in range(3):
            for _ in range(feed.number(8)):
                world.table.set(feed.one_of(keys), feed.text(120))
            await world.round()
        for _ in range(ROUNDS_TO_HEAL):
            heard = await world.round()
        assert everybody <= heard

    anyio.run(live)


def postgres_copy(data: bytes) -> None:
    """A COPY of beats that may be none, in chunks."""
    feed = Feed(data)
    chunks = feed.parts(feed.rest()) if feed.number(2) else [feed.rest()]
    copy, harvest = Copy("db"), RowCollector("db", seats_of(20), -77)
    try:
        for chunk in chunks:
            harvest.collect(copy.rows(chunk))
        copy.finish()
    except StoreError:
        return
    beats = harvest.beats()
    assert len(beats.slot) <= 20 + 1


def relay_rows(data: bytes) -> None:
    """Rows of relays that are none."""
    feed, watch, now = Feed(data), RelayWatch(), 0.0
    while feed:
        now += feed.number(100)
        marks = {-1 - feed.number(4): feed.take(feed.one_of((SIZE, 0, 7))) for _ in range(3)}
        assert isinstance(watch.judge(marks, feed.number(3), now), str)


class Mute:
    """A server with little to tell of itself."""

    version = "1.6.18-musterd"

    def statistics(self, kind: str) -> dict[str, object] | None:
        """No statistics."""
        return {} if not kind else None

    def reset(self) -> None:
        """Nothing to count."""


def embedded_protocol(data: bytes) -> None:
    """What a client hears does not depend on how its bytes came."""
    compare(data, ProtocolSession)


def binary_protocol(data: bytes) -> None:
    """Nor does it in packets."""
    compare(data, BinarySession)


Begin = Callable[[Table, Mute], ProtocolSession | BinarySession]


def compare(data: bytes, begin: Begin) -> None:
    """The same bytes are answered the same, in parts and as a whole."""
    feed = Feed(data)
    parts = [feed.text(300) for _ in range(feed.number(8))]
    parts.append(feed.rest())
    assert conversation(parts, begin) == conversation([b"".join(parts)], begin)


def conversation(parts: Sequence[bytes], begin: Begin) -> bytes:
    """All that is answered to ``parts``."""
    talk = begin(Table(1 << 22, monotonic=lambda: 1.0), Mute())
    said = []
    for part in parts:
        talk.feed(part)
        while (answer := talk.step()) is not None:
            said.append(answer)
        if talk.closed:
            break
    return b"".join(said)


def relay_protocol(data: bytes) -> None:
    """A relay answers everything in the end, and holds little meanwhile."""
    feed, table = Feed(data), Table(1 << 22, monotonic=lambda: 1.0)
    table.set(KEYS.holder(3), write_holder(GOOD[0]))
    reception = Inbox(table, lambda: 5.0)
    talk = ProtocolSession(table, Mute(), reception)
    while feed and not talk.closed:
        part = feed.text(400)
        if not talk.glance(part):
            talk.feed(part)
        drain(talk)
        assert talk.held <= 2**20 + 400
        if feed.number(3) == 0:
            for first in reception.new.pop():
                reception.seat(first, 42)
            for known in reception.known.drain():
                known.acknowledge(b"STORED")
            drain(talk)


def drain(talk: ProtocolSession) -> None:
    """Hear all that can be said."""
    while talk.step() is not None:
        pass


def nova_beats(data: bytes) -> None:
    """Whatever is stored is told to be a beat or none, and nothing in it is done."""
    for flags in (1, 9):
        assert is_beat(flags, data) in (True, False)


def nova_conf(data: bytes) -> None:
    """An INI text is read, or refused in one line, and so it is where it is checked for a door."""
    text = data.decode("utf-8", "replace")
    try:
        dict(assignments("nova.conf", text))
        read(of_texts("nova.conf", [("nova.conf", text)]))
    except ConfigError as error:
        assert "\n" not in str(error)
        assert str(error).startswith("nova.conf")
    try:
        found = findings(
            of_texts("nova.conf", [("nova.conf", text)]), DoorFacts("::1", 11511, tls=True)
        )
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert all(one.text for one in found)


def urls(data: bytes) -> None:
    """URLs are read or refused, and a password is never shown."""
    text = data.decode("utf-8", "replace")
    for attempt in (lambda: parse_url(f"postgresql://{text}"), lambda: host_and_port(text)):
        try:
            attempt()
        except (ConfigError, ValueError) as error:
            assert str(error)
    without_secrets(text)
    assert SECRET not in without_secret(f"postgresql://u:{SECRET}@{text}")
    assert SECRET not in without_secret(f"postgresql://h/d?{quoted(text)}password={SECRET}")


def quoted(text: str) -> str:
    """Letters of ``text``, as the beginning of an option's name."""
    return "".join(letter for letter in text if letter.isascii() and letter.isalnum())


def holders(data: bytes) -> None:
    """A holder is read, or refused; what was read is written and read again."""
    from musterd.stores.slots.protocol import (
        HolderError,
        read_announcement,
        read_counter,
        read_holder,
        read_slots,
    )

    read_counter(data)
    assert all(0 <= slot < SLOT_LIMIT for slot in read_slots(data))
    try:
        member = read_holder(data)
        said = read_announcement(data)  # which may find fault with the mac
    except HolderError as error:
        assert "\n" not in str(error)
        return
    assert said is None or read_announcement(write_holder(*said)) == said
    assert (said and said[0]) == member
    assert member is None or read_holder(write_holder(member)) == member


VALUE = b"VALUE %b 0 %d\r\n%b\r\n"
TWO_HOLDERS = b"".join(
    VALUE % (KEYS.holder(slot), len(write_holder(member)), write_holder(member))
    for slot, member in enumerate(GOOD[:2])
)
TWO_BEATS = b"".join(VALUE % (KEYS.beat(slot), SIZE, GOOD_RECORD) for slot in range(2))
COMMANDS = b"set k 0 0 5\r\nhello\r\nget k\r\nincr n 1\r\ngets k\r\ndelete k\r\nstats\r\nquit\r\n"
PACKETS = packet(SET, b"k", b"hello", extras=storing()) + packet(GETK, b"k") + packet(QUIT)
RELAYED = b"set fleet:b:00000003 0 600 64\r\n%b\r\nreplace fleet:b:00000003 0 600 64\r\n%b\r\n" % (
    *(2 * (pack(Beat(Keys("fleet").identity(GOOD[0]), 7, 9, 1000)),)),
)
NOVA = b"[DEFAULT]\nservicegroup_driver = mc\nhost = $a\na = b\n[cache]\nmemcache_servers = m:1\n"

TARGETS = {
    "records": Target(records, [GOOD_RECORD, GOOD_RECORD * 3, bytes(SIZE)]),
    "signed_records": Target(signed_records, [SIGNED_RECORD * 4, GOOD_RECORD * 5], cost=4),
    "holders": Target(
        holders,
        [
            write_holder(GOOD[0]),
            write_holder(GOOD[0], bytes(16)),
            BAD_UTF8,
            NESTED,
            b"17",
            b"0000002a",
        ],
    ),
    "memcached_values": Target(memcached_values, [b"\0" + TWO_HOLDERS + b"END\r\n"]),
    "memcached_beats": Target(memcached_beats, [b"\0" + TWO_BEATS + b"END\r\n"]),
    "keyed_store": Target(keyed_store, [b"\3\0\5hello\1\7goodbye"], cost=20),
    "postgres_copy": Target(postgres_copy, [b"\0" + copy_of([(3, GOOD_RECORD)])]),
    "relay_rows": Target(relay_rows, [b"\1\1\0" + GOOD_RECORD]),
    "embedded_protocol": Target(embedded_protocol, [b"\0" + COMMANDS]),
    "binary_protocol": Target(binary_protocol, [b"\0" + PACKETS]),
    "nova_beats": Target(nova_beats, [value_of(0.0), *(value for _, value in NOVA_34.values())]),
    "relay_protocol": Target(relay_protocol, [b"\xff" + RELAYED]),
    "nova_conf": Target(nova_conf, [NOVA]),
    "urls": Target(urls, [b"user@host:5432/db?sslmode=require", b"[::1]:80"]),
}
