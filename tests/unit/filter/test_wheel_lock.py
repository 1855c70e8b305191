"""The filter wheel_lock."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.filter.wheel_lock import FilterModule, wheel_lock

DIGEST = "--hash=sha256:" + "0" * 64
LOCK = f"# python: 3.11 3.12\none==1.0 {DIGEST}\ntwo==2 ; python_full_version >= '3.12' {DIGEST}\n"


def test_narrowed_to_the_first_python_that_it_is_for() -> None:
    assert wheel_lock(LOCK, ["3.10", "3.11"]) == {
        "python": "3.11",
        "text": f"one==1.0 {DIGEST}\n",
        "versions": {"one": "1.0"},
        "problems": [],
    }


def test_refused_by_the_files_name() -> None:
    with pytest.raises(AnsibleFilterError, match=r"engine\.txt is for Python 3\.11, 3\.12"):
        wheel_lock(LOCK, ["3.9"], name="engine.txt")


def test_what_is_wrong_is_said() -> None:
    assert wheel_lock(f"deep-ep==1.0.0 {DIGEST}", ["3.11"])["problems"][0].startswith("deep-ep on the index")


def test_ansible_finds_it() -> None:
    assert FilterModule().filters() == {"wheel_lock": wheel_lock}
