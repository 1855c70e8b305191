# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the parsers share: reasons collected by kind, and what the caller's context says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .result import FAIL, PASS, UNKNOWN, WARN, Evidence, count, number

Context = Mapping[str, Any]

_TRUE = ("1", "yes", "true", "on")
_FALSE = ("0", "no", "false", "off")


class ContextError(ValueError):
    """A value in the context is of a kind that the judgement can't use."""


@dataclass(frozen=True)
class Findings:
    """Reasons by kind. The verdict is that of the worst kind; a note changes none."""

    failures: list[str] = field(default_factory=list)
    unknowns: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """Return the verdict: a known failure outranks what couldn't be known."""
        return FAIL if self.failures else UNKNOWN if self.unknowns else WARN if self.warnings else PASS

    def evidence(self, tool: str, values: Mapping[str, Any]) -> Evidence:
        """Return the finished evidence, the worst reasons first."""
        reasons = (*self.failures, *self.unknowns, *self.warnings, *self.notes)
        return Evidence(tool, dict(values), self.verdict, tuple(dict.fromkeys(reasons)))


def nothing(tool: str, values: Mapping[str, Any], lines: Sequence[str], wanted: str) -> Evidence:
    """Return the evidence for an output that holds nothing of what the tool prints."""
    reason = f"no {wanted} in this output" if any(line.strip() for line in lines) else "the output is empty"
    return Evidence(tool, dict(values), UNKNOWN, (reason,))


def whole(context: Context | None, name: str) -> int | None:
    """Return a whole number of the context, None where it isn't given.

    Raises:
        ContextError: it is no whole number.
    """
    value = _given(context, name)
    if value is None:
        return None
    result = count(value)
    if result is None:
        raise ContextError(f"context {name} must be a whole number that is not negative, not {value!r}")
    return result


def real(context: Context | None, name: str) -> float | None:
    """Return a number of the context, None where it isn't given.

    Raises:
        ContextError: it is no number.
    """
    value = _given(context, name)
    result = number(value)
    if value is not None and result is None:
        raise ContextError(f"context {name} must be a number, not {value!r}")
    return result


def flag(context: Context | None, name: str) -> bool | None:
    """Return a truth value of the context, None where it isn't given.

    Raises:
        ContextError: it is none.
    """
    value = _given(context, name)
    if value is None or isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ContextError(f"context {name} must be true or false, not {value!r}")


def word(context: Context | None, name: str) -> str | None:
    """Return a text of the context without the space around it, None where it isn't given or is empty."""
    value = _given(context, name)
    if isinstance(value, (Mapping, list, tuple)):
        raise ContextError(f"context {name} must be a text, not {value!r}")
    return None if value is None else str(value).strip() or None


def words(context: Context | None, name: str) -> list[str] | None:
    """Return a list of texts of the context; a text is split at commas and spaces. None where it isn't given."""
    value = _given(context, name)
    if value is None:
        return None
    if isinstance(value, str):
        return value.replace(",", " ").split()
    if isinstance(value, (list, tuple)):
        return [str(item).strip() for item in value]
    if isinstance(value, (Mapping, bool)):
        raise ContextError(f"context {name} must be a list, not {value!r}")
    return [str(value)]


def table(context: Context | None, name: str) -> dict[str, Any] | None:
    """Return a mapping of the context, None where it isn't given.

    Raises:
        ContextError: it is none.
    """
    value = _given(context, name)
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ContextError(f"context {name} must be a mapping, not {value!r}")
    return {str(key): item for key, item in value.items()}


def json_documents(text: str) -> list[Any]:
    """Return the JSON objects and lists of objects in ``text``, in order; warnings may stand around them."""
    decoder = json.JSONDecoder()
    found: list[Any] = []
    position = _opening(text, 0)
    while position != -1:
        try:
            document, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            position = _opening(text, position + 1)
            continue
        if isinstance(document, dict) or (document and isinstance(document[0], dict)):
            found.append(document)
        position = _opening(text, end)
    return found


def _opening(text: str, start: int) -> int:
    positions = [position for position in (text.find("{", start), text.find("[", start)) if position != -1]
    return min(positions) if positions else -1


def _given(context: Context | None, name: str) -> Any:
    return None if context is None else context.get(name)
