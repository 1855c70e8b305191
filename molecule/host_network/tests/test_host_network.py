"""Ports by networkd and by ifupdown: what holds is what was asked for, drift is mended, and a cut host comes back."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import testinfra
from testinfra.host import Host

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import netplan, networkmanager
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.effective import Bound
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.model import parse
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.observe import Link
from ansible_collections.moefleet.serving.tests.testinfra import hosts
from ansible_collections.moefleet.serving.tests.testinfra.leftovers import leftovers

LAB = "hostnet"
NAMES = ("net-0", "net-1")
LAST = {"net-0": "10", "net-1": "11"}
HERE = Path(__file__).resolve().parents[1]
INVENTORY = f"--inventory={HERE / 'inventory' / 'hosts.yml'}"
ROLLBACK_S = 10
TOOLS = "/scratch/deb/tools"
RUN_TOOL = f"env LD_LIBRARY_PATH={TOOLS}/usr/lib/x86_64-linux-gnu:{TOOLS}/lib/x86_64-linux-gnu"


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Host]:
    """This scenario's own hosts by name."""
    directory = tmp_path_factory.mktemp("ssh")
    config = f"/var/lib/moefleet/labs/{LAB}/ssh_config"
    arguments = f"-o ControlMaster=auto -o ControlPersist=30s -o ControlPath={directory}/%C"
    return {name: testinfra.get_host(f"ssh://{name}", ssh_config=config, ssh_extra_args=arguments) for name in NAMES}


@pytest.fixture(params=NAMES)
def host(request: pytest.FixtureRequest, machines: dict[str, Host]) -> Host:
    """Each host in turn."""
    return machines[cast(str, request.param)]


@pytest.fixture
def name(host: Host) -> str:
    """The host's name."""
    return str(host.check_output("hostname"))


def ip(host: Host, words: str) -> list[dict[str, Any]]:
    """What `ip` says."""
    rows: list[dict[str, Any]] = json.loads(host.check_output(f"ip -json {words}") or "[]")
    return rows


def addresses(host: Host, device: str) -> set[str]:
    """Global addresses on a port."""
    entries = ip(host, f"address show dev {device}")[0]["addr_info"]
    return {f"{entry['local']}/{entry['prefixlen']}" for entry in entries if entry["scope"] == "global"}


def mtu(host: Host, device: str) -> int:
    """The MTU that the kernel uses."""
    return int(host.check_output(f"cat /sys/class/net/{device}/mtu"))


def holds(host: Host, last: str) -> bool:
    """Whether the host's network is what converge asks for."""
    return (
        addresses(host, "eth1") == {f"192.168.3.{last}/24", f"192.168.13.{last}/24"}
        and (mtu(host, "eth1"), mtu(host, "eth2")) == (4000, 1400)
        and {row["src"] for row in ip(host, "rule show") if row["src"] != "all"}
        == {f"192.168.3.{last}", f"192.168.13.{last}", f"172.16.3.{last}"}
        and ip(host, "route show 10.99.0.0/16")[0].get("gateway") == "192.168.13.1"
    )


def test_the_kernel_has_what_was_asked_for(host: Host, name: str) -> None:
    assert holds(host, LAST[name])
    # What the lab gave the management port stays as it was.
    assert addresses(host, "eth0") == {f"10.0.3.{LAST[name]}/24"}


def test_what_leaves_from_a_data_address_leaves_on_the_data_port(host: Host, name: str) -> None:
    last = LAST[name]
    data = ip(host, f"route get 10.99.1.1 from 192.168.3.{last}")[0]
    assert (data["dev"], data["gateway"]) == ("eth1", "192.168.13.1")
    storage = ip(host, f"route get 203.0.113.1 from 172.16.3.{last}")[0]
    assert (storage["dev"], storage["gateway"]) == ("eth2", "172.16.3.1")
    assert host.run("ip route get 203.0.113.1").rc != 0, "a data or storage gateway became the host's default"


def test_whole_packets_pass_between_the_hosts(machines: dict[str, Host]) -> None:
    machines["net-0"].check_output("ping -c 1 -W 5 -M do -s 3972 -I 192.168.13.10 192.168.13.11")
    assert machines["net-0"].run("ping -c 1 -W 2 -M do -s 4100 192.168.3.11").rc != 0


def test_names_lead_to_data_addresses(host: Host) -> None:
    for peer, last in LAST.items():
        answer = host.check_output("getent hosts %s", peer).split()
        assert (answer[0], answer[-1]) == (f"192.168.3.{last}", peer)
    assert host.check_output("getent hosts localhost").split()[0] in ("127.0.0.1", "::1")


def test_storage_is_mounted_now_and_at_boot(host: Host) -> None:
    assert "size=1024k" in host.check_output("findmnt --noheadings --output OPTIONS /srv/model-store")
    assert host.check_output("systemctl is-enabled srv-model\\\\x2dstore.mount") == "enabled"


def test_it_comes_back_as_at_boot(host: Host, name: str) -> None:
    """Ports stripped of everything, then what the host does at boot."""
    strip = "ip address flush dev {0} scope global; ip link set {0} mtu 1500"
    if name == "net-0":
        host.check_output(f"systemctl stop systemd-networkd; {strip.format('eth1')}; {strip.format('eth2')}")
        host.check_output("systemctl start systemd-networkd")
        host.check_output("/usr/lib/systemd/systemd-networkd-wait-online --timeout=20 -i eth1 -i eth2")
    else:
        host.check_output(f"ifdown -a; {strip.format('eth1')}; {strip.format('eth2')}; ifup -a")
    assert holds(host, LAST[name])


def test_drift_is_foretold_and_mended_where_it_is(converge: Path, machines: dict[str, Host]) -> None:
    machines["net-0"].check_output("ip link set eth1 mtu 1500 && ip address del 192.168.13.10/24 dev eth1")
    machines["net-1"].check_output("umount /srv/model-store")
    # A line of Debian's installer.
    machines["net-1"].check_output("sed -i '1i 127.0.1.1 net-1.lab.example net-1' /etc/hosts")
    foretold = hosts.played(converge, "--check", "--diff", inventory=INVENTORY)
    assert (foretold.changed("net-0"), foretold.changed("net-1")) == (1, 2)
    for line in ("-eth1: mtu 1500", "+eth1: mtu 4000", "-127.0.1.1 net-1.lab.example net-1", "# mounted: nothing"):
        assert line in foretold.output
    assert mtu(machines["net-0"], "eth1") == 1500
    mended = hosts.played(converge, inventory=INVENTORY)
    assert (mended.changed("net-0"), mended.changed("net-1")) == (1, 2)
    assert all(holds(machines[name], LAST[name]) for name in NAMES)
    answer = machines["net-1"].check_output("getent hosts net-1").split()
    assert answer == ["192.168.3.11", "net-1.lab.example", "net-1"]


def test_a_change_that_cuts_the_controller_off_takes_itself_back(converge: Path, machines: dict[str, Host]) -> None:
    """Both hosts get a management address that nobody reaches. Each gives it up and answers by the old one."""
    cut = {"role": "management", "name": "eth0", "match": {"name": "eth0"}, "addresses": ["10.200.0.9/24"], "mtu": 1400}
    outcome = hosts.play(
        converge,
        inventory=INVENTORY,
        variables={"host_network_interfaces": [cut], "host_network_rollback_s": ROLLBACK_S},
    )
    words = " ".join(outcome.output.split())
    for name in NAMES:
        assert f"{name}: the change was taken back: the controller could not come back within {ROLLBACK_S} s" in words
        assert outcome.recap[name]["failed"] == 1
        host = machines[name]
        assert (addresses(host, "eth0"), mtu(host, "eth0")) == ({f"10.0.3.{LAST[name]}/24"}, 1500)
        assert not host.run("ls /etc/systemd/network/*eth0* /etc/network/interfaces.d/*eth0*").stdout
        assert holds(host, LAST[name])
        assert not host.run("ls /etc/systemd/system/moefleet-network-boot.service").stdout
        assert host.check_output("systemctl list-timers --all --no-legend 'moefleet-network*'") == ""


@pytest.fixture
def second_backend(machines: dict[str, Host]) -> Iterator[None]:
    """Networkd takes a port that ifupdown has."""
    host = machines["net-1"]
    host.check_output("mkdir -p /etc/systemd/network")
    host.check_output("printf '[Match]\\nName=eth2\\n[Network]\\nDHCP=no\\n' > /etc/systemd/network/20-eth2.network")
    host.check_output("systemctl start systemd-networkd")
    host.check_output("for i in 1 2 3 4 5 6 7 8; do networkctl list eth2 | grep configured && break; sleep 0.5; done")
    yield
    host.check_output("systemctl stop systemd-networkd.socket systemd-networkd")
    host.check_output("rm /etc/systemd/network/20-eth2.network")
    host.check_output("ifdown --force eth2; ip address flush dev eth2; ifup --force eth2")


@pytest.fixture
def service(machines: dict[str, Host]) -> Iterator[None]:
    """A host whose ranks run."""
    machines["net-0"].check_output("systemd-run --quiet --unit=moefleet-vllm.service sleep 300")
    yield
    machines["net-0"].check_output("systemctl stop moefleet-vllm.service")


@pytest.mark.usefixtures("second_backend", "service")
def test_what_would_break_a_host_is_refused(machines: dict[str, Host]) -> None:
    """A port of two backends, another backend than the host's, a port that isn't there, a running service."""
    data = {"role": "data", "name": "eth1", "match": {"name": "eth1"}, "addresses": ["192.168.3.10/24"], "mtu": 1500}
    absent = {**data, "name": "data0", "match": {"mac": "b8:59:9f:00:00:01"}}
    storage = {"role": "storage", "name": "eth2", "match": {"name": "eth2"}, "addresses": ["172.16.3.11/24"]}
    cases = {
        "net-0": [
            {"case": "service", "interfaces": [data]},
            {"case": "absent", "interfaces": [absent]},
            {"case": "backend", "interfaces": [data], "backend": "ifupdown"},
        ],
        "net-1": [{"case": "two", "interfaces": [storage]}],
    }
    outcome = hosts.played(HERE / "refusals.yml", inventory=INVENTORY, variables={"cases": cases})
    words = " ".join(outcome.output.split())
    for said in (
        "moefleet-vllm.service is active and eth1 would change under it: stop the service first",
        "data interface data0 (mac b8:59:9f:00:00:01): there is no such port here. There are: eth0 (mac",
        "host_network_backend is ifupdown, and eth1 by networkd (/etc/systemd/network/05-moefleet-eth1.network)",
        "eth2 is managed by ifupdown (/etc/network/interfaces.d/moefleet-eth2: iface eth2, static) and by networkd",
    ):
        assert said in words
    assert holds(machines["net-0"], LAST["net-0"])


ENTRIES: list[dict[str, Any]] = [
    {"role": "management", "name": "mgmt0", "match": {"mac": "46:71:95:ee:7b:83"}, "addresses": ["10.0.1.10/24"]}
    | {"gateway": "10.0.1.1", "dns": ["10.0.1.2"]},
    {"role": "data", "name": "data0", "match": {"mac": "ce:5a:4f:db:2c:cf"}, "addresses": ["192.168.1.10/24"]}
    | {"mtu": 4200, "gateway": "192.168.1.1", "routes": [{"to": "192.168.64.0/18", "via": "192.168.1.1"}]},
]


def bounds() -> list[Bound]:
    """Two ports, as one finds them."""
    interfaces, problems = parse(ENTRIES)
    assert problems == []
    return [Bound(one, Link(one.name, n, one.match.value, 1500)) for n, one in enumerate(interfaces, 2)]


def put(host: Host, path: str, content: str) -> None:
    """Write a file on a host."""
    directory, mode = shlex.quote(str(Path(path).parent)), "install -m 600 /dev/stdin"
    host.check_output(f"mkdir -p {directory} && printf %s {shlex.quote(content)} | {mode} {shlex.quote(path)}")


def test_netplan_itself_makes_of_our_files_what_was_meant(machines: dict[str, Host]) -> None:
    host, root = machines["net-0"], "/tmp/netplan"
    for bound in bounds():
        for path, content in netplan.render(bound).items():
            put(host, root + path, content)
    host.check_output(f"{RUN_TOOL} {TOOLS}/usr/libexec/netplan/generate --root-dir {root}")
    network = host.check_output(f"cat {root}/run/systemd/network/10-netplan-data0.network").splitlines()
    for line in ("MTUBytes=4200", "Address=192.168.1.10/24", "From=192.168.1.10", "Table=4101", "RequiredForOnline=no"):
        assert line in network
    assert "Gateway=192.168.1.1" in network
    assert network[network.index("[RoutingPolicyRule]") :][:4].count("Priority=4101") == 1
    link = host.check_output(f"cat {root}/run/systemd/network/10-netplan-data0.link").splitlines()
    assert {"PermanentMACAddress=ce:5a:4f:db:2c:cf", "Name=data0", "MTUBytes=4200"} <= set(link)


def test_networkmanager_itself_reads_our_keyfiles(machines: dict[str, Host]) -> None:
    host = machines["net-0"]
    for bound in bounds():
        content = networkmanager.render(bound)[networkmanager.path(bound.interface.name)]
        put(host, "/tmp/keyfile", content)
        read = host.check_output(
            f"{RUN_TOOL} {TOOLS}/usr/bin/nmcli --offline connection modify connection.zone '' < /tmp/keyfile"
        ).splitlines()
        wanted = [line for line in content.splitlines() if re.match("address|mac-address|mtu|rout", line)]
        # It writes an address and the gateway in one.
        missing = [line for line in wanted if not any(one == line or one.startswith(f"{line},") for one in read)]
        assert (len(wanted) > 1, missing) == (True, []), read


def test_given_up_ports_are_as_they_were(converge: Path, machines: dict[str, Host]) -> None:
    """Nothing of the role is left on the hosts; then the hosts go, too."""
    gone = [
        {"role": "data", "name": "eth1", "state": "absent"},
        {"role": "storage", "name": "eth2", "state": "absent"},
    ]
    mount = {"path": "/srv/model-store", "state": "absent"}
    variables = {"host_network_interfaces": gone, "host_network_storage_mount": mount}
    hosts.played(converge, inventory=INVENTORY, variables=variables)
    for host in machines.values():
        assert not host.run("ls /etc/systemd/network/05-moefleet* /etc/network/interfaces.d/moefleet*").stdout
        assert host.run("findmnt /srv/model-store").rc != 0
    hosts.played(HERE / "remove.yml", inventory=INVENTORY)
    assert leftovers(LAB) == []
