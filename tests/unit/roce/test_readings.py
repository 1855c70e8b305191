"""What tools and sysfs say, as settings, GIDs and MTUs."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.roce import devices, report, tools
from ansible_collections.moefleet.serving.plugins.module_utils.roce.settings import Host

from . import port_double
from .conftest import Bench, bench

DATA = Path(__file__).resolve().parents[2] / "data" / "evidence"
NETWORK = ipaddress.IPv4Network("192.168.1.0/24")


def captured(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["R14_mlnx_qos_old_ok.txt", "R14_mlnx_qos_new_ok.txt"])
def test_a_good_port(name: str) -> None:
    found = tools.mlnx_qos(captured(name))
    assert (found["dcbx"], found["trust"], found["pfc"]) == ("os", "dscp", "0,0,0,1,0,0,0,0")
    assert (found["dscp_priority[26]"], found["dscp_priority[48]"]) == ("3", "6")
    # A traffic class is no priority.
    assert found["priority_classes"] == "1,0,2,3,4,5,6,7"
    assert ("priority_buffers" in found) == ("new" in name)


def test_a_bad_port_without_a_map() -> None:
    found = tools.mlnx_qos(captured("R14_mlnx_qos_new_bad.txt"))
    assert (found["dcbx"], found["trust"], found["pfc"]) == ("firmware", "pcp", "0,0,0,0,0,0,0,0")
    assert not any(name.startswith("dscp_priority") for name in found)


def test_the_double_prints_what_the_tool_prints() -> None:
    """The double stands for mlnx_qos in all other tests: what it prints is read like what was captured."""
    port = port_double.Port()
    for words in (
        ["-d", "os"],
        ["--trust", "dscp"],
        ["--pfc", "0,0,0,1,0,0,0,0"],
        ["--prio2buffer", "0,0,0,1,0,0,0,0"],
    ):
        _, text, _ = port.answer(["mlnx_qos", "-i", "eth1", *words])
    assert text == captured("R14_mlnx_qos_new_ok.txt")


def test_the_other_end_of_the_line_of_sizes() -> None:
    text = captured("R14_mlnx_qos_new_ok.txt").replace("max_buffer_size=262016", "total_size=262016")
    assert tools.mlnx_qos(text)["buffer_sizes"] == "20016,156096,0,0,0,0,0,0"


@pytest.mark.parametrize(
    ("text", "value"),
    [("Global tclass=106\n", "106"), ("Global tclass=0\n", "0"), ("106\n", "106"), ("", None), ("x", None)],
)
def test_the_text_form_of_the_global_class(text: str, value: str | None) -> None:
    assert tools.global_class(text) == value


def test_mtu_of_a_port() -> None:
    assert tools.active_mtu(captured("R17_ibv_devinfo_node1.txt"), "mlx5_0", 1) == 4096
    assert tools.active_mtu(captured("R17_ibv_devinfo_node2.txt"), "mlx5_0", 1) == 1024
    assert tools.active_mtu("", "mlx5_0", 1) is None


@pytest.mark.parametrize(
    ("mtu", "active"), [(None, None), (300, None), (1500, 1024), (2200, 2048), (4199, 2048), (4200, 4096), (9000, 4096)]
)
def test_rdmas_mtu_is_a_power_of_two_below_the_interfaces(mtu: int | None, active: int | None) -> None:
    assert devices.rdma_mtu(mtu) == active


def host(made: Bench, device: str = "mlx5_0") -> Host:
    return Host("eth1", made.run, made.root, device)


def test_the_gid_is_found_by_what_it_is(ofed: Bench) -> None:
    gid, why = devices.choose_gid(devices.gids(host(ofed)), "eth1", NETWORK)
    assert gid is not None
    assert (gid.index, gid.ipv4, why) == (3, "192.168.1.10", "")


def test_another_order_gives_another_index(ofed: Bench) -> None:
    """An address more, and the index moves: nothing remembers it."""
    base = "sys/class/infiniband/mlx5_0/ports/1"
    for part in ("gids", "gid_attrs/types", "gid_attrs/ndevs"):
        ofed.put(f"{base}/{part}/5", ofed.text(f"{base}/{part}/3"))
    ofed.put(f"{base}/gids/3", "fd42:0077:0003:0000:0ac0:ebff:fe11:1001")
    gid, _ = devices.choose_gid(devices.gids(host(ofed)), "eth1", NETWORK)
    assert gid is not None
    assert gid.index == 5


def test_no_address_no_gid(tmp_path: Path) -> None:
    made = bench(tmp_path, "ofed", address="")
    gid, why = devices.choose_gid(devices.gids(host(made)), "eth1", NETWORK)
    assert (gid, why) == (None, "no RoCE v2 GID with an IPv4 address: eth1 has none, only 2 GIDs of other kinds")


def test_an_address_outside_the_data_network_is_not_taken(ofed: Bench) -> None:
    other = ipaddress.IPv4Network("192.168.7.0/24")
    gid, why = devices.choose_gid(devices.gids(host(ofed)), "eth1", other)
    assert (gid, why) == (None, "no RoCE v2 GID in 192.168.7.0/24: eth1 has 192.168.1.10")


def test_soft_roce_is_found_by_its_parent(rxe: Bench) -> None:
    assert devices.devices(host(rxe)) == {"rxe0": 1}


def test_a_device_is_found_by_its_gids_alone(ofed: Bench) -> None:
    (ofed.root / "sys/class/infiniband/mlx5_0/device/net/eth1").rmdir()
    assert devices.device(host(ofed)) == ("mlx5_0", 1)


def test_a_device_of_another_interface_is_none(ofed: Bench) -> None:
    with pytest.raises(devices.DeviceError, match="RDMA device mlx5_1 isn't behind eth1: it is behind mlx5_0"):
        devices.device(host(ofed), "mlx5_1")


def test_what_the_port_needs_of_others(tmp_path: Path) -> None:
    made = bench(tmp_path, "ofed", address="192.168.9.9", mtu=1500)
    wanted = made.want()
    unmet = report.unmet(made.survey(), wanted)
    assert unmet == [
        "mtu of eth1 is 1500, which makes RDMA's 1024; it should be at least 4200, for 4096",
        "gid: no RoCE v2 GID in 192.168.1.0/24: eth1 has 192.168.9.9",
    ]


def test_without_ibv_devinfo_the_mtu_is_computed_and_says_so(ofed: Bench) -> None:
    ofed.port.tools.discard("ibv_devinfo")
    facts = report.facts(ofed.survey(), ofed.want())
    assert (facts["active_mtu"], facts["active_mtu_from"]) == (4096, "computed from the interface's MTU")
