"""The filter system_name."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.filter.system_name import FilterModule, system_name


@pytest.mark.parametrize(
    ("distribution", "version", "major", "expected"),
    [
        ("Debian", "12.7", "12", "debian12"),
        ("Ubuntu", "22.04", "22", "ubuntu22.04"),
        ("Ubuntu", "24.04", "24", "ubuntu24.04"),
        ("RedHat", "9.4", "9", "rhel9"),
        ("Rocky", "9.5", "9", "rhel9"),
        ("AlmaLinux", "9.3", "9", "rhel9"),
    ],
)
def test_known(distribution: str, version: str, major: str, expected: str) -> None:
    facts = {"distribution": distribution, "distribution_version": version, "distribution_major_version": major}
    assert system_name(facts) == expected


@pytest.mark.parametrize(
    ("distribution", "version", "major"),
    [("Debian", "11.9", "11"), ("Ubuntu", "22.10", "22"), ("Rocky", "8.9", "8"), ("openSUSE Leap", "15.6", "15")],
)
def test_unknown_is_refused_by_name(distribution: str, version: str, major: str) -> None:
    facts = {
        "distribution": distribution,
        "distribution_version": version,
        "distribution_major_version": major,
        "hostname": "gpu-7",
    }
    with pytest.raises(AnsibleFilterError, match=f"gpu-7 runs {distribution} {version}"):
        system_name(facts)


def test_facts_that_were_not_gathered_are_no_system() -> None:
    with pytest.raises(AnsibleFilterError, match="gather them first"):
        system_name({})


def test_ansible_finds_it() -> None:
    assert FilterModule().filters() == {"system_name": system_name}
