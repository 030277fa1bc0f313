"""What a member can do is any value to Tooz; here it is JSON in the member's metadata, in parts."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from musterd.errors import ConfigError
from musterd.model import METADATA_LIMIT, NAME_LIMIT

KEY = "tooz"


def as_metadata(capabilities: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what to announce: nothing for None, else ``tooz``, ``tooz.1``, ``tooz.2`` and so on.

    Raises ConfigError for what JSON cannot say, or for more than a member can announce.
    """
    if capabilities is None:
        return {}
    try:
        text = json.dumps(capabilities, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"capabilities have to be what JSON can say: {error}") from None
    metadata = dict(_parts(text))
    size = len("".join((*metadata, *metadata.values())))
    if size > METADATA_LIMIT:
        raise ConfigError(f"capabilities take {size} bytes; at most {METADATA_LIMIT}")
    return metadata


def _parts(text: str) -> Iterator[tuple[str, str]]:
    for number, at in enumerate(range(0, len(text), NAME_LIMIT)):
        yield f"{KEY}.{number}" if number else KEY, text[at : at + NAME_LIMIT]


def capabilities_in(metadata: Mapping[str, str]) -> Any:
    """Return what was announced; None where nothing was, or nothing that can be read."""
    text, number = metadata.get(KEY, ""), 1
    while more := metadata.get(f"{KEY}.{number}"):
        text, number = text + more, number + 1
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None
