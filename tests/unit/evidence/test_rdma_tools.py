"""Formats of other versions and states: GIDs, ports, QoS, pause, counters, traffic class, LLDP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import gids, ib_port, registry, traffic_class
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS, UNKNOWN, WARN

DATA = Path(__file__).resolve().parents[2] / "data" / "evidence"

DEVINFO = """hca_id:\tmlx5_0
\tphys_port_cnt:\t\t\t1
\t\tport:\t1
\t\t\tstate:\t\t\tPORT_ACTIVE (4)
\t\t\tmax_mtu:\t\t4096 (5)
\t\t\tactive_mtu:\t\t4096 (5)
\t\t\tlink_layer:\t\tEthernet
\t\t\tGID[  0]:\t\tfe80:0000:0000:0000:0ac0:ebff:fe11:1001, RoCE v1
\t\t\tGID[  1]:\t\tfe80::ac0:ebff:fe11:1001, RoCE v2
\t\t\tGID[  2]:\t\t0000:0000:0000:0000:0000:ffff:0a4d:0315, RoCE v1
\t\t\tGID[  3]:\t\t::ffff:10.77.3.21, RoCE v2
"""
SYSFS = """/sys/class/infiniband/rxe0/ports/1/gids/0:fe80:0000:0000:0000:0ac0:ebff:fe11:1001
/sys/class/infiniband/rxe0/ports/1/gids/1:0000:0000:0000:0000:0000:ffff:0a4d:0315
/sys/class/infiniband/rxe0/ports/1/gids/2:0000:0000:0000:0000:0000:0000:0000:0000
/sys/class/infiniband/rxe0/ports/1/gid_attrs/types/0:RoCE v2
/sys/class/infiniband/rxe0/ports/1/gid_attrs/types/1:RoCE v2
grep: /sys/class/infiniband/rxe0/ports/1/gid_attrs/types/2: Invalid argument
/sys/class/infiniband/rxe0/ports/1/gid_attrs/ndevs/1:eth1
"""
TAIL = "".join(
    f"==> {path} <==\n{value}\n\n"
    for path, _, value in (line.partition(":") for line in SYSFS.splitlines() if not line.startswith("grep"))
)


@pytest.mark.parametrize(
    ("text", "context", "verdict", "index"),
    [
        (DEVINFO, {}, PASS, {"mlx5_0": 3}),
        (DEVINFO.replace("RoCE v1", "IB/RoCE v1"), {"subnet": "10.77.3.0/24"}, PASS, {"mlx5_0": 3}),
        (DEVINFO, {"subnet": "10.78.0.0/16"}, FAIL, {}),
        (DEVINFO, {"address": "10.77.3.21/24"}, PASS, {"mlx5_0": 3}),
        (DEVINFO.replace(", RoCE v1", "").replace(", RoCE v2", ""), {}, UNKNOWN, {"mlx5_0": None}),
        (DEVINFO[: DEVINFO.index("\t\t\tGID")], {}, UNKNOWN, {}),
        (DEVINFO, {"devices": ["mlx5_0", "mlx5_1"]}, UNKNOWN, {"mlx5_0": 3}),
        (DEVINFO + "\t\t\tGID[  4]:\t\t::ffff:10.99.0.1, RoCE v2\n", {}, WARN, {"mlx5_0": 3}),
        (DEVINFO + "\t\t\tGID[  4]:\t\t::ffff:10.99.0.1, RoCE v2\n", {"subnet": "10.99.0.0/24"}, PASS, {"mlx5_0": 4}),
        (DEVINFO, {"subnet": "somewhere"}, UNKNOWN, None),
        (SYSFS, {"interface": "eth1"}, PASS, {"rxe0": 1}),
        (SYSFS, {"gid_index": 1}, PASS, {"rxe0": 1}),
        (SYSFS, {"interface": "eth9"}, FAIL, {}),
        (TAIL, {"interface": "eth1"}, PASS, {"rxe0": 1}),
        ("n_gids_found=0\n", {}, FAIL, {}),
    ],
)
def test_gids(text: str, context: dict[str, Any], verdict: str, index: dict[str, int | None] | None) -> None:
    evidence = registry.parse("gids", text, context)
    assert evidence.verdict == verdict, evidence.reasons
    assert evidence.values.get("index") == index


def test_one_index_for_all_hosts_exists_only_where_all_have_it() -> None:
    hosts = {
        host: gids.parse((DATA / f"R03_show_gids_{host}.txt").read_text(encoding="utf-8")).values["index"]
        for host in ("node1", "node2")
    }
    assert hosts == {"node1": {"mlx5_0": 5}, "node2": {"mlx5_0": 3}}
    assert gids.common_index(hosts) is None
    assert gids.common_index({"node1": {"mlx5_0": 3, "mlx5_1": 3}, "node2": {"mlx5_0": 3}}) == 3
    assert gids.common_index({}) is None


RDMA_LINK = """link mlx5_0/1 state ACTIVE physical_state LINK_UP netdev ens1f0np0
link mlx5_1/1 subnet_prefix fe80:0000:0000:0000 lid 13400 state DOWN physical_state DISABLED
8/1: mlx5_bond_0/1: state ACTIVE physical_state LINK_UP netdev bond0
"""
RDMA_JSON = json.dumps(
    [{"ifindex": 0, "ifname": "rxe0", "port": 1, "state": "ACTIVE", "physical_state": "LINK_UP", "netdev": "eth1"}]
)


@pytest.mark.parametrize(
    ("text", "context", "verdict", "state"),
    [
        (RDMA_LINK, {"interface": "bond0"}, PASS, {"mlx5_0": "ACTIVE", "mlx5_1": "DOWN", "mlx5_bond_0": "ACTIVE"}),
        (RDMA_LINK, {"devices": "mlx5_1"}, FAIL, None),
        (RDMA_LINK, {"active_mtu": 4096}, UNKNOWN, None),
        (RDMA_JSON, {"interface": "eth1"}, PASS, {"rxe0": "ACTIVE"}),
        ("warning: x\n" + RDMA_JSON, {}, PASS, {"rxe0": "ACTIVE"}),
        (DEVINFO, {"active_mtu": 4096}, PASS, {"mlx5_0": "ACTIVE"}),
        (DEVINFO, {"interface": "eth1"}, UNKNOWN, None),
        (DEVINFO.replace("active_mtu:\t\t4096 (5)", "active_mtu:\t\t(5)"), {"active_mtu": 4096}, PASS, None),
        (DEVINFO.replace("active_mtu:\t\t4096 (5)", "active_mtu:\t\t5"), {"active_mtu": 4096}, PASS, None),
        (DEVINFO.replace("active_mtu:\t\t4096 (5)", "active_mtu:\t\t4096 (3)"), {}, UNKNOWN, None),
        (DEVINFO.replace("active_mtu:\t\t4096 (5)", "active_mtu:\t\tinvalid MTU (0)"), {}, UNKNOWN, None),
        (DEVINFO.replace("active_mtu:\t\t4096 (5)", "active_mtu:\t\t1024 (3)"), {"active_mtu": 1024}, PASS, None),
        (DEVINFO.replace("phys_port_cnt:\t\t\t1", "phys_port_cnt:\t\t\t2"), {}, UNKNOWN, None),
        (DEVINFO.replace("PORT_ACTIVE (4)", "PORT_INIT (2)"), {}, FAIL, {"mlx5_0": "INIT"}),
        ("No IB devices found\n", {}, FAIL, {}),
    ],
)
def test_ib_port(text: str, context: dict[str, Any], verdict: str, state: dict[str, str] | None) -> None:
    evidence = registry.parse("ib_port", text, context)
    assert evidence.verdict == verdict, evidence.reasons
    assert state is None or evidence.values["state"] == state


def test_two_hosts_need_the_same_mtu() -> None:
    one, other = ((DATA / f"R17_ibv_devinfo_node{n}.txt").read_text(encoding="utf-8") for n in (1, 2))
    evidence = registry.parse("ib_port", one, {"peer": other})
    assert evidence.verdict == FAIL
    assert "active MTU 4096 here, 1024 on the other host" in evidence.reasons[0]
    assert registry.parse("ib_port", one, {"peer": one}).verdict == PASS
    assert registry.parse("ib_port", one, {"peer": "nothing"}).verdict == UNKNOWN
    hosts = {"a": ib_port.active(ib_port.parse(one)), "b": ib_port.active(ib_port.parse(other))}
    assert hosts["b"] == {"mlx5_0": 1024}, "a port that is down does not count"
    assert ib_port.mtu_differs(hosts)


MLNX = (DATA / "R14_mlnx_qos_new_ok.txt").read_text(encoding="utf-8")
LOSSLESS = {"pfc": True, "lossless_priority": 3, "dscp": 26}


@pytest.mark.parametrize(
    ("text", "context", "verdict"),
    [
        (MLNX, {**LOSSLESS, "dscp": 48}, FAIL),
        (MLNX, {"pfc": False}, FAIL),
        (MLNX.replace("enabled     0   0   0   1", "enabled     0   0   0   0"), {"pfc": False}, PASS),
        (MLNX.replace("enabled     0   0   0   1", "enabled     0   0   0   0"), {"pfc": True}, FAIL),
        (
            MLNX.replace("enabled     0   0   0   1", "enabled     0   0   0   1").replace(
                "1   0   0   0   0   \n\tb", "1   0   1   0   0   \n\tb"
            ),
            LOSSLESS,
            WARN,
        ),
        (MLNX.replace("buffer      0   0   0   1", "buffer      0   0   0   0"), LOSSLESS, WARN),
        (MLNX.replace("DCBX mode: OS controlled\n", ""), LOSSLESS, PASS),
        (MLNX.replace("OS controlled", "Firmware controlled"), LOSSLESS, FAIL),
        (MLNX[: MLNX.index("tc: 7")], LOSSLESS, UNKNOWN),
        (MLNX.replace("\tprio:3 dscp:31,30,29,28,27,26,25,24,\n", ""), LOSSLESS, FAIL),
        (
            "Priority trust state is not supported on your system\nETS features are not supported on your system\n",
            {},
            FAIL,
        ),
    ],
)
def test_mlnx_qos(text: str, context: dict[str, Any], verdict: str) -> None:
    evidence = registry.parse("mlnx_qos", text, context)
    assert evidence.verdict == verdict, evidence.reasons


PFC = "pfc-cap 8 macsec-bypass off delay 4096 \nprio-pfc 0:off 1:off 2:off 3:on 4:off 5:off 6:off 7:off \n"
APP = "dscp-prio AF31:3 CS6:6 \n"
BUFFER = (
    "prio-buffer 0:0 1:0 2:0 3:1 4:0 5:0 6:0 7:0 \n"
    "buffer-size 0:20016b 1:156096b 2:0b 3:0b 4:0b 5:0b 6:0b 7:0b \ntotal-size 262016b \n"
)
PFC_JSON = '{"pfc_cap":8,"macsec_bypass":false,"delay":0,"prio_pfc":[false,false,false,true,false,false,false,false]}'


@pytest.mark.parametrize(
    ("text", "context", "verdict", "values"),
    [
        (PFC + APP, LOSSLESS, PASS, {"trust": "dscp", "dscp_to_priority": {26: 3, 48: 6}}),
        (PFC + "dscp-prio 26:3 48:6 \n", LOSSLESS, PASS, {"dscp_to_priority": {26: 3, 48: 6}}),
        (PFC_JSON + '{"dscp_prio":[[26,3],[48,6]]}', LOSSLESS, PASS, {"pfc": [0, 0, 0, 1, 0, 0, 0, 0]}),
        (
            PFC + BUFFER + APP,
            LOSSLESS,
            PASS,
            {"buffer": [0, 0, 0, 1, 0, 0, 0, 0], "buffer_bytes": [20016, 156096, *[0] * 6]},
        ),
        (PFC, {}, PASS, {"trust": None}),
        (PFC, LOSSLESS, UNKNOWN, {"dscp_to_priority": None}),
        (PFC + "dscp-prio CS6:6 \n", LOSSLESS, FAIL, {}),
        (PFC + "dscp-prio AF31:2 AF31:3 \n", LOSSLESS, FAIL, {}),
        (PFC + "dscp-prio AF31:4 \n", LOSSLESS, FAIL, {}),
        (PFC.replace("3:on", "3:off"), LOSSLESS, FAIL, {"pfc": [0] * 8}),
        (PFC.replace(" 7:off", ""), {}, UNKNOWN, {"pfc": None}),
        (PFC + "order: pcp \n" + APP, LOSSLESS, FAIL, {"trust": "pcp"}),
        (PFC + "lld-managed ieee \n", {}, FAIL, {"dcbx": "firmware"}),
        (PFC + "host ieee \n", {}, PASS, {"dcbx": "os"}),
        (PFC + '{"host":true,"ieee":true}', {}, PASS, {"dcbx": "os"}),
        (
            "prio-tc 0:1 1:0 2:2 3:3 4:4 5:5 6:6 7:7 \n",
            {},
            PASS,
            {"priority_to_tc": {0: 1, 1: 0, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7}},
        ),
        ("Attribute read: Operation not supported\n", {}, FAIL, {}),
    ],
)
def test_dcb(text: str, context: dict[str, Any], verdict: str, values: dict[str, Any]) -> None:
    evidence = registry.parse("dcb", text, context)
    assert evidence.verdict == verdict, evidence.reasons
    assert {name: evidence.values[name] for name in values} == values


PAUSE = "Pause parameters for eth1:\nAutonegotiate:\toff\nRX:\t\t{rx}\nTX:\t\t{tx}\n"


@pytest.mark.parametrize(
    ("text", "context", "verdict", "rx"),
    [
        (PAUSE.format(rx="on", tx="on"), {}, PASS, True),
        (PAUSE.format(rx="on", tx="off"), {"pfc": True}, FAIL, True),
        (PAUSE.format(rx="off", tx="off") + "RX negotiated: on\nTX negotiated: on\n", {"pfc": True}, PASS, False),
        (PAUSE.format(rx="off", tx="off"), {"rx": True}, FAIL, False),
        (PAUSE.format(rx="off", tx="off").rpartition("TX")[0], {}, UNKNOWN, False),
        ('[{"ifname":"eth1","autonegotiate":false,"rx":true,"tx":true}]', {"pfc": True}, FAIL, True),
        ("Cannot get device pause settings: Operation not supported\n", {}, FAIL, None),
        ("netlink error: Operation not supported\n", {}, FAIL, None),
    ],
)
def test_ethtool_pause(text: str, context: dict[str, Any], verdict: str, rx: bool | None) -> None:
    evidence = registry.parse("ethtool_pause", text, context)
    assert (evidence.verdict, evidence.values["rx"]) == (verdict, rx), evidence.reasons


COUNTERS = "NIC statistics:\n     rx_prio3_bytes: {bytes}\n     tx_prio3_bytes: {bytes}\n     rx_discards_phy: {lost}\n"


@pytest.mark.parametrize(
    ("grown", "lost", "context", "verdict"),
    [
        (100, 0, {}, PASS),
        (0, 0, {}, FAIL),
        (100, 3, {}, FAIL),
        (-5, 0, {}, UNKNOWN),
        (100, 0, {"minimum": {"tx_prio3_bytes": 1000}}, FAIL),
        (100, 0, {"maximum": {"rx_discards_phy": 0}, "zero": ["rx_discards_phy"]}, PASS),
        (100, 0, {"zero": ["tx_pause_storm_error_events"]}, UNKNOWN),
        (100, 0, {"lossless_priority": 5}, UNKNOWN),
    ],
)
def test_ethtool_statistics(grown: int, lost: int, context: dict[str, Any], verdict: str) -> None:
    before = COUNTERS.format(bytes=1000, lost=7)
    after = COUNTERS.format(bytes=1000 + grown, lost=7 + lost)
    for earlier in (before, registry.parse("ethtool_statistics", before).values):
        evidence = registry.parse("ethtool_statistics", after, {"lossless_priority": 3, **context, "before": earlier})
        assert evidence.verdict == verdict, evidence.reasons
    assert evidence.values["rx_prio3_bytes"] == 1000 + grown


def test_ethtool_statistics_without_an_earlier_call() -> None:
    text = COUNTERS.format(bytes=1, lost=0)
    assert registry.parse("ethtool_statistics", text).verdict == PASS
    assert registry.parse("ethtool_statistics", text, {"zero": "rx_discards_phy"}).verdict == PASS
    assert registry.parse("ethtool_statistics", text + "     rx_prio3_by").verdict == UNKNOWN
    assert registry.parse("ethtool_statistics", "no stats available\n").verdict == FAIL


@pytest.mark.parametrize(
    ("text", "context", "verdict", "dscp"),
    [
        ("106\n", {"dscp": 26, "lossless_priority": 3}, PASS, 26),
        ("0x68\n", {"dscp": 26}, PASS, 26),
        ("Global tclass=0\n", {}, PASS, 0),
        ("Global tclass=0\n", {"dscp": 26}, FAIL, 0),
        ("Global tclass=0\n", {"dscp": 26, "nccl_ib_tc": "104"}, PASS, 26),
        ("Global tclass=106\n", {"dscp": 26, "ecn": 0}, WARN, 26),
        ("Global tclass=106\n", {"nccl_ib_tc": ""}, PASS, 26),
        ("Global tclass=106\n", {"nccl_ib_tc": "twenty"}, FAIL, None),
        ("Global tclass=256\n", {}, FAIL, None),
        ("Global tclass=\n", {"nccl_ib_tc": 106}, UNKNOWN, None),
        ("46\n", {"dscp": 11, "lossless_priority": 3, "dscp_to_priority": {"11": 3}}, WARN, 11),
        ("184\n", {"dscp": 46, "lossless_priority": 3, "dscp_to_priority": {46: 3}}, PASS, 46),
    ],
)
def test_traffic_class(text: str, context: dict[str, Any], verdict: str, dscp: int | None) -> None:
    if text == "46\n":
        context = {**context, "ecn": 0}
    evidence = registry.parse("traffic_class", text, context)
    assert (evidence.verdict, evidence.values["dscp"]) == (verdict, dscp), evidence.reasons


@given(st.integers(0, 63), st.integers(0, 3))
def test_a_traffic_class_is_dscp_and_ecn(dscp: int, ecn: int) -> None:
    evidence = registry.parse("traffic_class", f"Global tclass={traffic_class.traffic_class(dscp, ecn)}\n")
    assert (evidence.values["dscp"], evidence.values["ecn"]) == (dscp, ecn)
    assert evidence.values["priority"] == dscp // 8


@pytest.mark.parametrize(("dscp", "ecn"), [(64, 0), (-1, 0), (26, 4)])
def test_a_dscp_out_of_range_is_refused(dscp: int, ecn: int) -> None:
    with pytest.raises(ValueError):
        traffic_class.traffic_class(dscp, ecn)


def test_all_cases_of_a_table_are_judged() -> None:
    evidence = registry.parse("traffic_class", (DATA / "R08_tc_table.csv").read_text(encoding="utf-8"))
    assert evidence.verdict == FAIL
    verdicts = {name: case["verdict"] for name, case in evidence.values["cases"].items()}
    assert verdicts == {"a": PASS, "b": PASS, "c": FAIL, "d": WARN, "e": FAIL, "f": PASS, "g": PASS, "h": FAIL}


LLDP_LINES = """lldp.eth1.via=LLDP
lldp.eth1.chassis.mac=00:11:22:33:44:55
lldp.eth1.chassis.name=leaf-1
lldp.eth1.port.ifname=Ethernet1/3
lldp.eth1.port.descr=to node-0
lldp.eth1.unknown-tlvs.unknown-tlv.oui=00,80,C2
lldp.eth1.unknown-tlvs.unknown-tlv.subtype=11
lldp.eth1.unknown-tlvs.unknown-tlv.len=2
lldp.eth1.unknown-tlvs.unknown-tlv=08,08
lldp.eth1.unknown-tlvs.unknown-tlv.oui=00,80,C2
lldp.eth1.unknown-tlvs.unknown-tlv.subtype=12
lldp.eth1.unknown-tlvs.unknown-tlv.len=7
lldp.eth1.unknown-tlvs.unknown-tlv=00,65,00,1A,C5,00,30
"""
TLVS = [
    {"oui": "00,80,C2", "subtype": "11", "len": "2", "value": "08,08"},
    {"oui": "00,80,C2", "subtype": "9", "len": "21", "value": "00,01,23,45,67," + ",".join(["00"] * 16)},
]
PORT = {"id": {"type": "ifname", "value": "Ethernet1/3"}, "descr": "to node-0"}
LLDP_JSON = {
    "lldp": {
        "interface": [
            {
                "eth1": {
                    "via": "LLDP",
                    "chassis": {"leaf-1": {"id": {"type": "mac", "value": "00:11"}}},
                    "port": PORT,
                    "unknown-tlvs": {"unknown-tlv": TLVS},
                }
            }
        ]
    }
}
LLDP_JSON0 = {
    "lldp": [
        {
            "interface": [
                {
                    "name": "eth1",
                    "chassis": [{"name": [{"value": "leaf-1"}]}],
                    "port": [{"id": [{"type": "ifname", "value": "Ethernet1/3"}], "descr": [{"value": "to node-0"}]}],
                }
            ]
        }
    ]
}


@pytest.mark.parametrize(
    ("text", "context", "verdict"),
    [
        (LLDP_LINES, {"lossless_priority": 3, "dscp": 26, "expected": {"eth1": "leaf-1:Ethernet1/3"}}, PASS),
        (LLDP_LINES, {"lossless_priority": 4}, FAIL),
        (LLDP_LINES, {"lossless_priority": 3, "dscp": 48}, FAIL),
        (LLDP_LINES, {"expected": {"eth1": "leaf-2"}}, FAIL),
        (LLDP_LINES, {"interfaces": ["eth1", "eth2"]}, UNKNOWN),
        (LLDP_LINES[: LLDP_LINES.index("lldp.eth1.port")], {}, UNKNOWN),
        (LLDP_LINES.replace("=08,08", "=08"), {}, UNKNOWN),
        (json.dumps(LLDP_JSON), {"lossless_priority": 3, "expected": {"eth1": "leaf-1:to node-0"}}, PASS),
        (json.dumps(LLDP_JSON0), {"lossless_priority": 3}, PASS),
        (json.dumps({"lldp": {}}), {"interfaces": ["eth1"]}, UNKNOWN),
    ],
)
def test_lldp(text: str, context: dict[str, Any], verdict: str) -> None:
    evidence = registry.parse("lldp", text, context)
    assert evidence.verdict == verdict, evidence.reasons
    for peer in evidence.values["neighbours"].values():
        assert peer["switch"] == "leaf-1"


def test_lldp_decodes_what_the_switch_announces() -> None:
    lines = registry.parse("lldp", LLDP_LINES).values["neighbours"]["eth1"]
    assert lines["pfc"] == [0, 0, 0, 1, 0, 0, 0, 0]
    assert lines["dscp_to_priority"] == {26: 3, 48: 6}
    document = registry.parse("lldp", json.dumps(LLDP_JSON)).values["neighbours"]["eth1"]
    assert document["priority_to_tc"] == {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7}
    assert document["port"] == "Ethernet1/3"
