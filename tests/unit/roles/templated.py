"""A role's variables as Ansible has them on a host of some distribution, without a host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROLES = Path(__file__).resolve().parents[3] / "roles"
SYSTEMS = ("debian12", "ubuntu22.04", "ubuntu24.04", "rhel9")


def load(role: str, path: str) -> dict[str, Any]:
    """One of the role's files of variables, as templates."""
    content = DataLoader().load_from_file(str(ROLES / role / path), trusted_as_template=True)
    return dict(content or {})


class Role:
    """The variables of a role for a distribution, with those that a user gave."""

    def __init__(
        self, role: str, system: str, given: Mapping[str, Any], facts: Mapping[str, Any] | None = None
    ) -> None:
        variables: dict[str, Any] = {"inventory_hostname": "node-0", "ansible_facts": dict(facts or {})}
        for path in ("defaults/main.yml", "vars/main.yml", f"vars/{system}.yml"):
            variables.update(load(role, path))
        self._templar = Templar(loader=DataLoader(), variables={**variables, **given})
        self._variables = variables

    def __getitem__(self, name: str) -> Any:
        return self._templar.template(self._variables[name])
