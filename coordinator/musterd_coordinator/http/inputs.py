"""The parameters and bodies that callers send are read strictly, and refused with the reason."""

import re
from typing import Annotated, Literal, TypeVar, get_args, get_type_hints
from urllib.parse import parse_qsl

import anyio
import msgspec
from starlette.requests import ClientDisconnect, Request

from musterd_coordinator.http.limits import BodyRoom, Room
from musterd_coordinator.http.problem import Problem
from musterd_coordinator.limits.shares import holder_of

QUERY_LIMIT = 10_000
QUERY_BYTES = 4 * 1024 * 1024
FACTS_BYTES = 64 * 1024
ORDER_BYTES = 4 * 1024 * 1024
BODY_TIMEOUT = 10.0
_LENGTH_DIGITS = 18
NAMES_LIMIT = 10_000
NAMES_END = 2**31 - 1

_T = TypeVar("_T")
_FIELD = re.compile(r" - at `\$\.?(.*)`$")
_UNKNOWN_FIELD = re.compile(r"unknown field `(.*?)`")
_CLOSE = {"connection": "close"}
JSON = "application/json"


class NoParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A `NoParameters` is for a path that has none."""


class ForgetParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameter says whether to forget a member that is up."""

    force: Annotated[bool, msgspec.Meta(description="true or false")] = False


class HistoryParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameter says how many changes."""

    limit: Annotated[
        int, msgspec.Meta(ge=1, le=1000, description="a whole number from 1 to 1000")
    ] = 100


class DiscoveryParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameter says on which port of each member Prometheus finds what it scrapes."""

    port: (
        Annotated[
            int,
            msgspec.Meta(ge=1, le=65535, description="a whole number from 1 to 65535"),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET


class ColumnsParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameter says of which group."""

    group: (
        Annotated[str, msgspec.Meta(max_length=255, description="a group; without it all of them")]
        | msgspec.UnsetType
    ) = msgspec.UNSET


class NamesParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters say of which group in which layout, and which part of it."""

    group: Annotated[str, msgspec.Meta(max_length=255, description="a group")]
    layout: Annotated[
        str, msgspec.Meta(max_length=64, description="the layout of an answer of /v1/columns")
    ]
    start: Annotated[
        int,
        msgspec.Meta(ge=0, le=NAMES_END, description="the ordinal to begin with, from 0"),
    ] = msgspec.field(default=0, name="from")
    n: Annotated[
        int,
        msgspec.Meta(ge=1, le=NAMES_LIMIT, description=f"a whole number from 1 to {NAMES_LIMIT}"),
    ] = NAMES_LIMIT


class EventsParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters say which group, and after what."""

    group: (
        Annotated[str, msgspec.Meta(max_length=255, description="a group; without it all of them")]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    since: (
        Annotated[
            str,
            msgspec.Meta(
                pattern=r"^([0-9a-f]{8}-)?[0-9]{1,18}$",
                description="the id of the last event, or the version of an answer",
            ),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    form: Annotated[
        Literal["changes", "columns"], msgspec.Meta(description="changes or columns")
    ] = "changes"


def read_parameters(query: bytes, shape: type[_T]) -> _T:
    """Return the parameters in ``query`` as ``shape``; a 400 names the wrong one and what is allowed."""
    given = _pairs(query, shape) if query else {}
    for name in _required(shape):
        if name not in given:
            raise Problem(400, f"{name} is missing; it must be {_allowed(shape, name)}", name)
    for name in getattr(shape, "INSTANTS", ()):  # msgspec would take a number of seconds for one
        if name in given and "T" not in given[name].upper():
            raise Problem(
                400, f"{name} is {given[name]!r}; it must be {_allowed(shape, name)}", name
            )
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        name = _field(error)
        raise Problem(
            400, f"{name} is {given[name]!r}; it must be {_allowed(shape, name)}", name
        ) from None


def _pairs(query: bytes, shape: type) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict"
        )
    except ValueError:
        raise Problem(400, "the query string must be name=value pairs in UTF-8") from None
    known = [field.encode_name for field in msgspec.structs.fields(shape)]
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            names = ", ".join(known) or "none"
            raise Problem(400, f"unknown parameter {name!r}; allowed here: {names}", name)
        if name in given:
            raise Problem(400, f"{name} is given more than once; give it once", name)
        given[name] = value
    return given


def _required(shape: type) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(shape) if field.required]


def _allowed(shape: type, name: str) -> str:
    hints = get_type_hints(shape, include_extras=True)
    hint = next(
        hints[field.name] for field in msgspec.structs.fields(shape) if field.encode_name == name
    )
    for part in (hint, *get_args(hint)):
        for meta in getattr(part, "__metadata__", ()):
            return str(meta.description)
    raise AssertionError(f"{shape.__name__}.{name} does not say what is allowed")


async def read_json(
    request: Request, decoder: msgspec.json.Decoder[_T], limit: int, room: Room
) -> _T:
    """Return the body, decoded strictly; it may have ``limit`` bytes, and what ``room`` there is."""
    _require_json(request)
    taken = room.body(holder_of(request.client))
    try:
        return _decoded(await _read_body(request, limit, taken), decoder)
    finally:
        taken.close()


def _decoded(body: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        field = re.split(r"[.\[]", _field(error))[0]
        raise Problem(400, _plain(error), field or None) from None
    except msgspec.DecodeError as error:
        where = str(error).removeprefix("JSON is malformed: ")
        raise Problem(400, f"the body is not JSON: {where}") from None
    except UnicodeDecodeError:
        raise Problem(400, "the body is JSON, but has text that is not UTF-8") from None


def _require_json(request: Request) -> None:
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != JSON:
        raise Problem(
            415,
            "send the body as JSON with the header Content-Type: application/json",
            headers={"accept": JSON},
        )


async def _read_body(request: Request, limit: int, taken: BodyRoom) -> bytes:
    announced = request.headers.get("content-length", "0")
    if len(announced) > _LENGTH_DIGITS or int(announced) > limit:
        raise _too_large(limit)
    try:
        with anyio.fail_after(BODY_TIMEOUT):
            return await _collect(request, limit, taken)
    except TimeoutError:
        raise Problem(
            408, f"the body did not arrive within {BODY_TIMEOUT:g} s", headers=_CLOSE
        ) from None


async def _collect(request: Request, limit: int, taken: BodyRoom) -> bytes:
    body, more = bytearray(), True
    while more:  # by Request.stream() each question would take 5 µs more
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise _too_large(limit)
        if not taken.grow(len(body)):
            raise _no_room()
    return bytes(body)


def _no_room() -> Problem:
    return Problem(
        503,
        "too much is being sent at once; send less, or the same again later",
        headers={**_CLOSE, "retry-after": "2"},
    )


def _too_large(limit: int) -> Problem:
    return Problem(413, f"the body may have at most {limit} bytes; send less", headers=_CLOSE)


def _field(error: msgspec.ValidationError) -> str:
    text = str(error)
    if unknown := _UNKNOWN_FIELD.search(text):
        return unknown[1]
    if found := _FIELD.search(text):
        return found[1]
    return ""


def _plain(error: msgspec.ValidationError) -> str:
    text = str(error)
    if unknown := _UNKNOWN_FIELD.search(text):
        return f"unknown field {unknown[1]!r}; see /openapi.json for those there are"
    where = _field(error)
    what = _FIELD.sub("", text).replace("`", "")
    return f"{where}: {what}" if where else what
