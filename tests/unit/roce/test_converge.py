"""Exact commands and files, on difference only, and the refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.roce import converge, devices
from ansible_collections.moefleet.serving.plugins.module_utils.roce.settings import ApplyError

from .conftest import Bench, bench

CM = "sys/kernel/config/rdma_cm/mlx5_0/ports/1"
CC = "sys/kernel/debug/mlx5/0000:3b:00.0/cc_params"
ECN = "sys/class/net/eth1/ecn"


def relative(host: Bench, outcome: converge.Outcome) -> list[str]:
    return [str(step).replace(f"{host.root}/", "/") for step in outcome.done]


def test_ofed_is_set_by_these_commands_and_files(ofed: Bench) -> None:
    assert relative(ofed, ofed.converge()) == [
        "mlnx_qos -i eth1 -d os",
        "mlnx_qos -i eth1 --trust dscp",
        "mlnx_qos -i eth1 --pfc 0,0,0,1,0,0,0,0",
        "ethtool -A eth1 rx off tx off",
        "echo 106 > /sys/class/infiniband/mlx5_0/tc/1/traffic_class",
        "echo 1 > /sys/class/net/eth1/ecn/roce_np/enable/3",
        "echo 1 > /sys/class/net/eth1/ecn/roce_rp/enable/3",
        "echo 48 > /sys/class/net/eth1/ecn/roce_np/cnp_dscp",
        "echo 6 > /sys/class/net/eth1/ecn/roce_np/cnp_802p_prio",
        "echo 106 > /sys/kernel/config/rdma_cm/mlx5_0/ports/1/default_roce_tos",
        "echo RoCE v2 > /sys/kernel/config/rdma_cm/mlx5_0/ports/1/default_roce_mode",
    ]
    assert (ofed.text(f"{CM}/default_roce_tos"), ofed.text(f"{CM}/default_roce_mode")) == ("106", "RoCE v2")
    assert ofed.text(f"{ECN}/roce_np/enable/3") == "1"
    assert ofed.text(f"{ECN}/roce_np/enable/4") == "0"


def test_inbox_is_set_by_these_commands_and_files(inbox: Bench) -> None:
    outcome = inbox.converge()
    assert relative(inbox, outcome) == [
        "dcb dcbx set dev eth1 host cee ieee",
        "dcb pfc set dev eth1 prio-pfc all:off 3:on",
        "ethtool -A eth1 rx off tx off",
        "echo 48 > /sys/kernel/debug/mlx5/0000:3b:00.0/cc_params/np_cnp_dscp",
        "echo 6 > /sys/kernel/debug/mlx5/0000:3b:00.0/cc_params/np_cnp_prio",
        "dcb app add dev eth1 dscp-prio 26:3",
        "dcb app add dev eth1 dscp-prio 48:6",
        "echo 106 > /sys/kernel/config/rdma_cm/mlx5_0/ports/1/default_roce_tos",
        "echo RoCE v2 > /sys/kernel/config/rdma_cm/mlx5_0/ports/1/default_roce_mode",
    ]
    assert outcome.after.seen["trust"].value == "dscp"
    assert set(outcome.after.unknown) == {"traffic_class", "ecn_np[3]", "ecn_rp[3]"}


@pytest.mark.parametrize("kind", ["ofed", "inbox"])
def test_what_is_as_wanted_is_left_alone(tmp_path: Path, kind: str) -> None:
    host = bench(tmp_path, kind)
    host.converge()
    before = list(host.log)
    assert host.converge().done == ()
    assert host.log == before


@pytest.mark.parametrize(
    ("drifted", "to", "command"),
    [
        ("pfc", [0, 0, 0, 0, 0, 0, 0, 0], "mlnx_qos -i eth1 --pfc 0,0,0,1,0,0,0,0"),
        ("pfc", [0, 0, 0, 1, 1, 0, 0, 0], "mlnx_qos -i eth1 --pfc 0,0,0,1,0,0,0,0"),
        ("trust", "pcp", "mlnx_qos -i eth1 --trust dscp"),
        ("dcbx", "firmware", "mlnx_qos -i eth1 -d os"),
        ("pause", "on", "ethtool -A eth1 rx off tx off"),
    ],
)
def test_one_drifted_setting_is_found_and_mended_alone(ofed: Bench, drifted: str, to: object, command: str) -> None:
    ofed.converge()
    ofed.log.clear()
    ofed.port.state[drifted] = to
    assert ofed.survey().changes == [drifted]
    ofed.converge()
    assert ofed.log == [command]


def test_a_wrong_mapping_is_seen_after_trust_is_and_set_in_a_call_of_its_own(ofed: Bench) -> None:
    ofed.port.state["map"]["26"] = 0
    ofed.converge()
    assert ofed.log[1:4] == [
        "mlnx_qos -i eth1 --trust dscp",
        "mlnx_qos -i eth1 --pfc 0,0,0,1,0,0,0,0",
        "ethtool -A eth1 rx off tx off",
    ]
    assert ofed.log[4:] == ["mlnx_qos -i eth1 --dscp2prio set,26,3"]


def test_a_wrong_mapping_of_the_kernels_own_is_replaced(inbox: Bench) -> None:
    inbox.converge()
    inbox.log.clear()
    inbox.port.state["app"] = [[26, 0], [48, 6]]
    inbox.converge()
    assert inbox.log == ["dcb app del dev eth1 dscp-prio 26:0", "dcb app add dev eth1 dscp-prio 26:3"]


def test_shares_and_buffers_go_in_one_call_each(ofed: Bench) -> None:
    shares: dict[str, Any] = {
        "class_algorithms": ["ets", "ets", "ets", "ets", "ets", "ets", "strict", "ets"],
        "class_shares": [50, 0, 0, 50, 0, 0, 0, 0],
        "priority_classes": [0, 1, 2, 3, 4, 5, 6, 7],
        "priority_buffers": [0, 0, 0, 1, 0, 0, 0, 0],
        "buffer_sizes": [20016, 156096, 0, 0, 0, 0, 0, 0],
    }
    ofed.converge(**shares)
    assert ofed.log[-2:] == [
        "mlnx_qos -i eth1 --prio2buffer 0,0,0,1,0,0,0,0 --buffer_size 20016,156096,0,0,0,0,0,0",
        "mlnx_qos -i eth1 --prio_tc 0,1,2,3,4,5,6,7 --tsa ets,ets,ets,ets,ets,ets,strict,ets --tcbw 50,0,0,50,0,0,0,0",
    ]


def test_shares_of_the_kernels_own(inbox: Bench) -> None:
    inbox.converge(class_algorithms=["ets"] * 8, class_shares=[50, 0, 0, 50, 0, 0, 0, 0])
    assert inbox.log[-1] == (
        "dcb ets set dev eth1 tc-tsa 0:ets 1:ets 2:ets 3:ets 4:ets 5:ets 6:ets 7:ets"
        " tc-bw 0:50 1:0 2:0 3:50 4:0 5:0 6:0 7:0"
    )


@pytest.mark.parametrize(
    ("kind", "commands"),
    [
        ("ofed", ["mlnx_qos -i eth1 --trust pcp", "mlnx_qos -i eth1 --pfc 0,0,0,0,0,0,0,0"]),
        ("inbox", ["dcb app flush dev eth1 dscp-prio", "dcb pfc set dev eth1 prio-pfc all:off"]),
    ],
)
def test_absent_marks_and_pauses_nothing(tmp_path: Path, kind: str, commands: list[str]) -> None:
    host = bench(tmp_path, kind)
    host.converge()
    host.log.clear()
    host.converge(present=False)
    assert host.log == commands
    assert host.text(f"{CM}/default_roce_tos") == "0"
    assert host.converge(present=False).done == ()


def test_nothing_changes_under_a_running_service(ofed: Bench) -> None:
    ofed.port.state["units"]["moefleet-vllm.service"] = ["loaded", "active"]
    with pytest.raises(converge.RefusedError, match=r"vllm.service is active and dcbx, trust, pfc.*systemctl stop"):
        ofed.converge()
    assert ofed.log == []
    assert ofed.text(f"{CM}/default_roce_tos") == "0"


def test_what_is_as_wanted_does_not_mind_a_running_service(ofed: Bench) -> None:
    ofed.converge()
    ofed.port.state["units"]["moefleet-vllm.service"] = ["loaded", "active"]
    assert ofed.converge().done == ()


def test_an_lldp_agent_is_masked(ofed: Bench) -> None:
    ofed.port.state["units"]["lldpad.service"] = ["loaded", "active"]
    ofed.converge()
    assert "systemctl mask --now lldpad.socket lldpad.service" in ofed.log


def test_an_lldp_agent_may_stay(ofed: Bench) -> None:
    ofed.port.state["units"]["lldpad.service"] = ["loaded", "active"]
    ofed.converge(lldpad="ignore")
    assert not any("lldpad" in line for line in ofed.log)


def test_a_bonds_member_is_left_alone(ofed: Bench) -> None:
    net = ofed.root / "sys/class/net/eth1"
    (net / "bonding_slave").mkdir()
    (net / "master").symlink_to("../bond0")
    outcome = ofed.converge()
    assert (outcome.done, outcome.after.wanted) == ((), {})
    assert "member of bond0" in outcome.after.skipped


def test_soft_roce_has_the_connection_managers_settings_and_no_others(rxe: Bench) -> None:
    outcome = rxe.converge(qos_expected=False)
    assert [str(step).partition(" > ")[0] for step in outcome.done] == ["echo 106", "echo RoCE v2"]
    assert rxe.text("sys/kernel/config/rdma_cm/rxe0/ports/1/default_roce_tos") == "106"
    assert {"trust", "pfc", "pause", "traffic_class"} <= set(outcome.after.unknown)
    assert "qos_expected: false" in outcome.after.unknown["pfc"]
    assert not outcome.after.blocked


def test_a_port_without_qos_is_refused_where_it_is_expected(rxe: Bench) -> None:
    rxe.port.tools.add("dcb")
    rxe.port._dcb = lambda words: (2, words[0][:0], "Attribute read: Operation not supported")  # type: ignore[method-assign]
    with pytest.raises(converge.RefusedError, match=r"no QoS tree.*Operation not supported.*qos_expected: false"):
        rxe.converge()


def test_missing_tools_are_not_taken_for_a_missing_tree(rxe: Bench) -> None:
    with pytest.raises(converge.NotYetError, match="dcb is not installed"):
        rxe.survey()


def test_the_tool_alone_does_not_make_ofed(inbox: Bench) -> None:
    """OFED's tools beside the kernel's own driver: judged by the driver's files."""
    inbox.port.tools.add("mlnx_qos")
    assert inbox.survey().backend == "inbox"
    with pytest.raises(converge.RefusedError, match="isn't run by OFED's driver"):
        inbox.survey(backend="ofed")


def test_a_renamed_interface_is_suggested(tmp_path: Path) -> None:
    host = bench(tmp_path, "ofed")
    (tmp_path / "sys/class/net/eth1").rename(tmp_path / "sys/class/net/ens1f0np0")
    with pytest.raises(devices.DeviceError, match="no interface ens1f0: it is called ens1f0np0 now"):
        host.survey(interface="ens1f0")


def test_a_driver_that_keeps_its_own_value_is_told(ofed: Bench) -> None:
    before = ofed.port._mlnx_qos

    def stubborn(words: list[str]) -> tuple[int, str, str]:
        answer = before(words)
        ofed.port.state["pfc"] = [0] * 8
        return answer

    ofed.port._mlnx_qos = stubborn  # type: ignore[method-assign]
    with pytest.raises(ApplyError, match="pfc stays 0,0,0,0,0,0,0,0 and should be 0,0,0,1,0,0,0,0"):
        ofed.converge()


def test_a_failing_tool_is_no_wrong_value(ofed: Bench) -> None:
    ofed.port._mlnx_qos = lambda words: (  # type: ignore[method-assign]
        (0, "1.2", "") if words == ["--version"] else (1, "", "ETS features are not supported")
    )
    state = ofed.survey()
    assert "pfc" not in state.changes
    assert state.blocked["pfc"] == "mlnx_qos -i eth1: ETS features are not supported"
    with pytest.raises(ApplyError, match="pfc can't be told"):
        ofed.converge()


def test_locked_debugfs_is_unknown_and_not_set(inbox: Bench) -> None:
    for name in ("np_cnp_dscp", "np_cnp_prio"):
        (inbox.root / CC / name).unlink()
    outcome = inbox.converge()
    assert "debugfs" in outcome.after.unknown["cnp_dscp"]


def test_a_free_notification_priority_is_made_fixed(inbox: Bench) -> None:
    inbox.converge()
    inbox.put(f"{CC}/np_cnp_prio_mode", "1")
    assert inbox.survey().changes == ["cnp_priority"]


def test_the_connection_manager_is_loaded_first(ofed: Bench) -> None:
    ofed.converge()
    place = ofed.root / "sys/kernel/config/rdma_cm"
    place.rename(ofed.root / "elsewhere")
    state = ofed.survey()
    assert state.changes == ["cm_tos", "cm_mode"]
    assert next(str(step) for step in converge.steps(state)) == "modprobe rdma_cm"
    assert sum(str(step) == "modprobe rdma_cm" for step in converge.steps(state)) == 1


def test_the_connection_managers_directory_does_not_stay(ofed: Bench) -> None:
    """It would keep the kernel's module in use, and OFED could not restart its drivers."""
    place = ofed.root / "sys/kernel/config/rdma_cm"
    (place / "mlx5_0").rename(ofed.root / "elsewhere")
    assert "default_roce_tos" in ofed.survey().unknown["cm_tos"]
    assert list(place.iterdir()) == []


def test_an_empty_table_of_applications_is_no_fault(inbox: Bench) -> None:
    before = inbox.port._dcb
    inbox.port._dcb = lambda words: (0, "", "") if words[1:3] == ["app", "show"] else before(words)  # type: ignore[method-assign]
    state = inbox.survey()
    assert {"trust", "dscp_priority[26]", "dscp_priority[48]"} <= set(state.changes)


def test_a_driver_without_dcbx_is_not_waited_for(inbox: Bench) -> None:
    before = inbox.port._dcb
    answer = (2, "", "Attribute read: Operation not supported")
    inbox.port._dcb = lambda words: answer if "dcbx" in words else before(words)  # type: ignore[method-assign]
    outcome = inbox.converge()
    assert "Operation not supported" in outcome.after.unknown["dcbx"]
    assert inbox.port.state["pfc"] == [0, 0, 0, 1, 0, 0, 0, 0]
