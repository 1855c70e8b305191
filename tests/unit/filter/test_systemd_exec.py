"""The filter systemd_exec; what it writes is tested with the planner's unit_file."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.filter.systemd_exec import FilterModule, systemd_exec


def test_a_line() -> None:
    assert systemd_exec(["/bin/vllm", "serve", "a b", "5%", "$x"]) == '/bin/vllm serve "a b" 5%% $$x'


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("vllm serve", "list of arguments"),
        ({}, "list of arguments"),
        (["/bin/vllm", 8000], "8000"),
        (["/bin/vllm", True], "True"),
        (["/bin/vllm", None], "None"),
        ([], "no program"),
        (["/bin/$vllm"], r"\$"),
    ],
)
def test_refused(argv: Any, said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said):
        systemd_exec(argv)


def test_ansible_finds_it() -> None:
    assert FilterModule().filters() == {"systemd_exec": systemd_exec}
