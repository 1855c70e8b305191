"""The switches' side says what the hosts' side does, in every dialect: follow a packet through the text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.moefleet.serving.plugins.module_utils.roce import chain

ROLE = Path(__file__).resolve().parents[3] / "roles" / "roce"
DIALECTS = ("cumulus", "sonic", "nxos")


@dataclass(frozen=True)
class Switch:
    """What a text tells a switch to do."""

    priorities: Mapping[int, int]
    lossless: frozenset[int]
    strict: frozenset[int]
    marked: frozenset[int]
    mtu: frozenset[int]


def rendered(dialect: str, **choices: Any) -> str:
    """A dialect's text, from the role's defaults and choices."""
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    variables = {name: value for name, value in {**defaults, **choices}.items() if "{{" not in str(value)}
    variables["_roce_switch_ports"] = variables["roce_switch_ports"] or ["PORT"]
    text = (ROLE / f"templates/switch/{dialect}.j2").read_text(encoding="utf-8")
    result = Templar(DataLoader(), variables=variables).template(trust_as_template(text))
    return result if isinstance(result, str) else json.dumps(result)


def cumulus(text: str) -> Switch:
    def numbers(pattern: str) -> frozenset[int]:
        return frozenset(int(number) for number in re.findall(pattern, text, re.MULTILINE))

    assert "nv set qos mapping default-global trust l3\n" in text
    given = re.findall(r"^nv set qos mapping default-global dscp (\d+) switch-priority (\d)$", text, re.MULTILINE)
    queues = re.findall(
        r"egress-queue-mapping default-global switch-priority (\d) traffic-class (\d)$", text, re.MULTILINE
    )
    assert all(priority == queue for priority, queue in queues)
    return Switch(
        {**{dscp: dscp // 8 for dscp in range(64)}, **{int(dscp): int(priority) for dscp, priority in given}},
        numbers(r"^nv set qos pfc default-global switch-priority (\d)$"),
        numbers(r"egress-scheduler default-global traffic-class (\d) mode strict$"),
        numbers(r"congestion-control default-global traffic-class (\d) ecn enable$"),
        numbers(r"^nv set interface \S+ link mtu (\d+)$"),
    )


def sonic(text: str) -> Switch:
    tables = json.loads(text)
    ports = tables["PORT_QOS_MAP"]
    assert {port["dscp_to_tc_map"] for port in ports.values()} == {"ROCE"}
    queue = {name.partition("|")[2]: entry for name, entry in tables["QUEUE"].items()}
    scheduled = {int(number): tables["SCHEDULER"][entry["scheduler"]]["type"] for number, entry in queue.items()}
    lossless = {int(port["pfc_enable"]) for port in ports.values()}
    assert {int(name.partition("|")[2]) for name in tables["BUFFER_PG"]} == lossless
    groups = tables["TC_TO_PRIORITY_GROUP_MAP"]["ROCE"]
    # The lossless class has a buffer of its own; no other class gets into it.
    assert [int(priority) for priority, group in groups.items() if int(group) in lossless] == sorted(lossless)
    assert {port["pfcwd_sw_enable"] for port in ports.values()} == {str(priority) for priority in lossless}
    return Switch(
        {int(dscp): int(tc) for dscp, tc in tables["DSCP_TO_TC_MAP"]["ROCE"].items()},
        frozenset(lossless),
        frozenset(number for number, kind in scheduled.items() if kind == "STRICT"),
        frozenset(
            int(number)
            for number, entry in queue.items()
            if "wred_profile" in entry and tables["WRED_PROFILE"][entry["wred_profile"]]["ecn"] == "ecn_all"
        ),
        frozenset(),
    )


def sections(text: str) -> dict[str, list[str]]:
    """Lines under the line that they are indented below, with the one above that in its name."""
    found: dict[str, list[str]] = {}
    heads = ["", ""]
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        if depth < 2:
            heads[depth:] = [line.strip(), ""][: 2 - depth]
        found.setdefault(heads[0], []).append(line.strip())
        if depth == 2:
            found.setdefault(f"{heads[0]}/{heads[1]}", []).append(line.strip())
    return found


def nxos(text: str) -> Switch:
    parts = sections(text)
    dscps = {
        name.split()[-1]: [int(line.split()[2]) for line in lines if line.startswith("match dscp")]
        for name, lines in parts.items()
        if name.startswith("class-map type qos")
    }
    priorities = {
        dscp: int(lines[0].split()[-1])
        for name, lines in parts.items()
        if name.startswith("policy-map type qos ROCE-INPUT/class")
        for dscp in dscps[name.split()[-1]]
    }
    network = {
        name: lines for name, lines in parts.items() if name.startswith("policy-map type network-qos ROCE-NETWORK/")
    }
    output = {name: lines for name, lines in parts.items() if name.startswith("policy-map type queuing ROCE-OUTPUT/")}
    lossless = {
        int(line.split()[-1]) for lines in network.values() for line in lines if line.startswith("pause pfc-cos")
    }
    for name, lines in network.items():
        for line in lines:
            if line.startswith("pause"):
                assert name.endswith(f"c-8q-nq{line.split()[-1]}")
    assert "service-policy type network-qos ROCE-NETWORK" in parts["system qos"]
    assert "service-policy type queuing output ROCE-OUTPUT" in parts["system qos"]
    interfaces = [lines for name, lines in parts.items() if name.startswith("interface ")]
    assert interfaces
    for lines in interfaces:
        assert {"service-policy type qos input ROCE-INPUT", "priority-flow-control mode on"} <= set(lines)

    def queues(start: str, end: str = "") -> frozenset[int]:
        return frozenset(
            int(name[-1])
            for name, lines in output.items()
            for line in lines
            if line.startswith(start) and line.endswith(end)
        )

    shares = [int(line.split()[-1]) for lines in output.values() for line in lines if line.startswith("bandwidth")]
    assert sum(shares) == 100
    mtus = {
        int(line.split()[-1]) for lines in (*interfaces, *network.values()) for line in lines if line.startswith("mtu")
    }
    return Switch(
        priorities, frozenset(lossless), queues("priority level"), queues("random-detect", " ecn"), frozenset(mtus)
    )


READ = {"cumulus": cumulus, "sonic": sonic, "nxos": nxos}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_packet_of_the_hosts_is_lossless_on_the_switch(dialect: str) -> None:
    switch = READ[dialect](rendered(dialect))
    link = chain.chain(dscp=26, ecn=2, priority=3, cnp_dscp=48, cnp_priority=6)
    assert switch.priorities[link.traffic_class >> 2] == 3
    assert switch.lossless == {3}
    assert switch.marked == {3}
    assert switch.priorities[link.cnp_dscp] == 6
    assert switch.strict == {6}
    assert dialect == "sonic" or switch.mtu == {9216}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_another_choice_moves_both_ends(dialect: str) -> None:
    choices = {"roce_dscp": 34, "roce_lossless_priority": 4, "roce_cnp_dscp": 56, "roce_cnp_priority": 7}
    switch = READ[dialect](rendered(dialect, **choices, roce_switch_ports=["Ethernet0", "Ethernet4"]))
    assert (switch.priorities[34], switch.priorities[56]) == (4, 7)
    assert [set(found) for found in (switch.lossless, switch.marked, switch.strict)] == [{4}, {4}, {7}]


@pytest.mark.parametrize("dialect", ["cumulus", "sonic"])
def test_a_bent_mapping_is_bent_there_too(dialect: str) -> None:
    choices = {"roce_dscp": 46, "roce_dscp_priorities": {46: 3}}
    switch = READ[dialect](rendered(dialect, **choices))
    assert (switch.priorities[46], switch.priorities[0]) == (3, 0)


def test_sonics_own_map_would_lose_the_packet() -> None:
    """Why the map is replaced: by its own, DSCP 26 is in traffic class 1."""
    switch = sonic(rendered("sonic"))
    assert switch.priorities == {dscp: dscp // 8 for dscp in range(64)}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_port_is_named(dialect: str) -> None:
    text = rendered(dialect, roce_switch_ports=["swp1", "swp2"])
    assert "swp1" in text
    assert "swp2" in text
    assert "PORT" not in text.replace("PORT_QOS_MAP", "")
