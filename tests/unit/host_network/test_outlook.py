"""What has to change: files, and what the kernel has; the kernel is what counts."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import outlook
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.observe import NetworkError

from .conftest import PCI, FakeHost

DATA: dict[str, Any] = {
    "role": "data",
    "name": "data0",
    "match": {"pci": PCI["ens1f0np0"]},
    "addresses": ["192.168.1.10/24"],
    "mtu": 4200,
}
STORAGE: dict[str, Any] = {
    "role": "storage",
    "name": "eth2",
    "match": {"name": "eth2"},
    "addresses": ["172.16.1.10/24"],
}
SERVICE = "moefleet-vllm.service"


@pytest.fixture
def networkd(host: FakeHost) -> FakeHost:
    """A host of networkd."""
    host.active.add("systemd-networkd.service")
    return host


def look(host: FakeHost, *entries: dict[str, Any]) -> outlook.Outlook:
    return outlook.look(entries, "", host.root, host.run)


def settle(host: FakeHost, found: outlook.Outlook) -> None:
    """Make the host what was wanted."""
    for change in found.files:
        path = host.root / change.path.lstrip("/")
        if change.after is None:
            path.unlink()
        else:
            host.write(change.path, change.after).chmod(int(change.mode, 8))
    host.network["addresses"] = {"ens1f0np0": ["192.168.1.10/24"], "eth2": ["172.16.1.10/24"]}
    host.network["routes"] = [
        {"dst": "192.168.1.0/24", "dev": "ens1f0np0", "table": "4101", "prefsrc": "192.168.1.10", "scope": "link"}
    ]
    host.network["rules"] = [{"priority": 4101, "src": "192.168.1.10", "table": "4101"}]
    host.write("/sys/class/net/ens1f0np0/mtu", "4200\n")


def test_a_bare_host_lacks_everything(networkd: FakeHost) -> None:
    found = look(networkd, DATA, STORAGE)
    assert [change.path for change in found.files] == [
        "/etc/systemd/network/05-moefleet-data0.network",
        "/etc/systemd/network/05-moefleet-data0.link",
        "/etc/systemd/network/05-moefleet-eth2.network",
    ]
    assert [str(one) for one in found.differences] == [
        "data0: mtu is 1500, wanted 4200",
        "data0: address 192.168.1.10/24 is absent, wanted present",
        "data0: route 192.168.1.0/24 table 4101 src 192.168.1.10 is absent, wanted present",
        "data0: rule from 192.168.1.10 lookup 4101 is absent, wanted present",
        "eth2: address 172.16.1.10/24 is absent, wanted present",
    ]


def test_a_host_that_has_it_has_nothing_to_change(networkd: FakeHost) -> None:
    settle(networkd, look(networkd, DATA, STORAGE))
    assert not look(networkd, DATA, STORAGE).changed


@pytest.mark.parametrize(
    ("drift", "words"),
    [
        ({"addresses": {"ens1f0np0": []}}, "address 192.168.1.10/24"),
        ({"routes": []}, "route 192.168.1.0/24 table 4101"),
        ({"rules": []}, "rule from 192.168.1.10 lookup 4101"),
    ],
)
def test_drift_is_seen_though_the_files_are_right(networkd: FakeHost, drift: dict[str, Any], words: str) -> None:
    settle(networkd, look(networkd, DATA))
    networkd.network.update(drift)
    found = look(networkd, DATA)
    assert found.files == ()
    assert words in str(found.differences[0])
    assert [bound.interface.name for bound in found.affected()] == ["data0"]


def test_an_mtu_in_the_file_is_not_an_mtu_on_the_port(networkd: FakeHost) -> None:
    """What a backend ignores is a difference, whatever its file says."""
    settle(networkd, look(networkd, DATA))
    networkd.write("/sys/class/net/ens1f0np0/mtu", "1500\n")
    assert [str(one) for one in look(networkd, DATA).differences] == ["data0: mtu is 1500, wanted 4200"]


def test_a_route_on_another_port_is_not_the_route(networkd: FakeHost) -> None:
    settle(networkd, look(networkd, DATA))
    networkd.network["routes"][0]["dev"] = "eth0"
    assert "route 192.168.1.0/24" in str(look(networkd, DATA).differences[0])


def test_a_file_that_others_may_read_differs(host: FakeHost) -> None:
    host.active.add("NetworkManager.service")
    settle(host, look(host, DATA))
    path = host.root / "etc/NetworkManager/system-connections/moefleet-data0.nmconnection"
    path.chmod(0o644)
    assert [change.path for change in look(host, DATA).files] == ["/" + str(path.relative_to(host.root))]


def test_a_port_in_use_gets_its_name_at_the_next_boot(networkd: FakeHost) -> None:
    found = look(networkd, DATA, STORAGE)
    assert found.reboot_reasons == ("ens1f0np0 is named data0 at the next boot",)


def test_addresses_that_nobody_asked_for_are_said(networkd: FakeHost) -> None:
    settle(networkd, look(networkd, DATA))
    networkd.network["addresses"]["ens1f0np0"].append("192.168.1.99/24")
    found = look(networkd, DATA)
    assert (found.changed, found.surplus) == (False, ("ens1f0np0: 192.168.1.99/24",))


def test_a_port_that_is_given_up_loses_its_files(networkd: FakeHost) -> None:
    settle(networkd, look(networkd, DATA, STORAGE))
    found = look(networkd, {"role": "data", "name": "data0", "state": "absent"}, STORAGE)
    assert [(change.path, change.after) for change in found.files] == [
        ("/etc/systemd/network/05-moefleet-data0.network", None),
        ("/etc/systemd/network/05-moefleet-data0.link", None),
    ]


def test_one_port_under_two_names_is_refused(networkd: FakeHost) -> None:
    twice = {**DATA, "name": "data1", "match": {"name": "ens1f0np0"}, "addresses": ["192.168.9.1/24"]}
    with pytest.raises(NetworkError, match="data1 and data0 are both ens1f0np0"):
        look(networkd, DATA, twice)


def test_everything_that_is_not_there_is_said_at_once(networkd: FakeHost) -> None:
    absent = [{**DATA, "name": f"data{n}", "match": {"name": f"eth{n}"}, "addresses": []} for n in (7, 8)]
    with pytest.raises(NetworkError) as caught:
        look(networkd, *absent)
    assert "data7 (name eth7)" in str(caught.value)
    assert "data8 (name eth8)" in str(caught.value)


def test_nothing_changes_on_a_data_port_under_a_running_service(networkd: FakeHost) -> None:
    networkd.active.add(SERVICE)
    found = look(networkd, DATA, STORAGE)
    (words,) = outlook.guarded(found, SERVICE, networkd.run)
    assert f"{SERVICE} is active and data0 would change under it" in words
    assert f"systemctl stop {SERVICE}" in words
    networkd.active.remove(SERVICE)
    assert outlook.guarded(found, SERVICE, networkd.run) == []


def test_the_storage_port_may_change_under_a_running_service(networkd: FakeHost) -> None:
    settle(networkd, look(networkd, DATA, STORAGE))
    networkd.active.add(SERVICE)
    networkd.network["addresses"]["eth2"] = []
    found = look(networkd, DATA, STORAGE)
    assert found.changed
    assert outlook.guarded(found, SERVICE, networkd.run) == []


def test_netplan_goes_over_all_ports_so_any_change_touches_data(host: FakeHost) -> None:
    host.write("/usr/sbin/netplan", "")
    host.write("/etc/netplan/01.yaml", "network: {version: 2}\n")
    settle(host, look(host, DATA, STORAGE))
    host.active.add(SERVICE)
    host.network["addresses"]["eth2"] = []
    (words,) = outlook.guarded(look(host, DATA, STORAGE), SERVICE, host.run)
    assert "data0 would change under it" in words
