"""Files of /proc/PID."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import processes, systemd

# The kernel pads every column.
LIMITS = "\n".join(
    f"{name:<26}{soft:<21}{hard:<21}{unit:<10}"
    for name, soft, hard, unit in (
        ("Limit", "Soft Limit", "Hard Limit", "Units"),
        ("Max cpu time", "unlimited", "unlimited", "seconds"),
        ("Max locked memory", "8388608", "unlimited", "bytes"),
        ("Max open files", "1024", "1048576", "files"),
        ("Max nice priority", "0", "0", ""),
    )
)


def test_command_line() -> None:
    assert processes.parse_cmdline(b"python\0vllm\0serve\0a b\0\0") == ["python", "vllm", "serve", "a b", ""]
    assert processes.parse_cmdline(b"") is None
    assert processes.parse_cmdline(b"python\0vll") is None, "cut off"


@pytest.mark.parametrize(
    ("title", "rank"),
    [
        (b"VLLM::EngineCore_DP5\0\0\0", 5),
        (b"VLLM::EngineCore_DP31", 31),
        (b"mine::EngineCore_DP0", 0),
        (b"VLLM::EngineCore\0", 0),
        (b"VLLM::DPCoordinator", None),
        (b"VLLM::Worker_DP1_TP0", None),
        (b"vim EngineCore_DP5", None),
        (b"grep\0VLLM::EngineCore_DP5\0", None),
        (b"", None),
    ],
)
def test_rank_by_title(title: bytes, rank: int | None) -> None:
    assert processes.rank_of(processes.parse_title(title)) == rank


@pytest.mark.parametrize(
    ("title", "rank"),
    [
        (b"VLLM::Worker_PP1_TP0_EP0", 0),
        (b"VLLM::Worker_PP3\0", 0),
        (b"VLLM::Worker_DP2_PP1_TP7_EP7", 2),
        (b"VLLM::Worker_PP0_TP0_EP0", None),
        (b"VLLM::Worker_TP1_EP1", None),
        (b"VLLM::EngineCore_DP5", None),
        (b"vim Worker_PP1", None),
        (b"", None),
    ],
)
def test_rank_of_a_later_stage_by_title(title: bytes, rank: int | None) -> None:
    assert processes.rank_of_stage(processes.parse_title(title)) == rank


def test_only_named_variables_are_taken() -> None:
    raw = b"A=1\0SECRET=x\0NCCL_SOCKET_IFNAME==eth1\0broken\0"
    assert processes.parse_environment(raw, ["NCCL_SOCKET_IFNAME", "B"]) == {"NCCL_SOCKET_IFNAME": "=eth1", "B": None}


def test_limits() -> None:
    limits = processes.parse_limits(LIMITS)
    assert limits["Max locked memory"] == (8388608, systemd.UNLIMITED)
    assert limits["Max open files"] == (1024, 1048576)
    assert limits["Max nice priority"] == (0, 0)


def test_effective_user() -> None:
    assert processes.effective_uid(processes.parse_status("Name:\tvllm\nUid:\t0\t999\t0\t0\n")) == 999
    assert processes.effective_uid(processes.parse_status("Name:\tvllm\n")) is None
    assert processes.effective_uid({"Uid": "zero"}) is None


@pytest.mark.parametrize(
    ("capabilities", "may"),
    [("000001fffeffffff", False), ("000001ffffffffff", True), ("0000000001000000", True), ("", None), ("none", None)],
)
def test_who_may_raise_limits(capabilities: str, may: bool | None) -> None:
    assert processes.may_raise_limits({"CapEff": capabilities}) is may


@given(st.binary())
def test_any_bytes_are_read_without_raising(raw: bytes) -> None:
    processes.parse_cmdline(raw)
    processes.rank_of(processes.parse_title(raw))
    processes.rank_of_stage(processes.parse_title(raw))
    processes.parse_environment(raw, ["A"])
    text = raw.decode("utf-8", "replace")
    processes.parse_limits(text)
    processes.effective_uid(processes.parse_status(text))


@given(st.lists(st.binary(max_size=8).filter(lambda token: b"\0" not in token), min_size=1))
def test_command_lines_survive(tokens: list[bytes]) -> None:
    parsed = processes.parse_cmdline(b"\0".join(tokens) + b"\0")
    assert parsed == [token.decode("utf-8", "replace") for token in tokens]
