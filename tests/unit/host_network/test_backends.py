"""Which backend has an interface, by what can be seen; and never two of them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import backends, outlook
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.observe import NetworkError

from .conftest import FakeHost

NETWORKD, NM = "systemd-networkd.service", "NetworkManager.service"
DATA: dict[str, Any] = {"role": "data", "name": "eth2", "match": {"name": "eth2"}, "addresses": ["192.168.1.10/24"]}
STORAGE: dict[str, Any] = {
    "role": "storage",
    "name": "eth0",
    "match": {"name": "eth0"},
    "addresses": ["172.16.1.10/24"],
}


def networkd(host: FakeHost, index: int = 4, file: str = "/etc/systemd/network/20-lan.network") -> None:
    host.active.add(NETWORKD)
    host.write(f"/run/systemd/netif/links/{index}", f"ADMIN_STATE=configured\nNETWORK_FILE={file}\n")


def network_manager(host: FakeHost, index: int = 4, managed: str = "true") -> None:
    host.active.add(NM)
    state = f"[device]\nmanaged={managed}\nconnection-uuid=11111111-2222-3333-4444-555555555555\n"
    host.write(f"/run/NetworkManager/devices/{index}", state)


def ifupdown(host: FakeHost, stanza: str = "auto eth2\niface eth2 inet dhcp\n") -> None:
    host.write("/usr/sbin/ifup", "")
    host.write("/etc/network/interfaces", f"source /etc/network/interfaces.d/*\n{stanza}")


def netplan(host: FakeHost) -> None:
    host.write("/usr/sbin/netplan", "")
    host.write("/etc/netplan/50-cloud-init.yaml", "network: {version: 2, ethernets: {eno9: {dhcp4: true}}}\n")


def chosen(host: FakeHost, *entries: dict[str, Any], forced: str = "") -> str:
    return outlook.look(entries or (DATA,), forced, host.root, host.run).backend


@pytest.mark.parametrize(("backend", "arrange"), [("networkd", networkd), ("NetworkManager", network_manager)])
def test_the_one_that_has_the_port_is_used(host: FakeHost, backend: str, arrange: Any) -> None:
    arrange(host)
    assert chosen(host) == backend


def test_the_one_that_runs_is_used_where_none_has_the_port(host: FakeHost) -> None:
    host.active.add(NETWORKD)
    assert chosen(host) == "networkd"
    netplan(host)
    assert chosen(host) == "netplan", "networkd is netplan's here"


def test_ports_that_netplan_gave_to_networkd_are_netplans(host: FakeHost) -> None:
    networkd(host, file="/run/systemd/network/10-netplan-eth2.network")
    assert chosen(host) == "netplan"


def test_ports_that_netplan_gave_to_networkmanager_are_netplans(host: FakeHost) -> None:
    network_manager(host)
    host.write(
        "/run/NetworkManager/system-connections/netplan-eth2.nmconnection",
        "[connection]\nuuid=11111111-2222-3333-4444-555555555555\n",
    )
    assert chosen(host) == "netplan"


def test_ifupdown_with_a_stanza_of_ours(host: FakeHost) -> None:
    ifupdown(host, "")
    host.write("/etc/network/interfaces.d/moefleet-eth2", "auto eth2\niface eth2 inet static\n    address 1.2.3.4/24\n")
    assert chosen(host) == "ifupdown"


def test_a_stanza_elsewhere_is_refused_by_file(host: FakeHost) -> None:
    ifupdown(host)
    with pytest.raises(NetworkError, match=r"eth2 is configured in /etc/network/interfaces too: take it out there"):
        chosen(host)


def test_ifupdown_that_does_not_read_its_directory_is_refused(host: FakeHost) -> None:
    host.write("/usr/sbin/ifup", "")
    host.write("/etc/network/interfaces", "auto lo\niface lo inet loopback\n")
    with pytest.raises(NetworkError, match=r"add the line `source /etc/network/interfaces.d/\*`"):
        chosen(host)


def test_a_stanza_that_leaves_the_port_alone_is_no_claim(host: FakeHost) -> None:
    ifupdown(host, "iface eth2 inet manual\n")
    networkd(host)
    assert chosen(host) == "networkd"


def test_another_file_of_netplan_for_the_port_is_refused(host: FakeHost) -> None:
    netplan(host)
    content = "network:\n  version: 2\n  ethernets:\n    eth2:\n      dhcp4: true\n"
    host.write("/etc/netplan/50-cloud-init.yaml", content)
    with pytest.raises(NetworkError, match=r"eth2 is configured in /etc/netplan/50-cloud-init.yaml too"):
        chosen(host)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (ifupdown, networkd, "ifupdown (/etc/network/interfaces: iface eth2, dhcp) and by networkd (/etc/systemd"),
        (networkd, network_manager, "networkd (/etc/systemd/network/20-lan.network) and by NetworkManager (/run/Net"),
    ],
)
def test_two_that_have_one_port_are_refused_by_name(host: FakeHost, first: Any, second: Any, words: str) -> None:
    first(host)
    second(host)
    for forced in ("", "networkd"):
        with pytest.raises(NetworkError) as caught:
            chosen(host, forced=forced)
        assert f"eth2 is managed by {words}" in str(caught.value)
        assert "keep one; " in str(caught.value)


def test_ports_of_two_backends_are_no_mix(host: FakeHost) -> None:
    networkd(host, index=4)
    network_manager(host, index=2)
    with pytest.raises(NetworkError, match=r"two backends have this host's interfaces: .*eth2 by networkd"):
        chosen(host, DATA, STORAGE)
    assert chosen(host, DATA) == "networkd", "a port that isn't listed is somebody else's business"


def test_what_a_stopped_service_left_is_no_claim(host: FakeHost) -> None:
    """Neither of them clears /run when it stops."""
    networkd(host)
    network_manager(host)
    host.active = {NM}
    assert chosen(host) == "NetworkManager"


def test_a_port_that_networkmanager_leaves_alone_is_no_claim(host: FakeHost) -> None:
    network_manager(host, managed="false")
    networkd(host)
    assert chosen(host) == "networkd"


def test_a_forced_backend_replaces_none(host: FakeHost) -> None:
    networkd(host)
    host.active.add(NM)
    with pytest.raises(NetworkError, match="host_network_backend is NetworkManager, and eth2 by networkd"):
        chosen(host, forced="NetworkManager")
    assert chosen(host, forced="networkd") == "networkd"


def test_a_forced_backend_must_run(host: FakeHost) -> None:
    host.active.add(NETWORKD)
    with pytest.raises(NetworkError, match=r"host_network_backend is netplan, which does not run here \(networkd\)"):
        chosen(host, forced="netplan")


def test_several_that_could_have_it_want_a_word(host: FakeHost) -> None:
    with pytest.raises(NetworkError, match="none of netplan, networkd, NetworkManager and ifupdown is in use here"):
        chosen(host)
    host.active |= {NETWORKD, NM}
    with pytest.raises(NetworkError, match="networkd and NetworkManager are in use here, and none has the interfaces"):
        chosen(host)
    assert chosen(host, forced="NetworkManager") == "NetworkManager"


def test_files_that_ifupdown_sources_are_read(host: FakeHost) -> None:
    host.write(
        "/etc/network/interfaces", "source-directory interfaces.d\nsource /etc/network/more\niface a inet dhcp\n"
    )
    host.write("/etc/network/interfaces.d/b", "iface b inet static\n")
    host.write("/etc/network/more", "iface c inet6 auto\n")
    found = {name: file for name, ((_, file),) in backends.stanzas(host.root).items()}
    assert found == {"a": "/etc/network/interfaces", "b": "/etc/network/interfaces.d/b", "c": "/etc/network/more"}
