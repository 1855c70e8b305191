"""Every role says what it takes, and truly: argument_specs and defaults agree, name by name and value by value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir() if path.is_dir())
# Inputs that several roles share carry the collection's prefix instead of the role's.
SHARED_PREFIX = "moefleet_"
TYPES = {"bool", "dict", "float", "int", "list", "path", "raw", "str"}


def load(path: Path) -> dict[str, Any]:
    """Return a YAML file's mapping; an absent or empty file is an empty one."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.exists() else {}


def entry_points(role: str) -> dict[str, dict[str, Any]]:
    """Return a role's entry points from its argument_specs."""
    entries: dict[str, dict[str, Any]] = load(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"]
    return entries


def options(role: str) -> dict[str, dict[str, Any]]:
    """Return the options of all of a role's entry points; one that two of them take must mean the same in both."""
    merged: dict[str, dict[str, Any]] = {}
    for entry in entry_points(role).values():
        for name, option in (entry.get("options") or {}).items():
            assert merged.setdefault(name, option) == option, f"{role}: {name} differs between entry points"
    return merged


def with_suboptions(options_of: dict[str, dict[str, Any]], where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every option with its path, those inside others too."""
    for name, option in options_of.items():
        yield f"{where}{name}", option
        yield from with_suboptions(option.get("options") or {}, f"{where}{name}.")


def text(description: Any) -> str:
    """Return a description as one string."""
    return " ".join(description) if isinstance(description, list) else str(description or "")


def test_there_are_roles() -> None:
    assert NAMES


@pytest.mark.parametrize("role", NAMES)
def test_main_entry_point_is_specified(role: str) -> None:
    entries = entry_points(role)
    assert "main" in entries
    for name, entry in entries.items():
        assert (ROLES / role / "tasks" / f"{name}.yml").exists(), f"{name} is specified and has no tasks"
        assert text(entry.get("short_description")).strip(), f"{name} has no short_description"
        assert text(entry.get("description")).strip(), f"{name} has no description"


@pytest.mark.parametrize("role", NAMES)
def test_defaults_agree_with_argument_specs(role: str) -> None:
    specified = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert load(ROLES / role / "defaults" / "main.yml") == specified


@pytest.mark.parametrize("role", NAMES)
def test_options_without_default_are_required_or_say_what_happens(role: str) -> None:
    for name, option in options(role).items():
        if "default" in option:
            assert not option.get("required"), f"{name} has a default and is required"
        elif not option.get("required"):
            assert (
                "default" in text(option["description"]).lower() or "omitted" in text(option["description"]).lower()
            ), f"{name} is optional and its description does not say what happens without it"


@pytest.mark.parametrize("role", NAMES)
def test_every_option_is_typed_and_described(role: str) -> None:
    for name, option in with_suboptions(options(role)):
        assert option.get("type") in TYPES, f"{name}: type {option.get('type')}"
        assert option["type"] != "list" or option.get("elements") in TYPES, f"{name}: elements {option.get('elements')}"
        assert text(option.get("description")).strip(), f"{name} has no description"
        if "choices" in option and "default" in option:
            chosen = option["default"] if option["type"] == "list" else [option["default"]]
            assert set(chosen) <= set(option["choices"]), f"{name}: the default is no choice"


@pytest.mark.parametrize("role", NAMES)
def test_names_show_whose_they_are(role: str) -> None:
    for name in options(role):
        assert name.startswith((f"{role}_", SHARED_PREFIX)), f"{name} is public and lacks the role's prefix"
    for file in sorted((ROLES / role / "vars").glob("*.yml")):
        for name in load(file):
            assert name.startswith(f"_{role}_"), f"{file.name}: {name} is internal and lacks _{role}_"
