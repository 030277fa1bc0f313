"""Keys, the macs they make, and the texts in which they are handed on."""

from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from musterd.beat import HEAD, SIGNED, SIZE, Beat, Status, unpack
from musterd.errors import ConfigError
from musterd.keys import (
    FleetKeys,
    Keyring,
    Seal,
    announcement_mac,
    beat_mac,
    canonical,
    challenge_digest,
    fleet_key_text,
    member_key,
    member_key_text,
    new_fleet_key,
    parse_fleet_keys,
    parse_member_keys,
    relay_key,
)
from musterd.model import Member
from musterd.urls import without_secrets

FLEET = bytes(range(32))
HOST = Member("compute", "host-0042", "rack-12", "", {"cpu": "epyc", "a": "ü"})
KEY = member_key(FLEET, "musterd", "compute", "host-0042")
BEAT = Beat(
    member_id=0x1122334455667788,
    incarnation=0x99AABBCCDDEEFF01,
    sequence=5,
    interval_ms=10_000,
    status=Status.DRAINING,
    sent_ms=1_700_000_000_000,
    missed=6,
    push_timeout_ms=5000,
    lag_ms=7,
)
HEAD_OF_BEAT = (
    "424d020210270000887766554433221101ffeeddccbbaa990500000000000000"
    "0068e5cf8b0100000600881307000000"
)


def test_macs_are_those_of_the_contract() -> None:
    """Fleets that run have them in their stores: they must never change."""
    assert KEY.hex() == "a0e900b106050983ca2beb8f6df6cee7"
    assert relay_key(FLEET, "musterd", "r1").hex() == "261f1a2913a8cf2b4bdb688e3b95d638"
    announced = announcement_mac(KEY, "musterd", HOST)
    assert announced.hex() == "4f3e40e1f93c75b40cb2cdc2a23d325f"
    assert challenge_digest(b"").hex() == "69217a3079908094"
    seal = Seal(KEY, "musterd", HOST)
    assert seal.mac == announced
    first = HEAD_OF_BEAT + "3f4859a67f1289cf6aebb298e707675e"
    assert seal.record(BEAT, challenge_digest(b"")).hex() == first
    seen = HEAD_OF_BEAT + "8236aef05ed562ccd350a5f2016c3196"
    assert seal.record(BEAT, challenge_digest(bytes(range(16)))).hex() == seen


def test_what_an_announcement_covers_is_that_of_the_contract() -> None:
    texts = ["musterd", "compute", "host-0042", "rack-12", "", "a", "ü", "cpu", "epyc"]
    told = b"".join(len(t.encode()).to_bytes(4, "little") + t.encode() for t in texts)
    assert canonical("musterd", HOST) == told


texts = st.text(max_size=5)
members = st.builds(Member, texts, texts, texts, texts, st.dictionaries(texts, texts, max_size=3))


@given(st.tuples(texts, members), st.tuples(texts, members))
def test_different_announcements_have_different_bytes(
    one: tuple[str, Member], other: tuple[str, Member]
) -> None:
    assert (canonical(*one) == canonical(*other)) == (one == other)


def test_the_order_of_metadata_does_not_matter() -> None:
    turned = replace(HOST, metadata=dict(reversed(list(HOST.metadata.items()))))
    assert Seal(KEY, "musterd", turned).mac == Seal(KEY, "musterd", HOST).mac


@dataclass(frozen=True)
class Lie:
    """One thing that differs from what the agent signed."""

    key: bytes = KEY
    beat: Beat = BEAT
    member: Member = HOST
    namespace: str = "musterd"
    challenge: bytes = b"seen"


LIES = [
    Lie(key=member_key(FLEET, "musterd", "compute", "host-0043")),
    Lie(key=member_key(FLEET, "other", "compute", "host-0042")),
    Lie(key=member_key(FLEET[::-1], "musterd", "compute", "host-0042")),
    Lie(beat=replace(BEAT, member_id=BEAT.member_id + 1)),
    Lie(beat=replace(BEAT, sequence=6)),
    Lie(beat=replace(BEAT, status=Status.LEAVING)),
    Lie(member=replace(HOST, zone="rack-13")),
    Lie(member=replace(HOST, metadata={})),
    Lie(namespace="other"),
    Lie(challenge=b"another"),
    Lie(challenge=b""),
]


@pytest.mark.parametrize("lie", LIES)
def test_a_mac_fits_nothing_but_what_was_signed(lie: Lie) -> None:
    record = signed(Lie())
    other = signed(lie)
    assert other[HEAD:] != record[HEAD:]


def signed(told: Lie) -> bytes:
    seal = Seal(told.key, told.namespace, told.member)
    return seal.record(told.beat, challenge_digest(told.challenge))


@given(st.integers(0, SIZE * 8 - 1))
def test_every_bit_of_a_signed_record_counts(bit: int) -> None:
    record = bytearray(signed(Lie()))
    record[bit // 8] ^= 1 << bit % 8
    announced, challenge = announcement_mac(KEY, "musterd", HOST), challenge_digest(b"seen")
    assert beat_mac(KEY, bytes(record[:HEAD]), announced, challenge) != bytes(record[HEAD:])


def test_whoever_has_no_key_reads_a_signed_beat_as_any_other() -> None:
    beat = unpack(signed(Lie()))
    assert beat.version == SIGNED
    assert replace(beat, version=BEAT.version, mac=BEAT.mac) == BEAT


def test_a_seal_knows_what_somebody_with_its_key_announced() -> None:
    seal, moved = Seal(KEY, "musterd", HOST), replace(HOST, zone="rack-13")
    assert seal.fits(moved, announcement_mac(KEY, "musterd", moved))
    assert not seal.fits(moved, seal.mac)
    assert not seal.fits(HOST, b"")


def test_a_keyring_has_the_key_of_each_member() -> None:
    other = Member("storage", "host-0042")
    fleet = Keyring("musterd", fleet=FleetKeys(FLEET, new_fleet_key()))
    assert fleet.key_of(HOST) == KEY
    assert fleet.key_of(other) == member_key(FLEET, "musterd", "storage", "host-0042")
    several = Keyring("musterd", keys={"compute/host-0042": KEY})
    assert several.key_of(HOST) == KEY
    assert several.key_of(other) is None
    assert several.seal(other) is None
    one = Keyring("musterd", keys={"": KEY})
    assert one.key_of(HOST) == KEY
    seal = one.seal(HOST)
    assert seal
    assert seal.mac == Seal(KEY, "musterd", HOST).mac


FLEET_TEXT, KEY_TEXT = fleet_key_text(FLEET), member_key_text(KEY)


def test_texts_of_keys_are_those_of_the_contract() -> None:
    assert FLEET_TEXT == "mfk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert KEY_TEXT == "mmk_oOkAsQYFCYPKK-uPbfbO5w"


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16))
def test_texts_come_back_as_keys(fleet: bytes, key: bytes) -> None:
    assert parse_fleet_keys("f", fleet_key_text(fleet)).current == fleet
    assert parse_member_keys("m", member_key_text(key)) == {"": key}


def test_a_fleet_key_file_has_one_or_two_keys() -> None:
    new = new_fleet_key()
    keys = parse_fleet_keys("f", f"# since March\n\n{fleet_key_text(new)}\n {FLEET_TEXT} \n")
    assert keys == FleetKeys(new, FLEET)
    assert parse_fleet_keys("f", FLEET_TEXT) == FleetKeys(FLEET)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no fleet key"),
        ("# only\n", "has no fleet key"),
        (FLEET_TEXT + "\n" + FLEET_TEXT, "line 2 is the same key again"),
        (f"\n{KEY_TEXT}", "line 2 is no fleet key; `musterd keygen --output FILE`"),
        (FLEET_TEXT[:-1], "line 1 is no fleet key"),
        (FLEET_TEXT + "A", "line 1 is no fleet key"),
        (FLEET_TEXT[:-1] + "9", "line 1 is no fleet key"),  # bits that no key has
        (FLEET_TEXT.removeprefix("mfk_"), "line 1 is no fleet key"),
        ("\n".join(fleet_key_text(new_fleet_key()) for _ in range(3)), "keep the newest two"),
    ],
)
def test_a_fleet_key_file_that_is_none_says_so_and_shows_nothing(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as refused:
        parse_fleet_keys("the file", text)
    assert not shown_of(text, str(refused.value))


def shown_of(text: str, message: str) -> list[str]:
    words = (word.removeprefix("mfk_").removeprefix("mmk_") for word in text.split())
    return [word for word in words if len(word) > 20 and word in message]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (f"  {KEY_TEXT}\n", {"": KEY}),
        (
            f"# mine\ncompute/a {KEY_TEXT}  # old\n\nstorage/b {KEY_TEXT}\n",
            {"compute/a": KEY, "storage/b": KEY},
        ),
        (f"compute/a {KEY_TEXT}, storage/b {KEY_TEXT}", {"compute/a": KEY, "storage/b": KEY}),
    ],
)
def test_member_keys_come_alone_or_by_name(text: str, keys: dict[str, bytes]) -> None:
    assert parse_member_keys("m", text) == keys


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is no member's key; `musterd key GROUP MEMBER"),
        (FLEET_TEXT, "there is no member's key"),
        (KEY_TEXT + "x", "there is no member's key"),
        ("mmk_oOkAsQYFCYPKK/uPbfbO5w", "there is no member's key"),
        ("compute/a", "compute/a has no member's key"),
        (f"compute/a compute/b {KEY_TEXT}", "compute/a has no member's key"),
        (f"compute/a {KEY_TEXT} compute/a {KEY_TEXT}", "compute/a has a second key"),
        (f"{KEY_TEXT} {KEY_TEXT}", "there is a second key"),
        (f"{KEY_TEXT} compute/a {KEY_TEXT}", "no GROUP/MEMBER before it"),
    ],
)
def test_member_keys_that_are_none_say_so_and_show_nothing(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as refused:
        parse_member_keys("m", text)
    assert not shown_of(text, str(refused.value))


@given(st.text(st.sampled_from("mfk_AB/ ,#\n=-z9"), max_size=60))
def test_any_text_is_keys_or_an_error(text: str) -> None:
    for parse in (parse_fleet_keys, parse_member_keys):
        with suppress(ConfigError):
            parse("file", text)


def test_a_key_in_any_line_that_is_said_is_hidden() -> None:
    said = f"bad {FLEET_TEXT}; MUSTERD_MEMBER_KEY='{KEY_TEXT}', mmk_short"
    assert without_secrets(said) == "bad mfk_***; MUSTERD_MEMBER_KEY='mmk_***', mmk_***"


def test_objects_with_keys_do_not_show_them() -> None:
    for one in (FleetKeys(FLEET), Keyring("n", keys={"": KEY}), Seal(KEY, "n", HOST)):
        assert KEY.hex() not in repr(one)
        assert "x00" not in repr(one).replace("0x00", "")
