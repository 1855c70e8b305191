# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``system_name``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

# Distribution as Ansible's facts name it → what the data files are called, and which fact completes the name.
_MAJOR = "distribution_major_version"
_SYSTEMS: dict[str, tuple[str, str]] = {
    "Debian": ("debian", _MAJOR),
    "Ubuntu": ("ubuntu", "distribution_version"),
    **dict.fromkeys(("RedHat", "Rocky", "AlmaLinux", "OracleLinux", "CentOS"), ("rhel", _MAJOR)),
}
SUPPORTED = ("debian12", "ubuntu22.04", "ubuntu24.04", "rhel9")


def system_name(facts: Mapping[str, Any]) -> str:
    """The distribution and release a host runs, as this collection's data files are named: ``ubuntu22.04``.

    Raises:
        AnsibleFilterError: the facts are missing, or no role has data for this system.
    """
    distribution = facts.get("distribution")
    if not distribution:
        raise AnsibleFilterError("system_name needs the facts of a host's distribution: gather them first")
    name, release = _SYSTEMS.get(str(distribution), (str(distribution).lower(), "distribution_version"))
    system = f"{name}{facts.get(release, '')}"
    if system not in SUPPORTED:
        host = facts.get("hostname") or facts.get("nodename") or "this host"
        raise AnsibleFilterError(
            f"{host} runs {distribution} {facts.get('distribution_version', '')}, which no role has data for:"
            f" use {', '.join(SUPPORTED)} (rhel9 is also Rocky, Alma, Oracle and CentOS Stream 9)"
        )
    return system


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"system_name": system_name}
