# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The form of report.json, as JSON Schema, and a check against it with the standard library.

Within one version keys are only added. A reader that knows this version can rely on everything that is required here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ...evidence.result import FAIL, NOT_APPLICABLE, PASS, UNKNOWN, WARN

NAME = "moefleet.verify/2"
VERDICTS = (PASS, WARN, UNKNOWN, FAIL, NOT_APPLICABLE)

_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "number"}
_MAYBE: dict[str, Any] = {"type": ["number", "null"]}
_WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}
_ANY: dict[str, Any] = {"type": ["object", "null"]}


def _record(required: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An object with required and optional members; others may be there too."""
    return {"type": "object", "required": sorted(required), "properties": {**required, **(more or {})}}


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_CHECK = _record(
    {
        "id": {"type": "string", "minLength": 1},
        "section": _TEXT,
        "title": _TEXT,
        "host": _TEXT,
        "rank": {"type": ["integer", "null"]},
        "verdict": {"enum": list(VERDICTS)},
        "expected": _TEXT,
        "observed": _TEXT,
        "reason": _TEXT,
        "fix": _TEXT,
        "peer": _TEXT,
        "value": _MAYBE,
        "unit": _TEXT,
        "source": _TEXT,
        "command": _TEXT,
    }
)
_PREDICTION = _record(
    {
        "name": _TEXT,
        "unit": _TEXT,
        "low": _MAYBE,
        "likely": _MAYBE,
        "high": _MAYBE,
        "measured": _MAYBE,
        "error_percent": _MAYBE,
        "inside": {"type": ["boolean", "null"]},
    }
)
_RUN = _record({}, {"evidence": _ANY, "output": {"type": ["string", "null"]}})
_MEASUREMENT = _record(
    {"check": {"type": "string", "minLength": 1}},
    {
        "host": {"type": ["string", "null"]},
        "peer": {"type": ["string", "null"]},
        "runs": {"type": ["array", "null"], "items": _RUN},
        "argv": {"type": ["array", "null"], "items": {"type": ["string", "number"]}},
        "conditions": _ANY,
        "not_applicable": {"type": ["string", "null"]},
        "left_out": {"type": ["string", "null"]},
    },
)
_HOST = _record(
    {
        "name": {"type": "string", "minLength": 1},
        "role": _TEXT,
        "address": {"type": ["string", "null"]},
        "ranks": _list(_WHOLE),
        "verdict": {"enum": list(VERDICTS)},
        "reached": {"type": "boolean"},
    }
)
_WHERE = {"id": _TEXT, "title": _TEXT, "host": _TEXT, "peer": _TEXT, "rank": {"type": ["integer", "null"]}}
_CHANGE = _record(
    {**_WHERE, "unit": _TEXT, "before": _NUMBER, "now": _NUMBER, "change_percent": _NUMBER, "noise_percent": _NUMBER}
)
_TURN = _record({**_WHERE, "verdict": {"enum": list(VERDICTS)}, "since": _TEXT})
_HISTORY = _record(
    {
        "compared_with": {"type": ["string", "null"]},
        "note": _TEXT,
        "runs": _list(_record({"generated_at": _TEXT, "verdict": {"enum": list(VERDICTS)}, "counts": _ANY})),
        "worse": _list(_CHANGE),
        "better": _list(_CHANGE),
        "new_failures": _list(_TURN),
        "mended": _list(_TURN),
        "not_compared": _list(_record({**_WHERE, "reason": _TEXT})),
        "series": _list(_record({**_WHERE, "unit": _TEXT, "values": _list(_NUMBER)})),
    }
)

JSON_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A verification's report",
    **_record(
        {
            "schema": {"const": NAME},
            "generated_at": {"type": "string", "minLength": 1},
            "verdict": {"enum": [PASS, WARN, UNKNOWN, FAIL]},
            "counts": _record(dict.fromkeys(VERDICTS, _WHOLE)),
            "service": _record(
                {
                    "address": _TEXT,
                    "port": _WHOLE,
                    "model": _TEXT,
                    "engine": _TEXT,
                    "engines": _WHOLE,
                    "layout": {"type": "object"},
                }
            ),
            "hosts": _list(_HOST),
            "thresholds": {"type": "object"},
            "benchmark": _ANY,
            "checks": _list(_CHECK),
            "predictions": _list(_PREDICTION),
            "measurements": _list(_MEASUREMENT),
            "history": _HISTORY,
            "evidence": {"type": "object"},
        },
        # What was left out on purpose, as in quick mode: no checks.
        {"left_out": _list(_record({"id": _TEXT, "section": _TEXT, "title": _TEXT, "reason": _TEXT}))},
    ),
}

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    # As in JSON Schema, 2.0 is a whole number.
    "integer": lambda value: (
        not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
    ),
}


class SchemaError(ValueError):
    """A report that its own readers could not rely on was about to be written."""


def demand(report: Any) -> None:
    """Refuse a report that is not in the form.

    Raises:
        SchemaError: with the first places that are wrong.
    """
    found = list(problems(report))
    if found:
        rest = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise SchemaError(f"the report is not {NAME}: {'; '.join(found[:5])}{rest}")


def problems(value: Any, schema: Mapping[str, Any] = JSON_SCHEMA, place: str = "report") -> Iterator[str]:
    """Say what of ``value`` is not as ``schema`` says; of JSON Schema it knows what this file uses."""
    if "const" in schema and value != schema["const"]:
        yield f"{place} is {value!r}, not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place} is {value!r}, none of {', '.join(map(str, schema['enum']))}"
    if "type" in schema:
        wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(_TYPES[name](value) for name in wanted):
            yield f"{place} is {type(value).__name__}, not {' or '.join(wanted)}"
            return
    if isinstance(value, str) and len(value) < schema.get("minLength", 0):
        yield f"{place} is empty"
    if isinstance(value, (int, float)) and value < schema.get("minimum", value):
        yield f"{place} is {value}, less than {schema['minimum']}"
    if isinstance(value, Mapping):
        yield from _members(value, schema, place)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from problems(item, schema["items"], f"{place}[{index}]")


def _members(value: Mapping[str, Any], schema: Mapping[str, Any], place: str) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{place} has no {name}"
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            yield from problems(value[name], inner, f"{place}.{name}")
