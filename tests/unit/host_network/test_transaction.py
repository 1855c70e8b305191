"""A change and its way back: the scripts run for real in a directory that stands for /, with tools that write down."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import outlook, transaction
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.observe import NetworkError
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result

from .conftest import FakeHost

DATA: dict[str, Any] = {"role": "data", "name": "eth2", "match": {"name": "eth2"}, "addresses": ["192.168.1.10/24"]}
FILE = "etc/systemd/network/05-moefleet-eth2.network"
TOOLS = ("networkctl", "ip", "systemctl", "sleep", "nmcli", "ifup", "ifdown", "netplan")


@pytest.fixture
def networkd(host: FakeHost) -> FakeHost:
    """A host of networkd, whose port has an old address and an old file."""
    host.active.add("systemd-networkd.service")
    host.write(f"/{FILE}", "# old\n")
    host.network["addresses"] = {"eth2": ["192.168.1.9/24"]}
    host.network["routes"] = [{"dst": "default", "gateway": "192.168.1.1", "dev": "eth2", "protocol": "static"}]
    return host


@pytest.fixture
def tools(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs in front of the machine's own; their calls lie in `calls`, and the one in `fails` fails."""
    directory = tmp_path_factory.mktemp("tools")
    for name in TOOLS:
        script = (
            f'#!/bin/sh\necho "{name} $*" >> {directory}/calls\n'
            f'[ "$(cat {directory}/fails 2>/dev/null)" != {name} ] || {{ echo broken >&2; exit 1; }}\n'
        )
        (directory / name).write_text(script, encoding="utf-8")
        (directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return directory


def calls(tools: Path) -> list[str]:
    file = tools / "calls"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def armed(host: FakeHost, *entries: dict[str, Any]) -> Path:
    found = outlook.look(entries or (DATA,), "", host.root, host.run)
    transaction.arm(found, 20, host.root, host.run)
    return host.root / transaction.DIRECTORY.lstrip("/")


def sh(directory: Path, script: str) -> int:
    return subprocess.run(["sh", str(directory / script)], check=False).returncode


def outcome(directory: Path) -> str:
    return (directory / "outcome").read_text(encoding="utf-8").strip()


def boot_unit(host: FakeHost) -> list[bool]:
    paths = (transaction.BOOT_UNIT, transaction.BOOT_LINK)
    return [(host.root / path.lstrip("/")).is_symlink() or (host.root / path.lstrip("/")).exists() for path in paths]


def test_the_way_back_is_armed_before_the_change(networkd: FakeHost) -> None:
    directory = armed(networkd)
    units = [words for words in networkd.asked if words[0] == "systemd-run"]
    assert [words[1:3] for words in units] == [
        ("--unit=moefleet-network-rollback", "--on-active=20"),
        ("--unit=moefleet-network-apply", "--on-active=1"),
    ]
    assert [words[-1] for words in units] == [str(directory / "rollback.sh"), str(directory / "apply.sh")]
    assert (networkd.root / FILE).read_text(encoding="utf-8") == "# old\n", "nothing has changed yet"
    assert directory.stat().st_mode & 0o777 == 0o700


def test_without_a_way_back_there_is_no_change(networkd: FakeHost) -> None:
    def refuses(argv: Any) -> Result:
        return Result(1, "", "no bus") if argv[0] == "systemd-run" else networkd.run(argv)

    found = outlook.look([DATA], "", networkd.root, networkd.run)
    with pytest.raises(NetworkError, match="no bus; nothing of the network has been changed"):
        transaction.arm(found, 20, networkd.root, refuses)
    assert not [words for words in networkd.asked if "--unit=moefleet-network-apply" in words]
    assert boot_unit(networkd) == [False, False]


def test_a_change_that_still_waits_is_not_overtaken(networkd: FakeHost) -> None:
    armed(networkd)
    networkd.active.add("moefleet-network-rollback.timer")
    with pytest.raises(NetworkError, match="an earlier change of this host's network still waits to be confirmed"):
        armed(networkd)


def test_applying_installs_the_files_and_tells_the_backend(networkd: FakeHost, tools: Path) -> None:
    directory = armed(networkd)
    assert sh(directory, "apply.sh") == 0
    assert "Address=192.168.1.10/24" in (networkd.root / FILE).read_text(encoding="utf-8")
    assert calls(tools) == ["networkctl reload", "networkctl reconfigure eth2"]
    assert outcome(directory) == "applied"


def test_the_way_back_restores_files_addresses_mtu_and_routes(networkd: FakeHost, tools: Path) -> None:
    directory = armed(networkd)
    sh(directory, "apply.sh")
    (tools / "calls").unlink()
    sh(directory, "rollback.sh")
    assert (networkd.root / FILE).read_text(encoding="utf-8") == "# old\n"
    done = calls(tools)
    assert done[:4] == [
        "systemctl stop moefleet-network-apply.timer moefleet-network-apply.service",
        "systemctl stop moefleet-network-rollback.timer",
        "networkctl reload",
        "networkctl reconfigure eth2",
    ]
    for line in (
        "ip link set dev eth2 mtu 1500",
        "ip address delete 192.168.1.10/24 dev eth2",
        "ip address replace 192.168.1.9/24 dev eth2",
        "ip -4 route replace default via 192.168.1.1 dev eth2 table main proto static",
        "ip -4 rule delete from 192.168.1.10 table 4101",
    ):
        assert line in done
    assert outcome(directory) == "rolled-back"


def test_a_file_that_was_not_there_is_removed_again(networkd: FakeHost, tools: Path) -> None:
    (networkd.root / FILE).unlink()
    directory = armed(networkd)
    sh(directory, "apply.sh")
    assert (networkd.root / FILE).exists()
    sh(directory, "rollback.sh")
    assert not (networkd.root / FILE).exists()


def test_a_step_that_fails_starts_the_way_back_at_once(networkd: FakeHost, tools: Path) -> None:
    directory = armed(networkd)
    (tools / "fails").write_text("networkctl", encoding="utf-8")
    assert sh(directory, "apply.sh") == 1
    assert calls(tools)[-1] == "systemctl start --no-block moefleet-network-rollback.service"
    assert "failed: networkctl reload: broken" in (directory / "why").read_text(encoding="utf-8")
    assert outcome(directory) == "applying"


def test_a_host_that_is_switched_off_in_between_comes_up_with_its_old_files(networkd: FakeHost, tools: Path) -> None:
    """The timer is gone with the boot that it was made in."""
    directory = armed(networkd)
    assert boot_unit(networkd) == [True, True]
    sh(directory, "apply.sh")
    (tools / "calls").unlink()
    assert sh(directory, "boot.sh") == 0
    assert (networkd.root / FILE).read_text(encoding="utf-8") == "# old\n"
    assert calls(tools) == [], "nothing that needs the network or systemd"
    assert (outcome(directory), boot_unit(networkd)) == ("rolled-back", [False, False])
    assert "switched off before the change was confirmed" in (directory / "why").read_text(encoding="utf-8")


def test_the_boots_unit_comes_before_the_network(networkd: FakeHost) -> None:
    directory = armed(networkd)
    lines = (networkd.root / transaction.BOOT_UNIT.lstrip("/")).read_text(encoding="utf-8").splitlines()
    assert {"DefaultDependencies=no", "Wants=network-pre.target", f"ExecStart=/bin/sh {directory}/boot.sh"} <= set(
        lines
    )
    assert "Before=network-pre.target shutdown.target" in lines


@pytest.mark.parametrize("end", ["confirm", "rollback.sh"])
def test_a_change_that_has_come_to_an_end_leaves_nothing_for_the_boot(
    networkd: FakeHost, tools: Path, end: str
) -> None:
    directory = armed(networkd)
    sh(directory, "apply.sh")
    if end == "confirm":
        transaction.confirm(networkd.root, networkd.run)
    else:
        sh(directory, end)
    assert boot_unit(networkd) == [False, False]


def test_confirming_disarms(networkd: FakeHost, tools: Path) -> None:
    directory = armed(networkd)
    assert not transaction.confirm(networkd.root, networkd.run), "nothing is in effect yet"
    sh(directory, "apply.sh")
    assert transaction.confirm(networkd.root, networkd.run)
    assert ("systemctl", "stop", "moefleet-network-rollback.timer") in networkd.asked
    assert outcome(directory) == "confirmed"


def test_a_way_back_that_has_begun_is_not_stopped_half_way(networkd: FakeHost, tools: Path) -> None:
    directory = armed(networkd)
    sh(directory, "apply.sh")
    networkd.active.add("moefleet-network-rollback.service")
    assert not transaction.confirm(networkd.root, networkd.run)
    assert outcome(directory) == "applied"


def test_netplan_is_asked_whether_it_understands_before_it_applies(host: FakeHost, tools: Path) -> None:
    host.write("/usr/sbin/netplan", "")
    host.write("/etc/netplan/01.yaml", "network: {version: 2}\n")
    directory = armed(host)
    sh(directory, "apply.sh")
    assert calls(tools) == ["netplan generate", "netplan apply"]
    mode = (host.root / "etc/netplan/90-moefleet-eth2.yaml").stat().st_mode & 0o777
    assert mode == 0o600


def test_networkmanager_goes_back_to_the_connection_it_had(host: FakeHost, tools: Path) -> None:
    host.active.add("NetworkManager.service")
    host.write("/run/NetworkManager/devices/4", "[device]\nmanaged=true\nconnection-uuid=the-old-one\n")
    directory = armed(host)
    sh(directory, "apply.sh")
    sh(directory, "rollback.sh")
    done = [line for line in calls(tools) if line.startswith("nmcli")]
    assert done == [
        "nmcli connection reload",
        "nmcli --wait 20 connection up moefleet-eth2",
        "nmcli connection reload",
        "nmcli --wait 20 connection up uuid the-old-one",
    ]


def test_ifupdown_takes_down_by_the_old_stanza_and_up_by_the_new_one(host: FakeHost, tools: Path) -> None:
    host.write("/usr/sbin/ifup", "")
    host.write("/etc/network/interfaces", "source /etc/network/interfaces.d/*\n")
    stanza = host.write("/etc/network/interfaces.d/moefleet-eth2", "auto eth2\niface eth2 inet static\n")
    directory = armed(host)
    sh(directory, "apply.sh")
    assert calls(tools) == [
        "ifdown --force eth2",
        "ip address flush dev eth2 scope global",
        "ifup --force eth2",
    ]
    assert "address 192.168.1.10/24" in stanza.read_text(encoding="utf-8")


def test_ifupdown_leaves_a_port_that_still_has_its_old_name(host: FakeHost, tools: Path) -> None:
    host.write("/usr/sbin/ifup", "")
    host.write("/etc/network/interfaces", "source /etc/network/interfaces.d/*\n")
    directory = armed(host, {**DATA, "name": "data0", "match": {"mac": "b8:59:9f:00:00:03"}})
    sh(directory, "apply.sh")
    assert calls(tools) == ["ifdown --force data0"]
