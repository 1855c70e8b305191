# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Arithmetic as text, so that a claim is data: ``200 * 32768 * kv_bytes_per_token(precision='bf16') / 1e9``.

A formula has numbers, ``+ - * / // % **``, parentheses, the functions ``ceil``, ``min`` and ``max``, and names. What a
name is worth, and what keyword arguments after it mean, is the caller's business. A formula that is a name alone may be
worth a text (a release number); everything else is a number.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Callable, Union

Value = Union[float, str]
Lookup = Callable[[str, Mapping[str, Any]], Value]

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {"ceil": math.ceil, "min": min, "max": max}
_PLACEHOLDER = re.compile(r"\{([^{}]+):([^{}:]*)\}")


class UnknownError(Exception):
    """A name has no value for this cluster, model or engine; the text says why."""


def _no_names(name: str, _conditions: Mapping[str, Any]) -> Value:
    raise ValueError(f"no name is known here: {name}")


def evaluate(formula: str, lookup: Lookup = _no_names) -> Value:
    """The value of a formula. Raises :class:`UnknownError` from ``lookup``, ``ValueError`` for what is no formula."""
    return _value(_parsed(formula), lookup)


def number(formula: str, lookup: Lookup = _no_names) -> float:
    """Like :func:`evaluate` for a formula that is worth a number."""
    value: object = evaluate(formula, lookup)
    if not isinstance(value, float):  # a text, or the complex root of a negative number
        raise ValueError(f"{formula!r} is {value!r}")
    return value


def filled(text: str, lookup: Lookup) -> str:
    """A text with its placeholders ``{formula:format}`` replaced; ``?`` where a value is not known."""

    def put(match: re.Match[str]) -> str:
        try:
            return format(evaluate(match.group(1), lookup), match.group(2))
        except UnknownError:
            return "?"

    return _PLACEHOLDER.sub(put, text)


@lru_cache(maxsize=1024)
def _parsed(formula: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # such as of "1if"; what it is worth is refused below
            return ast.parse(formula, mode="eval").body
    except SyntaxError as problem:
        raise ValueError(f"{formula!r} is no formula: {problem.msg}") from problem


def _value(node: ast.expr, lookup: Lookup) -> Value:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _BINARY[type(node.op)](_number(node.left, lookup), _number(node.right, lookup))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(node.operand, lookup)
    if isinstance(node, ast.Name):
        return lookup(node.id, {})
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _call(node, node.func.id, lookup)
    raise ValueError(f"no part of a formula: {ast.dump(node)}")


def _call(node: ast.Call, name: str, lookup: Lookup) -> Value:
    if name in _FUNCTIONS:
        return float(_FUNCTIONS[name](*(_number(argument, lookup) for argument in node.args)))
    return lookup(name, {str(item.arg): ast.literal_eval(item.value) for item in node.keywords})


def _number(node: ast.expr, lookup: Lookup) -> float:
    value = _value(node, lookup)
    if isinstance(value, str):
        raise ValueError(f"{value!r} is no number")
    return value
