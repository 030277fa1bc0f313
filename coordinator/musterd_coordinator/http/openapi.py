"""The description in OpenAPI 3.1 is made of the routes and the structs that they answer with."""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from types import GenericAlias
from typing import Any

import msgspec

from musterd.answers import ProblemDetails
from musterd_coordinator.http.inputs import NoParameters
from musterd_coordinator.http.routes import Operation

_REF = "#/components/schemas/{name}"
_NAME_IN_PATH = re.compile(r"{(\w+)}")

_SCHEME = "token"
_TYPES = {"application/json": "object"}

Json = dict[str, Any]

_TRUE = {"const": True}
_ALSO: dict[str, Json] = {
    "FactsChange": {
        "minProperties": 1,
        "allOf": [
            {
                "description": "a reason is kept with disabled or forced_down that is set to true",
                "anyOf": [
                    {"properties": {"reason": {"type": "string", "maxLength": 0}}},
                    {"required": ["disabled"], "properties": {"disabled": _TRUE}},
                    {"required": ["forced_down"], "properties": {"forced_down": _TRUE}},
                ],
            }
        ],
    },
    "Selector": {
        "minProperties": 1,
        "allOf": [
            {
                "description": "everybody is true, and stands alone",
                "anyOf": [
                    {
                        "maxProperties": 1,
                        "required": ["everybody"],
                        "properties": {"everybody": _TRUE},
                    },
                    {"not": {"required": ["everybody"]}},
                ],
            }
        ],
    },
    "GroupOrder": {
        "allOf": [
            {
                "description": "it is for members or for whom a selector fits",
                "oneOf": [{"required": ["members"]}, {"required": ["selector"]}],
            },
            {
                "description": "it says what to do; silence is confirmed alone",
                "oneOf": [
                    {
                        "required": ["confirm_silence"],
                        "properties": {
                            "confirm_silence": _TRUE,
                            "disabled": {"type": "null"},
                            "forced_down": {"type": "null"},
                        },
                    },
                    {
                        "properties": {"confirm_silence": {"const": False}},
                        "anyOf": [
                            {"required": [flag], "properties": {flag: {"type": "boolean"}}}
                            for flag in ("disabled", "forced_down")
                        ],
                    },
                ],
            },
            {
                "description": "a reason is kept with what is set to true",
                "anyOf": [
                    {"properties": {"reason": {"type": "string", "maxLength": 0}}},
                    *(
                        {"required": [flag], "properties": {flag: _TRUE}}
                        for flag in ("disabled", "forced_down", "confirm_silence")
                    ),
                ],
            },
        ],
    },
    "TokenOrder": {
        "allOf": [
            {
                "description": "an admin's token is good for all groups",
                "anyOf": [
                    {"properties": {"role": {"enum": ["reader", "operator"]}}},
                    {"properties": {"groups": {"maxItems": 0}}},
                ],
            }
        ],
    },
}
"""What the structs do not say, by name."""


def describe(routes: Sequence[Operation], *, version: str, extra_shapes: Iterable[type]) -> Json:
    """Return the document. ``extra_shapes`` are structs that are sent, though no answer is made of them."""
    shapes = {*_shapes(routes), *extra_shapes, ProblemDetails}
    parameters = {route.parameters for route in routes}
    ordered = sorted(shapes | parameters, key=lambda shape: shape.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_REF)
    for shape in parameters:  # they stand with their operations: what they refer to stays
        del schemas[shape.__name__]
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "musterd coordinator",
            "version": version,
            "summary": "Which members of a group are alive right now?",
        },
        "paths": paths,
        "components": {
            "schemas": {
                name: _tidy(schema) | _ALSO.get(name, {}) for name, schema in schemas.items()
            },
            "securitySchemes": {_SCHEME: {"type": "http", "scheme": "bearer"}},
        },
    }


def _shapes(routes: Iterable[Operation]) -> set[type]:
    replies = {_part(route.shape) for route in routes}
    bodies = {route.body for route in routes if route.body}
    return {shape for shape in replies | bodies if isinstance(shape, type)}


def _part(shape: type | GenericAlias | str | None) -> object:
    """Return the shape of the parts of a list; else what is given."""
    return shape.__args__[0] if isinstance(shape, GenericAlias) else shape


def _tidy(schema: Mapping[str, Any]) -> Json:
    described = schema.get("description")
    return {**schema, "description": inspect.cleandoc(described)} if described else {**schema}


def _operation(route: Operation) -> Json:
    operation: Json = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "parameters": [*_path_parameters(route.path), *_query_parameters(route.parameters)],
        "responses": {"204" if route.shape is None else "200": _reply(route)},
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(route.body)}},
        }
    # A wrong parameter, body or host is possible everywhere, and so is that it is not ready yet.
    problems = {400, 417, 421, 500, 503, *route.problems}
    if route.needs is not None:
        operation["security"] = [{_SCHEME: []}, {}]  # while there is no token, none is asked for
        operation["description"] = (
            f"Where there are tokens it takes one with the role {route.needs.rank}."
        )
        problems |= {401, 403}
    for status in sorted(problems):
        operation["responses"][str(status)] = _problem(status)
    return operation


def _operation_id(route: Operation) -> str:
    words = [word for word in re.split(r"\W+", route.path) if word not in ("", "v1")]
    return "_".join([route.method.lower(), *words])


def _path_parameters(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _NAME_IN_PATH.findall(path)
    ]


def _query_parameters(shape: type) -> list[Json]:
    if shape is NoParameters:
        return []
    _, schemas = msgspec.json.schema_components([shape], ref_template=_REF)
    properties = schemas[shape.__name__]["properties"]
    required = schemas[shape.__name__].get("required", ())
    return [
        {
            "name": name,
            "in": "query",
            **({"required": True} if name in required else {}),
            "description": schema.get("description", ""),
            "schema": {key: part for key, part in schema.items() if key != "description"},
        }
        for name, schema in properties.items()
    ]


def _ref(shape: type) -> Json:
    return {"$ref": _REF.format(name=shape.__name__)}


def _reply(route: Operation) -> Json:
    if route.shape is None:
        return {"description": route.means}
    if isinstance(route.shape, str):
        return {
            "description": route.means,
            "content": {route.shape: {"schema": {"type": _TYPES.get(route.shape, "string")}}},
        }
    schema = _ref(route.shape) if isinstance(route.shape, type) else _array(route.shape)
    return {"description": route.means, "content": {"application/json": {"schema": schema}}}


def _array(shape: GenericAlias) -> Json:
    (part,) = shape.__args__
    return {"type": "array", "items": _ref(part)}


def _problem(status: int) -> Json:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": _ref(ProblemDetails)}},
    }
