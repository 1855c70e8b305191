# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``bundle_needs``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils.bundle import needs


def bundle_needs(hosts: Mapping[str, Sequence[Mapping[str, Any]]], work: str = "") -> dict[str, Any]:
    """All that hosts need from elsewhere, by what their roles say."""
    try:
        return needs.together(hosts, str(work))
    except (KeyError, TypeError, AttributeError) as error:
        raise AnsibleFilterError(f"bundle_needs: an entry of moefleet_needs is no good: {error!r}") from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"bundle_needs": bundle_needs}
