"""The reference of the HTTP API is written from its description in OpenAPI.

``python -m tests.api_page > docs/api.md`` refreshes the page.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import anyio

from musterd_coordinator.http.app import make_app
from tests.http_calls import ask
from tests.http_desk import DictDesk

Json = dict[str, Any]

INTRODUCTION = """\
<!-- Written by `python -m tests.api_page > docs/api.md`; do not edit. -->
# The API, path by path

What `GET /openapi.json` of a coordinator says, for people. [Over HTTP](http.md) says what it means.
Fields with a * are always there, or must be. Names after an arrow are [shapes](#shapes).
"""


def api_page(document: Json) -> str:
    """The whole page, as Markdown."""
    operations = (
        operation(f"{method.upper()} {path}", each)
        for path, methods in document["paths"].items()
        for method, each in methods.items()
    )
    shapes = (shape(name, each) for name, each in sorted(document["components"]["schemas"].items()))
    return "\n".join([INTRODUCTION, *operations, "## Shapes\n", *shapes])


def operation(title: str, described: Json) -> str:
    """One path and method."""
    words = " ".join([f"{described['summary']}.", described.get("description", "")]).strip()
    return "\n".join([f"## `{title}`", "", words, "", *parameters(described), *bodies(described)])


def parameters(described: Json) -> Iterator[str]:
    rows = [
        row(f"`{each['name']}`{' *' if each.get('required') else ''}", each["schema"], each)
        for each in described["parameters"]
    ]
    if rows:
        yield "\n".join(["| parameter | kind | |", "| --- | --- | --- |", *rows, ""])


def bodies(described: Json) -> Iterator[str]:
    if "requestBody" in described:
        yield f"- body: {content(described['requestBody'])}"
    for status, answer in described["responses"].items():
        if int(status) < 300:
            means = [answer["description"], *([content(answer)] if "content" in answer else [])]
            yield f"- {status}: {', '.join(means)}"
    refused = [status for status in described["responses"] if int(status) >= 400]
    yield f"- problems: {', '.join(refused)}\n"


def content(answer: Json) -> str:
    """What a body is of."""
    return " or ".join(
        f"`{kind}` {said(each['schema'])}" for kind, each in answer.get("content", {}).items()
    )


def shape(name: str, schema: Json) -> str:
    """One struct or one set of words."""
    words = re.sub(r"``(.*?)``", r"`\1`", re.sub(r"\s+", " ", schema.get("description", "")))
    needed = schema.get("required", ())
    rows = [
        row(f"`{field}`{' *' if field in needed else ''}", each, each)
        for field, each in schema.get("properties", {}).items()
    ]
    table = ["| field | kind | |", "| --- | --- | --- |", *rows, ""] if rows else []
    values = [] if rows else [f"{said(schema)}\n"]
    more = [f"- {each['description']}" for each in schema.get("allOf", ()) if "description" in each]
    return "\n".join([f"### {name}", "", words, "", *table, *values, *more, ""])


def row(name: str, schema: Json, described: Json) -> str:
    words = re.sub(r"\s+", " ", described.get("description", ""))
    default = f"by default `{json.dumps(schema['default'])}`" if "default" in schema else ""
    cells = (name, said(schema), "; ".join(filter(None, (words, default))))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def said(schema: Json) -> str:
    """The kind of a value, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"→ [{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(said, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(each)}`" for each in schema["enum"])
    if "prefixItems" in schema:
        return f"array of {', '.join(map(said, schema['prefixItems']))}"
    if schema.get("type") == "array":
        return f"array of {said(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {said(schema['additionalProperties'])} by name"
    return str(schema.get("type", "anything"))


async def described() -> Json:
    """The description that a coordinator gives of itself."""
    document: Json = (await ask(make_app(DictDesk()), "/openapi.json")).json()
    return document


if __name__ == "__main__":
    sys.stdout.write(api_page(anyio.run(described)))
