"""Formats of other versions and states: NCCL, Gloo, names that match, limits, kernel command line, ACS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import registry
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.interface_match import (
    Name,
    select,
    select_interfaces,
)
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS, UNKNOWN, WARN

DATA = Path(__file__).resolve().parents[2] / "data" / "evidence"
MATCH = json.loads((DATA / "N01_hca_match.json").read_text(encoding="utf-8"))
SELECTED = [
    ["mlx5_1", "mlx5_10", "mlx5_11"],
    ["mlx5_1"],
    ["mlx5_1", "mlx5_10", "mlx5_11"],
    ["mlx5_0", "mlx5_1"],
    ["mlx5_0", "mlx5_2", "mlx5_bond_0"],
    ["mlx5_0", "mlx5_2", "mlx5_11", "mlx5_bond_0"],
    MATCH["devices"],
    [],
]


@pytest.mark.parametrize(("case", "selected"), list(zip(MATCH["cases"], SELECTED, strict=True)))
def test_what_nccl_ib_hca_selects(case: dict[str, str], selected: list[str]) -> None:
    text = json.dumps({"devices": MATCH["devices"], **case})
    by_context = registry.parse("hca_match", "\n".join(MATCH["devices"]), case)
    for evidence in (registry.parse("hca_match", text), by_context):
        assert evidence.values["selected"] == selected
        assert evidence.verdict == (PASS if selected else FAIL)


def test_all_cases_at_once() -> None:
    evidence = registry.parse("hca_match", json.dumps(MATCH))
    assert evidence.values["selected"] == SELECTED
    assert [case["value"] for case in evidence.values["cases"]] == [case["NCCL_IB_HCA"] for case in MATCH["cases"]]


PORTS = "mlx5_0 port 1 ==> ens1f0np0 (Up)\nmlx5_1 port 1 ==> ens1f1np1 (Down)\nmlx5_10 port 1 ==> ens2f0np0 (Up)\n"


@pytest.mark.parametrize(
    ("text", "setting", "selected"),
    [
        (PORTS, "=mlx5_0", ["mlx5_0"]),
        (PORTS, "mlx5_1", ["mlx5_10"]),
        (PORTS, "=mlx5_1", []),
        (PORTS, "=mlx5_0:2", []),
        (PORTS, "^", []),
        (PORTS, "", ["mlx5_0", "mlx5_10"]),
        (PORTS, "=mlx5_0,mlx5_10:1", ["mlx5_0", "mlx5_10"]),
        (PORTS, " mlx5_0", []),
        ("link rxe0/1 state ACTIVE physical_state LINK_UP netdev eth1\n", "rxe", ["rxe0"]),
        (
            "    device          node GUID\n    ------          ---------\n    mlx5_0          08c0eb0000111001\n",
            "=mlx5_0",
            ["mlx5_0"],
        ),
        (
            json.dumps({"devices": [{"name": "mlx5_0", "port": 2}, {"name": "mlx5_1", "state": "DOWN"}]}),
            "mlx5:2",
            ["mlx5_0"],
        ),
    ],
)
def test_devices_of_other_tools(text: str, setting: str, selected: list[str]) -> None:
    evidence = registry.parse("hca_match", text, {"NCCL_IB_HCA": setting})
    assert evidence.values["selected"] == selected
    assert evidence.verdict == (PASS if selected else FAIL)


def test_what_is_selected_must_be_what_was_planned() -> None:
    context = {"NCCL_IB_HCA": "mlx5_1", "expected": ["mlx5_1"]}
    evidence = registry.parse("hca_match", "mlx5_1\nmlx5_10\n", context)
    assert evidence.verdict == FAIL
    assert any("write =mlx5_1 for it alone" in reason for reason in evidence.reasons)
    assert registry.parse("hca_match", "mlx5_1\nmlx5_10\n", {**context, "NCCL_IB_HCA": "=mlx5_1"}).verdict == PASS


BRIEF = """lo               UNKNOWN        00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP>
eth0             UP             52:54:00:00:00:01 <BROADCAST,MULTICAST,UP,LOWER_UP>
ens1f0np0        UP             52:54:00:00:00:02 <BROADCAST,MULTICAST,UP,LOWER_UP>
ens1f0np01       UP             52:54:00:00:00:03 <BROADCAST,MULTICAST,UP,LOWER_UP>
docker0          DOWN           02:42:00:00:00:01 <NO-CARRIER,BROADCAST,MULTICAST,UP>
"""
LONG = """1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536
2: eth0@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500
3: eth1: <BROADCAST> mtu 1500
"""


@pytest.mark.parametrize(
    ("text", "setting", "selected"),
    [
        (BRIEF, "=ens1f0np0", ["ens1f0np0"]),
        (BRIEF, "ens1f0np0", ["ens1f0np0", "ens1f0np01"]),
        (BRIEF, "^docker,lo", ["eth0", "ens1f0np0", "ens1f0np01"]),
        (BRIEF, "=ens9", []),
        (BRIEF, None, ["eth0", "ens1f0np0", "ens1f0np01"]),
        (BRIEF, "=", ["eth0", "ens1f0np0", "ens1f0np01"]),
        (LONG, "=eth1", []),
        (LONG, "eth", ["eth0"]),
        (json.dumps({"interfaces": ["lo", "ib0", "eth0"]}), None, ["ib0"]),
        (json.dumps({"interfaces": ["lo"], "NCCL_SOCKET_IFNAME": ""}), None, ["lo"]),
    ],
)
def test_what_nccl_socket_ifname_selects(text: str, setting: str | None, selected: list[str]) -> None:
    evidence = registry.parse("interface_match", text, {"NCCL_SOCKET_IFNAME": setting})
    assert evidence.values["selected"] == selected
    assert evidence.verdict == (PASS if selected else FAIL)


@given(
    st.lists(st.sampled_from(["mlx5_0", "mlx5_1", "mlx5_10", "eth0", "ib0"]), unique=True),
    st.text("^=mlx5_01,:9eth", max_size=12),
)
def test_excluding_is_the_rest(names: list[str], setting: str) -> None:
    ports = [Name(name, 1) for name in names]
    bare = setting.lstrip("^")
    chosen, rest = select(bare, ports), select("^" + bare, ports)
    assert [name for name in ports if name in chosen or name in rest] == ports
    assert not set(chosen) & set(rest)
    assert set(select_interfaces(setting, ports)) <= set(ports)


CHANNEL = "gpu-a01:91001:91020 [0] NCCL INFO Channel 00/0 : 0[0] -> 8[0] [send] via {way}\n"
NETWORK = "gpu-a01:91001:91020 [0] NCCL INFO Using network {name}\n"
WARNS = "gpu-a01:91001:91020 [0] NCCL WARN {text}\n"
INIT = "gpu-a01:91001:91020 [0] NCCL INFO comm 0x1 rank 0 nRanks 16 - Init COMPLETE\n"


@pytest.mark.parametrize(
    ("text", "context", "verdict", "transport"),
    [
        (NETWORK.format(name="IB") + CHANNEL.format(way="NET/IB/0"), {}, PASS, "ib"),
        (NETWORK.format(name="IB") + CHANNEL.format(way="NET/IB/0"), {"gdr_required": True}, FAIL, "ib"),
        (CHANNEL.format(way="NET/IB/0/GDRDMA") + CHANNEL.format(way="NET/IB/1"), {"gdr_required": True}, FAIL, "ib"),
        (CHANNEL.format(way="NET/IB/0(1)/GDRDMA/Shared") + INIT, {"gdr_required": True}, PASS, "ib_gdr"),
        (CHANNEL.format(way="NET/IBext_v8/0/GDRDMA(PCI)") + INIT, {"gdr_required": True}, PASS, "ib_gdr"),
        (CHANNEL.format(way="NET/IB/0/GDRDMA") + CHANNEL.format(way="NET/Socket/0"), {}, FAIL, "socket"),
        (NETWORK.format(name="Socket"), {}, FAIL, "socket"),
        (NETWORK.format(name="Socket"), {"socket_allowed": True}, PASS, "socket"),
        (NETWORK.format(name="IB"), {}, UNKNOWN, None),
        (CHANNEL.format(way="P2P/CUMEM"), {}, UNKNOWN, None),
        (CHANNEL.format(way="NET/IB/0").rstrip(), {}, UNKNOWN, None),
        (
            CHANNEL.format(way="NET/IB/0/GDRDMA")
            + WARNS.format(text="NET/IB : Got completion from peer 10.77.3.22<4791> with status=12 opcode=129 len=0"),
            {},
            FAIL,
            "ib_gdr",
        ),
        (WARNS.format(text="Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory") + INIT, {}, FAIL, None),
        (CHANNEL.format(way="NET/IB/0/GDRDMA") + WARNS.format(text="something odd"), {}, WARN, "ib_gdr"),
        ("gpu-a01:91001:91020 [0] NCCL INFO NET/IB : No device found.\n", {}, FAIL, None),
        (
            "gpu-a01:91001:91020 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/RoCE [1]mlx5_1:1/RoCE"
            " [RO]; OOB eth0:10.0.1.10<0>\n" + CHANNEL.format(way="NET/IB/0/GDRDMA"),
            {"devices": ["mlx5_0"], "interfaces": ["eth0"]},
            FAIL,
            "ib_gdr",
        ),
    ],
)
def test_nccl_debug(text: str, context: dict[str, Any], verdict: str, transport: str | None) -> None:
    evidence = registry.parse("nccl_debug", text, context)
    assert (evidence.verdict, evidence.values["transport"]) == (verdict, transport), evidence.reasons


LOOPBACK = "[W ProcessGroupGloo.cpp:721] Warning: Unable to resolve hostname to a (local) address. Using the loopback\n"
CONNECTED = "[Gloo] Rank {rank} is connected to {peers} peer ranks. Expected number of connected peer ranks is : 31\n"


@pytest.mark.parametrize(
    ("text", "context", "verdict", "ranks"),
    [
        (LOOPBACK, {}, FAIL, []),
        (f"[1,8]<stderr>:{LOOPBACK}[rank9]:{LOOPBACK}[rank9]:{LOOPBACK}", {}, FAIL, [8, 9]),
        (f"(EngineCore_DP3 pid=52117) {LOOPBACK}", {}, FAIL, [3]),
        (CONNECTED.format(rank=0, peers=31), {}, PASS, []),
        (CONNECTED.format(rank=0, peers=7), {}, FAIL, []),
        (CONNECTED.format(rank=0, peers=31), {"etc_hosts": "127.0.1.1 gpu-a02\n", "hosts": ["gpu-a02"]}, FAIL, []),
        ("INFO all is well\n", {}, UNKNOWN, []),
    ],
)
def test_gloo_log(text: str, context: dict[str, Any], verdict: str, ranks: list[int]) -> None:
    evidence = registry.parse("gloo_log", text, context)
    assert (evidence.verdict, evidence.values["loopback_ranks"]) == (verdict, ranks), evidence.reasons


@pytest.mark.parametrize(
    ("text", "context", "verdict"),
    [
        ("127.0.0.1 localhost\n::1 ip6-localhost ip6-loopback\n192.168.1.10 node-0\n", {}, PASS),
        ("127.0.0.1 localhost node-0\n", {}, FAIL),
        ("127.0.0.1 localhost\n", {"hosts": ["node-0"]}, UNKNOWN),
        ("192.168.1.10 node-0 # 127.0.1.1 node-0\n127.0.1.1 node-0\n", {"hosts": "node-0"}, PASS),
    ],
)
def test_etc_hosts(text: str, context: dict[str, Any], verdict: str) -> None:
    evidence = registry.parse("etc_hosts", text, context)
    assert evidence.verdict == verdict, evidence.reasons


@pytest.mark.parametrize(
    ("text", "context", "verdict", "iommu"),
    [
        ("BOOT_IMAGE=/vmlinuz root=UUID=1 ro iommu=pt intel_iommu=on\n", {"wanted": ["iommu=pt"]}, PASS, "pt"),
        ("BOOT_IMAGE=/vmlinuz root=UUID=1 ro intel_iommu=on\n", {}, WARN, "on"),
        ("BOOT_IMAGE=/vmlinuz root=UUID=1 ro amd_iommu=on\n", {"gdr_required": True}, FAIL, "on"),
        ("BOOT_IMAGE=/vmlinuz root=UUID=1 ro iommu=pt iommu=nopt\n", {"wanted": "iommu=pt"}, FAIL, "on"),
        ("BOOT_IMAGE=/vmlinuz root=UUID=1 ro intel_iommu=off\n", {}, PASS, "off"),
        ("BOOT_IMAGE=/vmlinuz root=UUID=1 ro iommu.passthrough=1\n", {}, PASS, "pt"),
        ("BOOT_IMAGE=/vmlinuz root=UUID=1 ro quiet\n", {}, PASS, None),
        ("BOOT_IMAGE=/vmlinuz root=UUID=1 ro iommu=p\n", {}, UNKNOWN, "on"),
        ("BOOT_IMAGE=/vmlinuz root=UUID=1 ro -- iommu=pt\n", {"wanted": ["iommu=pt"]}, FAIL, None),
        ('BOOT_IMAGE=/vmlinuz root=UUID=1 dyndbg="file a.c +p" pci=noacs\n', {"unwanted": ["pci"]}, FAIL, None),
        ("console=ttyS0 root=/dev/vda rw\n", {"wanted": ["iommu=pt"]}, FAIL, None),
    ],
)
def test_kernel_command_line(text: str, context: dict[str, Any], verdict: str, iommu: str | None) -> None:
    evidence = registry.parse("kernel_command_line", text, context)
    assert (evidence.verdict, evidence.values["iommu"]) == (verdict, iommu), evidence.reasons


@pytest.mark.parametrize(
    ("text", "context", "verdict"),
    [
        ("LimitMEMLOCK=infinity\nLimitMEMLOCKSoft=infinity\nLimitNOFILE=524288\nLimitNOFILESoft=1024\n", {}, FAIL),
        ("LimitMEMLOCK=8388608\nLimitMEMLOCKSoft=8388608\nLimitNOFILE=65536\n", {"memlock_bytes": 8388608}, PASS),
        ("LimitMEMLOCK=infinity\nLimitMEMLOCKSoft=infinity\nLimitNOFILE=1024\n", {"nofile": 1024}, PASS),
        ("LimitMEMLOCK=infinity\nLimitNOFILE=1048576\n", {}, UNKNOWN),
        ("ActiveState=active\n", {}, UNKNOWN),
    ],
)
def test_service_limits(text: str, context: dict[str, Any], verdict: str) -> None:
    evidence = registry.parse("service_limits", text, context)
    assert evidence.verdict == verdict, evidence.reasons


@pytest.mark.parametrize(
    ("text", "context", "problems"),
    [
        ("NCCL_IB_HCA==mlx5_0:1\nNCCL_SOCKET_IFNAME==eth1\nGLOO_SOCKET_IFNAME=eth1\n# comment\n", {}, 0),
        ("GLOO_SOCKET_IFNAME==eth1\n", {}, 1),
        ("NCCL_IB_TC=106\n", {"dscp": 26}, 0),
        ("NCCL_IB_TC=0x6a\n", {"dscp": 26}, 0),
        ("NCCL_IB_TC=26\n", {"dscp": 26}, 1),
        ("NCCL_DEBUG=WARN\n", {"dscp": 26}, 1),
        ("NCCL_IB_TC=256\nNCCL_IB_GID_INDEX=three\nNCCL_IB_GID_INDEX=three\n", {}, 2),
        ("NCCL_IB_GID_INDEX=-1\n", {}, 0),
        ("export NCCL_DEBUG=INFO\n", {}, 1),
        ("NCCL_DEBUG = INFO\nOTHER = 1\n", {}, 1),
        ("NCCL_DEBUG='WARN'\nNCCL_DEBUG=INFO\n", {}, 1),
        ("NCCL_IB_DISABLE=1\nNCCL_P2P_DISABLE=1\n", {}, 2),
        ("NCCL_IB_DISABLE=0\n", {}, 0),
        ("NCCL_IB_HCA=^\nNCCL_SOCKET_IFNAME=\n", {}, 2),
        ('NCCL_IB_HCA="=mlx5_0, mlx5_1"\n', {}, 1),
        ("OTHER=\nNCCL_DEBUG=WARN\n", {"expected": {"NCCL_DEBUG": "WARN", "NCCL_IB_TC": 106}}, 1),
    ],
)
def test_environment_file(text: str, context: dict[str, Any], problems: int) -> None:
    evidence = registry.parse("environment_file", text, context)
    assert len(evidence.values["problems"]) == problems, evidence.values["problems"]
    assert evidence.verdict == (FAIL if problems else PASS)


def test_an_environment_files_secrets_stay_there() -> None:
    evidence = registry.parse("environment_file", "HF_TOKEN=abc\nNCCL_DEBUG=WARN\n")
    assert evidence.values["variables"] == {"NCCL_DEBUG": "WARN"}


BRIDGE = """{address} PCI bridge: Intel Corporation Root Port (rev 11)
\tCapabilities: {more}
\tKernel driver in use: pcieport
"""
ACS = """[220 v1] Access Control Services
\t\tACSCap:\tSrcValid+ TransBlk+ ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-
\t\tACSCtl:\t{control}"""
OFF = "SrcValid- TransBlk- ReqRedir- CmpltRedir- UpstreamFwd- EgressCtrl- DirectTrans-"


@pytest.mark.parametrize(
    ("text", "context", "verdict", "bad"),
    [
        (BRIDGE.format(address="0000:17:00.0", more=ACS.format(control=OFF)), {"bridges": "17:00.0"}, PASS, []),
        (BRIDGE.format(address="17:00.0", more=ACS.format(control=OFF)), {"bridges": "18:00.0"}, UNKNOWN, []),
        (
            BRIDGE.format(address="17:00.0", more=ACS.format(control=OFF.replace("UpstreamFwd-", "UpstreamFwd+"))),
            {},
            FAIL,
            ["17:00.0"],
        ),
        (
            BRIDGE.format(address="17:00.0", more=ACS.format(control=OFF.replace("DirectTrans-", "DirectTrans+"))),
            {},
            PASS,
            [],
        ),
        (BRIDGE.format(address="17:00.0", more="<access denied>"), {}, UNKNOWN, []),
        (BRIDGE.format(address="17:00.0", more="[100 v1] Advanced Error Reporting"), {}, PASS, []),
        (
            "18:00.0 3D controller: NVIDIA Corporation GH100\n\tCapabilities: " + ACS.format(control=OFF) + "\n",
            {},
            UNKNOWN,
            [],
        ),
        (BRIDGE.format(address="17:00.0", more=ACS.format(control=OFF[:20])), {}, UNKNOWN, []),
    ],
)
def test_pci_acs(text: str, context: dict[str, Any], verdict: str, bad: list[str]) -> None:
    evidence = registry.parse("pci_acs", text, context)
    assert (evidence.verdict, evidence.values["bad_bridges"]) == (verdict, bad), evidence.reasons
