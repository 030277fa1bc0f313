"""The module finds the keys that settings name, and takes those of files that are renewed."""

from collections.abc import Mapping
from pathlib import Path

from musterd.errors import ConfigError
from musterd.keyfiles import read_fleet_keys, read_member_keys
from musterd.keys import FleetKeys, Keyring, parse_member_keys
from musterd.renewal import Renewable
from musterd.settings.settings import Settings


def fleet_keys_of(settings: Settings) -> FleetKeys | None:
    """Return the keys by which a coordinator or relay checks; None where signatures are off.

    Raises ConfigError where it shall check and has no key, or its file cannot be used.
    """
    file = _fleet_key_file(settings)
    return None if file is None else read_fleet_keys(Path(file))


def keyring_of(settings: Settings) -> Keyring | None:
    """Return the keys by which an agent signs for its members; None where it has none.

    A member's own key goes before the fleet key. Raises ConfigError where the settings want
    signatures and a member has no key, or a file cannot be used.
    """
    keys = _member_keys(settings)
    if keys is not None:
        keyring = Keyring(settings.namespace, keys=keys)
        _refuse_keyless(settings, keyring, keys)
        return keyring
    if settings.fleet_key_file is not None:
        fleet = read_fleet_keys(Path(settings.fleet_key_file))
        return Keyring(settings.namespace, fleet=fleet)
    if settings.signatures == "require":
        raise _no_key(str(settings.members[0].announced()))
    return None


def renewable_keyring(settings: Settings) -> Renewable[Keyring] | None:
    """Return :func:`keyring_of`, which has other keys when its file was renewed; None without keys."""
    keyring = keyring_of(settings)
    if keyring is None:
        return None

    def make() -> Keyring:
        keyring.adopt(keyring_of(settings) or keyring)
        return keyring

    files = settings.member_key_file or settings.fleet_key_file
    paths = [files] if files is not None and settings.member_key is None else []
    return Renewable("key", paths, make)


def renewable_fleet_keys(settings: Settings) -> Renewable[FleetKeys] | None:
    """Return :func:`fleet_keys_of`, which are others when their file was renewed; raise as it does."""
    if (file := _fleet_key_file(settings)) is None:
        return None
    keys = Renewable("key", [file], lambda: read_fleet_keys(Path(file)))
    keys.current()
    return keys


def _fleet_key_file(settings: Settings) -> str | None:
    if settings.signatures_in_force == "off":
        return None
    if settings.fleet_key_file is None:
        raise ConfigError(
            f"signatures = {settings.signatures_in_force} needs the fleet key: name its file with"
            " fleet_key_file; `musterd keygen --output FILE` makes one"
        )
    return settings.fleet_key_file


def _member_keys(settings: Settings) -> Mapping[str, bytes] | None:
    if settings.member_key is not None:
        return parse_member_keys("member_key", settings.member_key)
    if settings.member_key_file is not None:
        return read_member_keys(Path(settings.member_key_file))
    return None


def _refuse_keyless(settings: Settings, keyring: Keyring, keys: Mapping[str, bytes]) -> None:
    members = [member.announced() for member in settings.members]
    if "" in keys and len(members) > 1:
        raise ConfigError(
            f"one key without a name, and {len(members)} members, each of which has a key of its own:"
            " write GROUP/MEMBER before each key"
        )
    for member in members:
        if keyring.key_of(member) is None:
            raise _no_key(str(member))


def _no_key(member: str) -> ConfigError:
    group, _, name = member.partition("/")
    return ConfigError(
        f"there is no key for {member}: put what `musterd key {group} {name} --fleet-key FILE` prints"
        " into member_key_file or MUSTERD_MEMBER_KEY"
    )
