# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads claims to be checked: the word ``document``, a list, or a YAML or JSON file on the controller that has one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..engine.flags import KV_CACHE_DTYPES
from ..fields import Section, describe, suggestion
from ..findings import Finding, error
from ..models.quantisation import PRECISIONS, known_precision
from ..network.traffic import SCHEMES
from ..versions import parse_version
from .formula import number
from .quantities import QUANTITIES
from .subject import CONDITIONS
from .units import UNITS, units_like

EQUALS, AT_LEAST, AT_MOST = "equals", "at_least", "at_most"
RELATIONS = (EQUALS, AT_LEAST, AT_MOST)
DOCUMENT = "document"
DEFAULT_TOLERANCE = 0.05
_TOP = (DOCUMENT, "file", "claims")
_CLAIM = ("section", "claim", "quantity", "value", "unit", "tolerance", "relation", "conditions", "arithmetic")
_LARGEST = 10**9
_MOST_DEVICES = 65536
_OF_DEVICES = ("gpus", "tensor", "data", "pipeline", "nics_per_host", "speculative_tokens")
_MAY_BE_NONE = ("redundant_experts", "speculative_tokens")


@dataclass(frozen=True)
class GivenClaim:
    """A claim of the user's: ``value`` in ``unit``; ``arithmetic`` is how its author came to it."""

    section: str
    claim: str
    quantity: str
    value: float
    unit: str
    relation: str = EQUALS
    tolerance: float = DEFAULT_TOLERANCE
    conditions: dict[str, Any] = field(default_factory=dict)
    arithmetic: str | None = None


@dataclass(frozen=True)
class GivenClaims:
    """``document`` says whether the reference document is to be checked, too."""

    document: bool = False
    claims: tuple[GivenClaim, ...] = ()


def read_claims(raw: Any, findings: list[Finding]) -> GivenClaims:
    """Read the input ``claims``; what is wrong is appended to ``findings``."""
    if raw is None or raw == "" or raw is False:
        return GivenClaims()
    if raw == DOCUMENT:
        return GivenClaims(document=True)
    if isinstance(raw, str):
        return GivenClaims(claims=_file(raw, "claims", findings))
    if isinstance(raw, (list, tuple)):
        return GivenClaims(claims=_list(raw, "claims", findings))
    section = Section("claims", raw, _TOP, findings)
    found: tuple[GivenClaim, ...] = ()
    path = section.text("file", None)
    if path is not None:
        found += _file(path, section.path("file"), findings)
    if section.get("claims") is not None:
        found += _list(section.get("claims"), section.path("claims"), findings)
    return GivenClaims(section.boolean(DOCUMENT, False), found)


def _list(raw: Any, where: str, findings: list[Finding]) -> tuple[GivenClaim, ...]:
    if not isinstance(raw, (list, tuple)):
        findings.append(
            error("input.not_a_list", f"{where} is {describe(raw)}, not a list", f"give {where} as a list of claims")
        )
        return ()
    read = [_claim(item, f"{where}[{index}]", findings) for index, item in enumerate(raw)]
    return tuple(item for item in read if item is not None)


def _file(path: str, where: str, findings: list[Finding]) -> tuple[GivenClaim, ...]:
    """The claims of a file: a list, or a mapping that has the list under ``claims``."""
    try:
        content = _parsed(Path(path).read_text(encoding="utf-8"))
    except OSError as problem:
        reason = problem.strerror or str(problem)
    except ValueError as problem:
        reason = f"cannot be read: {str(problem).splitlines()[0]}"
    else:
        if isinstance(content, Mapping) and "claims" in content:
            content = content["claims"]
        return _list(content, path, findings)
    fix = "name a YAML or JSON file on the controller, or write 'document'"
    findings.append(error("claims.unreadable", f"{where}: {path}: {reason}", fix))
    return ()


def _parsed(text: str) -> Any:
    """YAML where PyYAML is there, else JSON. Raises ``ValueError``."""
    try:
        import yaml  # noqa: PLC0415
    except ImportError:
        return json.loads(text)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as problem:
        raise ValueError(str(problem)) from problem


def _claim(raw: Any, where: str, findings: list[Finding]) -> GivenClaim | None:
    section = Section(where, raw, _CLAIM, findings)
    if not section.sound and not isinstance(raw, Mapping):
        return None
    quantity = _word(section, "quantity", None, QUANTITIES)
    value = section.number("value", None, -(_LARGEST**2))
    if value is None and section.get("value") is None:
        section.refuse("input.missing", f"{section.path('value')} is missing", f"set {section.path('value')}")
    relation = _word(section, "relation", EQUALS, RELATIONS)
    tolerance = section.number("tolerance", DEFAULT_TOLERANCE, 0, 1)
    conditions = _conditions(section.get("conditions"), section.path("conditions"), findings)
    unit = _unit(section, quantity)
    arithmetic = _arithmetic(section)
    if not section.sound or quantity is None or value is None or conditions is None or relation is None:
        return None
    return GivenClaim(
        section=section.text("section", "") or "",
        claim=section.text("claim", None) or f"{quantity} {relation.replace('_', ' ')} {value:g} {unit}".strip(),
        quantity=quantity,
        value=value,
        unit=unit,
        relation=relation,
        tolerance=tolerance if tolerance is not None else DEFAULT_TOLERANCE,
        conditions=conditions,
        arithmetic=arithmetic,
    )


def _word(section: Section, key: str, default: str | None, known: Any) -> str | None:
    word = section.text(key, default)
    if word is None:
        if section.get(key) is None:
            section.refuse("input.missing", f"{section.path(key)} is missing", f"set {section.path(key)}")
        return None
    if word not in known:
        section.refuse("claims.unknown", f"{section.path(key)} is '{word}'", suggestion(word, known))
        return None
    return word


def _unit(section: Section, quantity: str | None) -> str:
    if quantity is None:
        return ""
    own = QUANTITIES[quantity].unit
    unit = section.text("unit", own) or ""
    if own not in UNITS or unit == own:
        return own
    if unit not in units_like(own):
        section.refuse(
            "claims.unit",
            f"{section.path('unit')} is '{unit}', {quantity} is in {own or 'no unit'}",
            suggestion(unit, units_like(own)),
        )
    return unit


def _arithmetic(section: Section) -> str | None:
    formula = section.text("arithmetic", None)
    if formula is None:
        return None
    try:
        number(formula)
    except (ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as problem:
        section.refuse(
            "claims.arithmetic",
            f"{section.path('arithmetic')} is {describe(formula)}: {problem}",
            "write numbers, + - * / ** and parentheses",
        )
        return None
    return formula


def _conditions(raw: Any, where: str, findings: list[Finding]) -> dict[str, Any] | None:
    section = Section(where, raw, CONDITIONS, findings)
    found: dict[str, Any] = {}
    for name, kind in CONDITIONS.items():
        if section.get(name) is None:
            continue
        if kind is int:
            most = _MOST_DEVICES if name in _OF_DEVICES else _LARGEST
            found[name] = section.integer(name, None, 0 if name in _MAY_BE_NONE else 1, most)
        elif kind is float:
            found[name] = section.number(name, None, 0, 1 if name == "utilization" else None)
        else:
            found[name] = _named(section, name)
    return found if section.sound else None


def _named(section: Section, name: str) -> str | None:
    word = section.text(name, None)
    if word is None:
        return None
    if name == "version":
        if parse_version(word) is None:
            section.refuse("claims.unknown", f"{section.path(name)} is '{word}'", "give a release such as 0.19.1")
        return word
    if name == "precision":
        known = known_precision(word)
        if known is None:
            section.refuse("claims.unknown", f"{section.path(name)} is '{word}'", suggestion(word, PRECISIONS))
        return known
    choices = SCHEMES if name == "backend" else KV_CACHE_DTYPES
    if word not in choices:
        section.refuse("claims.unknown", f"{section.path(name)} is '{word}'", suggestion(word, choices))
    return word
