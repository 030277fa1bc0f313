"""What the app says of itself in /openapi.json is what it does."""

import re
from itertools import product
from typing import Any

import pytest

from musterd.errors import ConfigError
from musterd.model import Member
from musterd.tokens import Rank, TokenOrder, check_token_order
from musterd_coordinator.http import App, make_app
from tests.http_calls import ask, reading
from tests.http_desk import DictDesk, shard_status

Json = dict[str, Any]
GROUP = "/v1/groups/{group}"
MEMBER = "/v1/groups/{group}/members/{member}"
HOST = {"group": "compute", "member": "h1", "name": "ci"}


@pytest.fixture
def app() -> App:
    """One member, two shards."""
    desk = DictDesk()
    desk.put(Member("compute", "h1", "z1", "ops", {"os": "debian"}))
    desk.shards.append(shard_status("mc2:11211", listening=False, reason="no answer"))
    return make_app(desk)


@pytest.fixture
async def document(app: App) -> Json:
    """The description."""
    described: Json = (await ask(app, "/openapi.json")).json()
    return described


def errors(value: object, schema: Json, document: Json, where: str = "$") -> list[str]:
    """What is wrong with ``value``; strict: properties that no schema names are wrong too."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        return errors(value, document["components"]["schemas"][name], document, where)
    if "anyOf" in schema:
        tried = [errors(value, option, document, where) for option in schema["anyOf"]]
        return [] if [] in tried else [f"{where}: no option fits {value!r}: {tried}"]
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{where}: {value!r} is none of {schema}"]
    kinds: dict[str, tuple[type, ...]] = {
        "object": (dict,),
        "array": (list,),
        "string": (str,),
        "integer": (int,),
        "number": (int, float),
        "boolean": (bool,),
        "null": (type(None),),
    }
    kind = schema["type"]
    if not isinstance(value, kinds[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return [f"{where}: {value!r} is not {kind}"]
    if isinstance(value, str):
        return [] if _is_text_of(value, schema) else [f"{where}: {value!r} is not {schema}"]
    if isinstance(value, list):
        parts = [(f"{where}[{i}]", part, schema["items"]) for i, part in enumerate(value)]
    elif isinstance(value, dict):
        names = {"type": "string", **schema.get("propertyNames", {})}
        wrong = [error for key in value for error in errors(key, names, document, where)]
        if wrong:
            return wrong
        missing = set(schema.get("required", [])) - set(value)
        if missing:
            return [f"{where}: {missing} missing"]
        parts = [(f"{where}.{key}", part, _of_key(key, schema)) for key, part in value.items()]
    else:
        parts = []
    return [error for at, part, of in parts for error in errors(part, of, document, at)]


def _is_text_of(value: str, schema: Json) -> bool:
    # `$` is the end of all in JSON Schema, and in Python what is before a last line's end as well.
    pattern = schema.get("pattern", "^").removesuffix("$")
    found = re.search(pattern, value)
    ends = found is not None and (pattern == "^" or found.end() == len(value))
    return ends and len(value) <= schema.get("maxLength", len(value))


def _of_key(key: str, schema: Json) -> Json:
    found = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
    assert isinstance(found, dict), f"{key} is not described by {schema}"
    return found


def described(document: Json, method: str, path: str, status: int, media: str) -> Json:
    """The schema of an answer, or of its absence."""
    reply: Json = document["paths"][path][method.lower()]["responses"][str(status)]
    schema: Json = reply["content"][media]["schema"]
    return schema


@pytest.mark.parametrize(
    ("method", "path", "more", "body", "status"),
    [
        ("GET", "/v1/groups", "", None, 200),
        ("GET", GROUP, "", None, 200),
        ("GET", GROUP + "/members", "?limit=5", None, 200),
        ("GET", GROUP + "/members", "?limit=x", None, 400),
        ("GET", MEMBER, "", None, 200),
        ("GET", MEMBER + "/history", "?limit=5", None, 200),
        ("POST", GROUP + "/query", "", {"members": ["h1", "h2"]}, 200),
        ("POST", GROUP + "/query", "", {"members": 3}, 400),
        ("PATCH", MEMBER, "", {"forced_down": True, "metadata": {"a": "b"}}, 200),
        ("PATCH", MEMBER, "", {"reason": "x"}, 400),
        ("DELETE", MEMBER, "", None, 409),
        ("GET", "/v1/status", "", None, 200),
    ],
)
async def test_answers_are_as_described(
    app: App, document: Json, *, method: str, path: str, more: str, body: Json | None, status: int
) -> None:
    reply = await ask(app, path.format(**HOST) + more, method, b"" if body is None else body)
    assert reply.status == status
    schema = described(document, method, path, status, reply.headers["content-type"])
    assert errors(reply.json(), schema, document) == []


async def test_bodies_are_as_described(document: Json) -> None:
    accepted = [
        ("post", GROUP + "/query", {"members": ["h1"]}),
        ("patch", MEMBER, {"disabled": True, "zone": None, "reason": "x", "metadata": {"a": "b"}}),
    ]
    for method, path, body in accepted:
        content = document["paths"][path][method]["requestBody"]["content"]["application/json"]
        assert errors(body, content["schema"], document) == []
    with pytest.raises(AssertionError, match="enabled is not described"):
        errors({"enabled": True}, content["schema"], document)


TEXTS = {
    "plain": "bad disk",
    "empty": "",
    "not assigned": "\U00033f94",
    "no-break space": "a\xa0b",
    "a family": "\U0001f468\u200d\U0001f469",
    "soft hyphen": "a\xadb",
    "longest": "r" * 255,
    "too long": "r" * 256,
    "line feed": "a\nb",
    "line feed at the end": "a\n",
    "null": "\0",
    "delete": "\x7f",
    "next line": "\x85",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "override": "a\u202eb",
    "isolate": "a\u2067b",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("field", ["reason", "zone", "owner", "metadata"])
async def test_the_texts_that_are_taken_are_those_of_the_description(
    app: App, document: Json, field: str, text: str
) -> None:
    change = {"disabled": True, field: {"key": text} if field == "metadata" else text}
    schema = document["components"]["schemas"]["FactsChange"]
    fits = errors(change, schema, document) == []
    reply = await ask(app, MEMBER.format(**HOST), "PATCH", change)
    assert reply.status == (200 if fits else 400)
    assert reply.json().get("field") == (None if fits else field)


@pytest.mark.parametrize("key", ["os", "a b", "", "k" * 255, "k" * 256, "a\n"])
async def test_so_are_the_names_of_metadata(app: App, document: Json, key: str) -> None:
    change = {"metadata": {key: "x"}}
    fits = errors(change, document["components"]["schemas"]["FactsChange"], document) == []
    reply = await ask(app, MEMBER.format(**HOST), "PATCH", change)
    assert reply.status == (200 if fits else 400)


async def test_tokens_that_are_refused_are_none_of_the_description(document: Json) -> None:
    schema = document["components"]["schemas"]["TokenOrder"]
    assert schema["properties"]["groups"]["uniqueItems"]
    [some_or_all] = schema["allOf"]
    of_some, of_all = some_or_all["anyOf"]
    assert of_all["properties"]["groups"] == {"maxItems": 0}
    for rank in Rank:
        if rank in of_some["properties"]["role"]["enum"]:
            check_token_order(TokenOrder("ci", rank, ("compute",)))
        else:
            with pytest.raises(ConfigError, match="all groups"):
                check_token_order(TokenOrder("ci", rank, ("compute",)))


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
HEADS: list[dict[str, str]] = [
    {},
    {"content-length": "9"},
    {"transfer-encoding": "chunked"},
    {"content-length": "9", "content-encoding": "gzip"},
    {"content-length": "9", "expect": "a miracle"},
    {"content-length": "9", "content-type": "text/plain"},
]


@pytest.mark.parametrize("head", HEADS, ids=str)
async def test_a_method_that_a_path_lacks_is_said_whatever_else_is_wrong(
    app: App, document: Json, head: dict[str, str]
) -> None:
    asked = 0
    for (path, operations), method in product(document["paths"].items(), METHODS):
        allowed = {one.upper() for one in operations} | ({"HEAD"} if "get" in operations else set())
        if method in allowed:
            continue
        reply = await ask(app, path.format(**HOST) + "?x=y", method, b"{}", head)
        assert reply.status == 405, (method, path)
        assert set(reply.headers["allow"].split(", ")) == allowed
        asked += 1
    assert asked > 5 * len(document["paths"])


async def test_a_body_that_nobody_wants_is_refused_where_the_method_is_right(app: App) -> None:
    reply = await ask(app, MEMBER.format(**HOST), "GET", b"{}", {"content-length": "2"})
    assert (reply.status, reply.headers["connection"]) == (400, "close")
    reply = await ask(app, "/v1/groups/compute/query", "GET", b"{}", {"content-length": "2"})
    assert (reply.status, reply.headers["connection"]) == (405, "close")


async def test_events_are_as_described(app: App, document: Json) -> None:
    async with reading(app, "/v1/events") as reader:
        name, data = await reader.next()
    assert name == "snapshot"
    schema = document["components"]["schemas"]["EventSnapshot"]
    assert errors(data, schema, document) == []
    assert {"EventChanges", "EventPing", "ProblemDetails"} <= set(document["components"]["schemas"])


async def test_every_parameter_is_described_and_taken(app: App, document: Json) -> None:
    examples = {
        "state": "up",
        "zone": "z1",
        "up": "true",
        "mark": "draining",
        "silent_for": "0.5",
        "match": "H",
        "owner": "ops",
        "cause": "silent",
        "sort": "name",
        "order": "asc",
        "after": "h",
        "limit": "5",
    }
    operation = document["paths"][GROUP + "/members"]["get"]
    names = [one["name"] for one in operation["parameters"] if one["in"] == "query"]
    assert names == list(examples)
    assert all(one["description"] for one in operation["parameters"] if one["in"] == "query")
    query = "&".join(f"{name}={examples[name]}" for name in names)
    assert (await ask(app, f"/v1/groups/compute/members?{query}")).status == 200


async def test_every_path_is_served_and_every_reference_resolves(app: App, document: Json) -> None:
    for path, operations in document["paths"].items():
        served = await ask(app, path.format(**HOST), "PURGE")
        assert served.status == 405, path
        assert {method.upper() for method in operations} <= set(served.headers["allow"].split(", "))
    schemas = document["components"]["schemas"]
    references = set(_references(document))
    assert references <= set(schemas)
    ids = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids))


def _references(part: object) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"].rpartition("/")[2]] if "$ref" in part else []
        return own + [name for value in part.values() for name in _references(value)]
    if isinstance(part, list):
        return [name for value in part for name in _references(value)]
    return []
