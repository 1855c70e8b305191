"""A port's interrupts on the cores beside it, by the module now and by the script at boot, alike."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import irq, observe

from .conftest import FakeHost

PORT = "ens1f0np0"
# Its node's cores are 4-5,12-13, and it has five interrupts.
WANTED = {40: "4", 41: "5", 42: "12", 43: "13", 44: "4"}


def port(host: FakeHost) -> observe.Link:
    return next(link for link in observe.links(host.root, host.run) if link.name == PORT)


def affinity(host: FakeHost) -> dict[int, str]:
    return {n: (host.root / f"proc/irq/{n}/smp_affinity_list").read_text(encoding="ascii").strip() for n in WANTED}


def test_lists_of_cores() -> None:
    assert irq.cpu_list("0-3,8, 10-11") == [0, 1, 2, 3, 8, 10, 11]
    assert irq.cpu_list("") == []


def test_interrupts_go_round_the_nodes_own_cores(host: FakeHost) -> None:
    pins = irq.pins(port(host), host.root)
    assert {pin.irq: pin.wanted for pin in pins} == WANTED
    assert {pin.now for pin in pins} == {"0-7"}


def test_what_is_pinned_is_left(host: FakeHost) -> None:
    assert irq.pin(irq.differing(irq.pins(port(host), host.root)), host.root) == {}
    assert affinity(host) == WANTED
    assert irq.differing(irq.pins(port(host), host.root)) == []


def test_an_interrupt_that_is_not_set_up_yet_is_no_drift(host: FakeHost) -> None:
    (host.root / "proc/irq/44/smp_affinity_list").unlink()
    assert [pin.irq for pin in irq.differing(irq.pins(port(host), host.root))] == [40, 41, 42, 43]


def test_a_refusal_of_the_kernel_is_a_reason(host: FakeHost) -> None:
    refused = irq.pin([irq.Pin(99, "0", "1")], host.root)
    assert list(refused) == [99]


def booted(host: FakeHost, tmp_path: Path, *interfaces: dict[str, Any], ethtool: int = 0) -> tuple[int, list[str]]:
    """Run the boot's script in the host's directory; its status, and what ethtool was asked."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "ethtool").write_text(f'#!/bin/sh\necho "$*" >> {tools}/calls\nexit {ethtool}\n', encoding="utf-8")
    (tools / "ethtool").chmod(0o755)
    script = tmp_path / "script"
    script.write_text(irq.script_text(interfaces), encoding="utf-8")
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "MOEFLEET_ROOT": str(host.root)}
    done = subprocess.run(["sh", str(script)], env=environment, capture_output=True, check=False)
    calls = tools / "calls"
    return done.returncode, calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []


def test_the_boots_script_does_what_the_module_did(host: FakeHost, tmp_path: Path) -> None:
    asked = {"name": PORT, "fec": "rs", "coalesce": {"adaptive-rx": False, "rx-usecs": 8}, "pin_irqs": True}
    status, calls = booted(host, tmp_path, asked)
    assert (status, affinity(host)) == (0, WANTED)
    assert calls == [f"--set-fec {PORT} encoding rs", f"-C {PORT} adaptive-rx off", f"-C {PORT} rx-usecs 8"]


def test_the_boots_script_says_when_a_setting_fails(host: FakeHost, tmp_path: Path) -> None:
    assert booted(host, tmp_path, {"name": PORT, "fec": "rs"}, ethtool=1)[0] == 1


def test_the_boots_script_takes_a_value_that_is_there_already_for_one(host: FakeHost, tmp_path: Path) -> None:
    assert booted(host, tmp_path, {"name": PORT, "coalesce": {"rx-usecs": 8}}, ethtool=80)[0] == 0


def test_nothing_asked_is_no_script_and_no_unit() -> None:
    nothing: list[dict[str, Any]] = [{"name": PORT, "fec": None, "coalesce": {}, "pin_irqs": False}]
    assert (irq.script_text(nothing), irq.unit_text(nothing)) == ("", "")


def test_the_unit_waits_for_port_and_driver_and_comes_before_the_service() -> None:
    lines = irq.unit_text([{"name": "data-0", "fec": "rs"}]).splitlines()
    device = "sys-subsystem-net-devices-data\\x2d0.device"
    assert f"Wants={device}" in lines
    assert f"After={device} network.target openibd.service irqbalance.service" in lines
    assert "Before=moefleet-vllm.service" in lines


def test_irqbalance_is_told_by_driver_since_numbers_change(host: FakeHost) -> None:
    lines = irq.irqbalance_text([port(host)]).splitlines()
    assert lines[-1] == "ExecStart=/usr/sbin/irqbalance --foreground $OPTIONS $IRQBALANCE_ARGS --banmod=mlx5_core"
    assert "ExecStart=" in lines
    assert irq.irqbalance_text([]) == ""


def test_cores_of_each_numa_node(host: FakeHost) -> None:
    host.write("/sys/devices/system/node/node0/cpulist", "0-3\n")
    host.write("/sys/devices/system/node/node1/cpulist", "4-7\n")
    assert irq.numa_nodes(host.root) == {"0": "0-3", "1": "4-7"}
