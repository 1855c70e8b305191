"""The program that the role leaves on a host, from the files that the role copies and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest
import yaml

from ansible_collections.moefleet.serving.plugins.module_utils.roce import program, report

from . import port_double
from .conftest import MLX, Bench

REPOSITORY = Path(__file__).resolve().parents[3]
ROLE = REPOSITORY / "roles" / "roce"
SETTINGS = {"interface": "eth1", "subnet": "192.168.1.10"}


class Installed:
    """A host with the program, its settings and a port."""

    def __init__(self, root: Path, kind: str) -> None:
        self.root = root
        self.library = root / "usr/local/lib/moefleet"
        for name in yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))["_roce_modules"]:
            source = REPOSITORY / "plugins/module_utils" / name
            port_double.write(self.library / "module_utils" / name, source.read_text(encoding="utf-8"))
        text = (ROLE / "templates/moefleet-roce.j2").read_text(encoding="utf-8")
        port_double.write(root / "moefleet-roce", jinja2.Template(text).render(_roce_library=str(self.library)))
        port_double.tree(root, kind)
        self.settings(**SETTINGS)
        double = Path(port_double.__file__).read_text(encoding="utf-8").partition("\n")[2]
        for tool in ("ethtool", "ibv_devinfo", "systemctl", "modprobe", *MLX[kind]):
            program = root / "bin" / tool
            port_double.write(program, f"#!{sys.executable} -S\n{double}")
            program.chmod(0o755)

    def settings(self, **values: object) -> None:
        port_double.write(self.root / "etc/moefleet/roce.json", json.dumps(values))

    def __call__(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-IB", self.root / "moefleet-roce", "--root", self.root, *arguments],
            env={"PATH": str(self.root / "bin"), "ROCE_DOUBLE": str(self.root / "state.json"), **_coverage()},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout


def _coverage() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("COV")}


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """A host whose port OFED's driver runs."""
    return Installed(tmp_path, "ofed")


def test_it_sets_checks_finds_drift_and_mends_it(installed: Installed) -> None:
    status, words = installed("--check")
    assert status == 1
    assert "differs: pfc is 0,0,0,0,0,0,0,0, should be 0,0,0,1,0,0,0,0\n" in words

    status, words = installed()
    assert status == 0
    assert "mlnx_qos -i eth1 --pfc 0,0,0,1,0,0,0,0\n" in words
    assert installed("--check") == (0, "")

    port_double.write(installed.root / "sys/class/net/eth1/ecn/roce_rp/enable/3", "0\n")
    assert installed("--check") == (1, "differs: ecn_rp[3] is 0, should be 1\n")
    assert installed()[0] == 0
    assert installed("--check") == (0, "")


def run(made: Bench, capsys: pytest.CaptureFixture[str], *arguments: str, **values: object) -> tuple[int, str]:
    """The program in this process, with the host's settings."""
    port_double.write(made.root / "etc/moefleet/roce.json", json.dumps({**SETTINGS, **values}))
    status = program.main(["--root", str(made.root), *arguments], made.run)
    return status, capsys.readouterr().out


def test_mtu_and_gid_are_checked_too(ofed: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    run(ofed, capsys)
    ofed.put("sys/class/net/eth1/mtu", "1500")
    status, words = run(ofed, capsys, "--check", subnet="192.168.1.11")
    assert status == 1
    assert words.splitlines() == [
        "differs: mtu of eth1 is 1500, which makes RDMA's 1024; it should be at least 4200, for 4096",
        "differs: gid: no RoCE v2 GID in 192.168.1.11/32: eth1 has 192.168.1.10",
    ]


def test_a_running_service_keeps_it_from_changing(ofed: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    ofed.port.state["units"]["moefleet-vllm.service"] = ["loaded", "active"]
    status, words = run(ofed, capsys)
    assert status == 1
    assert words.startswith("not set: moefleet-vllm.service is active")
    assert ofed.log == []


def test_what_cannot_be_told_is_no_pass(ofed: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    run(ofed, capsys)
    ofed.port.tools.discard("ethtool")
    assert run(ofed, capsys, "--check") == (2, "unknown: pause: ethtool -a eth1: ethtool is not installed\n")


@pytest.mark.parametrize(
    ("values", "words"),
    [({"dscp": 106}, "write dscp: 26"), ({"pfc": 1}, "no such setting: pfc"), ({"interface": ""}, "interface")],
)
def test_a_wrong_file_is_told(
    ofed: Bench, capsys: pytest.CaptureFixture[str], values: dict[str, object], words: str
) -> None:
    status, said = run(ofed, capsys, **values)
    assert status == 3
    assert words in said


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    port_double.write(tmp_path / "roce.json", text)
    assert program.main(["--settings", str(tmp_path / "roce.json")]) == 3


def test_soft_roce_passes_with_what_it_has(rxe: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(rxe, capsys, qos_expected=False)[0] == 0
    status, words = run(rxe, capsys, "--check", qos_expected=False)
    assert status == 0
    assert "unknown: pfc: eth1 is said to have no QoS tree (qos_expected: false)\n" in words


def test_it_waits_for_the_device(ofed: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    (ofed.root / "sys/class/infiniband").rename(ofed.root / "later")
    status, words = run(ofed, capsys, "--wait", "0.1")
    assert status == 1
    assert "no RDMA device behind eth1" in words


def neighbour(pfc: str) -> str:
    """What lldpctl prints of a switch that announces PFC."""
    tlv = {"oui": "00,80,C2", "subtype": "11", "len": "2", "value": f"08,{pfc}"}
    port = {"id": {"type": "ifname", "value": "swp7"}}
    return json.dumps(
        {
            "lldp": {
                "interface": {"eth1": {"chassis": {"leaf-1": {}}, "port": port, "unknown-tlvs": {"unknown-tlv": [tlv]}}}
            }
        }
    )


def test_the_other_end_is_heard_where_it_speaks(ofed: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    run(ofed, capsys)
    ofed.port.state["neighbour"] = neighbour("08")
    assert run(ofed, capsys, "--check") == (0, "")
    facts = report.facts(ofed.survey(), ofed.want())["other_end"]
    assert (facts["verdict"], facts["switch"], facts["port"]) == ("pass", "leaf-1", "swp7")
    ofed.port.state["neighbour"] = neighbour("10")
    status, words = run(ofed, capsys, "--check")
    assert status == 1
    assert "differs: the other end: eth1: the switch announces no PFC for priority 3" in words


def test_a_silent_other_end_is_unknown_and_no_failure(ofed: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    run(ofed, capsys)
    assert run(ofed, capsys, "--check")[0] == 0
    facts = report.facts(ofed.survey(), ofed.want())["other_end"]
    assert (facts["verdict"], facts["reasons"]) == ("unknown", ["lldpctl -f json eth1: lldpctl is not installed"])
