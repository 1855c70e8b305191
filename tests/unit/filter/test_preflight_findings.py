"""The filter preflight_findings: what it hands a role, and arguments that nobody can have meant."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.filter.preflight_findings import FilterModule, preflight_findings

SEEN: dict[str, Any] = {
    "system": {"hostname": "node-0", "interpreter": "/usr/bin/python3", "interpreter_version": "3.11.2"},
    "own_name": {"name": "node-0", "addresses": ["127.0.1.1"]},
    "addresses": {"eth1": ["192.168.1.10"]},
    "packages": {"broken": [], "interrupted": False, "locks": [], "held": [], "pins": [], "coupled": []},
    "shared_memory": {"remove_ipc": True, "uid": None, "system_user": False, "lingers": False, "user": "moefleet"},
}
RECORDS = {"node-0": {"seen": SEEN, "expected": {}}}


def test_a_group_is_refused_with_its_table() -> None:
    verdict = preflight_findings(RECORDS)
    assert verdict["refused"]
    assert verdict["summary"] == "1 of 1 hosts are unfit (1 error)"
    assert [one["code"] for one in verdict["findings"]] == ["names.own"]
    assert verdict["lines"][0] == "error  names.own  node-0"


@pytest.mark.parametrize("code", ["names.own", "names.*", "*"])
def test_what_is_skipped_is_not_judged(code: str) -> None:
    assert not preflight_findings(RECORDS, skip=[code])["refused"]


@pytest.mark.parametrize(
    ("records", "lists", "words"),
    [
        ([], {}, "a dictionary of hosts"),
        ({"node-0": None}, {}, "a dictionary of hosts"),
        (RECORDS, {"skip": "names.own"}, "skip is a list of codes"),
        (RECORDS, {"skip": ["names.onw"]}, "'names.onw', which is no code"),
        (RECORDS, {"mended_later": ["nick.*"]}, "'nick.*', which is no code"),
        (RECORDS, {"allow_unknown": ["secure_boot"]}, "'secure_boot', which is no code"),
    ],
)
def test_what_can_not_be_meant_is_refused(records: Any, lists: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        preflight_findings(records, **lists)
    assert words in str(caught.value)


def test_the_filter_is_found_by_its_name() -> None:
    assert FilterModule().filters() == {"preflight_findings": preflight_findings}
