# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``lldpctl -f json`` (or ``-f keyvalue``): which switch port is at the other end, and which QoS it announces.

lldpd does not decode the DCB TLVs (OUI 00-80-C2: 9 ETS configuration, 11 PFC, 12 application priority; IEEE 802.1Qaz),
it prints their bytes as unknown ones. A switch that doesn't announce them may still be configured: then they are None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .findings import Context, Findings, json_documents, nothing, table, whole, words
from .result import Evidence, clean_lines

TOOL = "lldp"

_LINE = re.compile(
    r"^lldp\.(\S+?)\.((?:via|rid|age|chassis|port|vlan|ttl|unknown-tlvs|ppvid|pi|lldp-med)(?:\.[^=\s]+)?)=(.*)$"
)
_IEEE_8021 = "0080c2"
_ETS, _PFC, _APPLICATION = 9, 11, 12
_SELECTOR_DSCP = 5


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge the neighbours.

    Args:
        text: what lldpctl printed.
        context: ``interfaces`` (each must have a neighbour), ``expected`` (by interface ``SWITCH`` or ``SWITCH:PORT``),
            ``lossless_priority`` and ``dscp`` (what the switch announces, where it does, must agree).

    Returns:
        ``neighbours``: by interface ``switch``, ``port``, ``description``, ``pfc`` (eight of 0 and 1),
        ``priority_to_tc``, ``dscp_to_priority``.
    """
    lines = clean_lines(text)
    found = Findings()
    documents = [entry for entry in json_documents("\n".join(lines)) if isinstance(entry, dict) and "lldp" in entry]
    neighbours = _read_json(documents[0]) if documents else _read_lines(lines)
    values: dict[str, Any] = {"neighbours": neighbours}
    wanted = words(context, "interfaces")
    if not neighbours:
        return nothing(TOOL, values, lines, "neighbour")
    for interface in wanted or ():
        if interface not in neighbours:
            found.unknowns.append(
                f"{interface} has no neighbour: the switch does not speak LLDP there, or the port is down"
            )
    expected = table(context, "expected") or {}
    for interface, peer in neighbours.items():
        if wanted is not None and interface not in wanted:
            continue
        if peer["port"] is None or peer["switch"] is None:
            found.unknowns.append(f"{interface}: the neighbour's name or port is not in this output")
        _judge_cable(interface, peer, expected.get(interface), found)
        _judge_qos(interface, peer, context, found)
    for interface in expected:
        if interface not in neighbours:
            found.unknowns.append(f"{interface} has no neighbour")
    return found.evidence(TOOL, values)


def decode(subtype: int, octets: Sequence[int], peer: dict[str, Any]) -> bool:
    """Add what a DCB TLV says to ``peer``; False where it is too short.

    Args:
        subtype: of the OUI 00-80-C2.
        octets: what follows the subtype.
        peer: ``pfc``, ``priority_to_tc``, ``dscp_to_priority`` are set.
    """
    if subtype == _PFC:
        if len(octets) != 2:
            return False
        peer["pfc"] = [octets[1] >> priority & 1 for priority in range(8)]
    elif subtype == _ETS:
        if len(octets) != 21:
            return False
        nibbles = [nibble for octet in octets[1:5] for nibble in (octet >> 4, octet & 15)]
        peer["priority_to_tc"] = dict(enumerate(nibbles))
    elif subtype == _APPLICATION:
        if len(octets) % 3 != 1:
            return False
        entries = [octets[start : start + 3] for start in range(1, len(octets), 3)]
        peer["dscp_to_priority"] = {
            high << 8 | low: head >> 5 for head, high, low in entries if head & 7 == _SELECTOR_DSCP
        }
    return True


def _judge_cable(interface: str, peer: Mapping[str, Any], expected: Any, found: Findings) -> None:
    if expected is None:
        return
    switch, _, port = str(expected).partition(":")
    if peer["switch"] != switch or (port and port not in (peer["port"], peer["description"])):
        found.failures.append(
            f"{interface} is connected to {peer['switch']} {peer['port']}, planned is {expected}: a swapped cable?"
        )


def _judge_qos(interface: str, peer: Mapping[str, Any], context: Context | None, found: Findings) -> None:
    lossless, dscp = whole(context, "lossless_priority"), whole(context, "dscp")
    if peer["broken"]:
        found.unknowns.append(f"{interface}: a DCB TLV can't be read")
    if lossless is not None:
        if peer["pfc"] is None:
            found.notes.append(f"{interface}: the switch does not announce PFC; look at its configuration")
        elif lossless > 7 or not peer["pfc"][lossless]:
            found.failures.append(
                f"{interface}: the switch announces no PFC for priority {lossless}: set it up there (and its buffers)"
            )
    mapping = peer["dscp_to_priority"]
    if dscp is not None and lossless is not None and mapping and mapping.get(dscp, lossless) != lossless:
        found.failures.append(
            f"{interface}: the switch announces priority {mapping[dscp]} for DSCP {dscp}, lossless is {lossless}"
        )


def _peer() -> dict[str, Any]:
    return {
        "switch": None,
        "port": None,
        "description": None,
        "pfc": None,
        "priority_to_tc": None,
        "dscp_to_priority": None,
        "broken": False,
    }


def _add_tlv(peer: dict[str, Any], oui: Any, subtype: Any, value: Any) -> None:
    if re.sub(r"[^0-9a-f]", "", str(oui).lower()) != _IEEE_8021 or not str(subtype).strip().isdecimal():
        return
    octets = [int(pair, 16) for pair in re.findall(r"\b[0-9a-fA-F]{2}\b", str(value))]
    if not decode(int(str(subtype).strip()[:4]), octets, peer):
        peer["broken"] = True


def _read_json(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    neighbours: dict[str, dict[str, Any]] = {}
    entries = [
        entry
        for section in _each(document["lldp"])
        if isinstance(section, Mapping)
        for entry in _each(section.get("interface"))
    ]
    for entry in entries:
        if not isinstance(entry, Mapping):
            continue
        # json: {"eth1": {…}}; json0: {"name": "eth1", …}.
        named = [(str(entry["name"]), entry)] if isinstance(entry.get("name"), str) else list(entry.items())
        for interface, body in named:
            if not isinstance(body, Mapping) or interface in neighbours:
                continue
            peer = _peer()
            peer["switch"] = _chassis_name(body.get("chassis"))
            port = _first(body.get("port"))
            if isinstance(port, Mapping):
                identifier = _first(port.get("id"))
                peer["port"] = _text(identifier.get("value") if isinstance(identifier, Mapping) else identifier)
                peer["description"] = _text(port.get("descr"))
            for group in _each(body.get("unknown-tlvs")):
                for tlv in _each(group.get("unknown-tlv") if isinstance(group, Mapping) else None):
                    if isinstance(tlv, Mapping):
                        _add_tlv(peer, tlv.get("oui"), tlv.get("subtype"), tlv.get("value"))
            neighbours[str(interface)] = peer
    return neighbours


def _chassis_name(chassis: Any) -> str | None:
    first = _first(chassis)
    if not isinstance(first, Mapping):
        return None
    if "name" in first:
        return _text(first["name"])
    # json: the name is the key, and a chassis without a name has its fields there.
    names = [str(key) for key, value in first.items() if isinstance(value, Mapping) and key != "id"]
    return names[0] if len(names) == 1 else None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: Any) -> str | None:
    first = _first(value)
    inner = first.get("value") if isinstance(first, Mapping) else first
    return str(inner) if isinstance(inner, (str, int)) and str(inner) else None


def _read_lines(lines: Sequence[str]) -> dict[str, dict[str, Any]]:
    neighbours: dict[str, dict[str, Any]] = {}
    pending: dict[str, dict[str, str]] = {}
    for line in lines:
        match = _LINE.match(line.strip())
        if match is None:
            continue
        interface, key, value = match.groups()
        peer = neighbours.setdefault(interface, _peer())
        if key == "chassis.name":
            peer["switch"] = value or None
        elif key in ("port.ifname", "port.local", "port.mac"):
            peer["port"] = value or None
        elif key == "port.descr":
            peer["description"] = value or None
        elif key.startswith("unknown-tlvs.unknown-tlv"):
            tlv = pending.setdefault(interface, {})
            tlv[key.rpartition(".")[2]] = value
            # The bytes come last, under the TLV's own key.
            if key in ("unknown-tlvs.unknown-tlv", "unknown-tlvs.unknown-tlv.value"):
                _add_tlv(peer, tlv.get("oui", ""), tlv.get("subtype", ""), value)
                pending[interface] = {}
    return neighbours
