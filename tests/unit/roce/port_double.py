#!/usr/bin/python3
"""A port that isn't there: the files of its driver, and the tools that set it, which keep what they were told.

Used in this process by the unit tests and, installed under the tools' names, on hosts by the molecule scenario.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Answer = tuple[int, str, str]
EIGHT = range(8)
FRESH: dict[str, Any] = {
    "dcbx": "firmware",
    "trust": "pcp",
    "map": {str(dscp): dscp // 8 for dscp in range(64)},
    "app": [],
    "pfc": [0] * 8,
    "prio2buffer": [0] * 8,
    "buffer_size": [20016, 156096, 0, 0, 0, 0, 0, 0],
    "prio_tc": [1, 0, 2, 3, 4, 5, 6, 7],
    "tsa": ["vendor"] * 8,
    "tcbw": [0] * 8,
    "pause": "on",
    "active_mtu": 4096,
    "units": {},
    "log": [],
}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def tree(root: Path, kind: str, address: str = "192.168.1.10", mtu: int = 9000) -> None:
    """The files of a port: `kind` is ofed, inbox, or rxe."""
    net = root / "sys/class/net/eth1"
    write(net / "mtu", f"{mtu}\n")
    write(net / "operstate", "up\n")
    write(root / "proc/sys/net/ipv4/tcp_ecn", "2\n")
    device = {"ofed": "mlx5_0", "inbox": "mlx5_0", "rxe": "rxe0"}[kind]
    ib = root / "sys/class/infiniband" / device
    if kind == "rxe":
        write(ib / "parent", "eth1\n")
    else:
        pci = root / "sys/devices/0000:3b:00.0"
        (root / "sys/bus/pci/drivers/mlx5_core").mkdir(parents=True, exist_ok=True)
        pci.mkdir(parents=True, exist_ok=True)
        (pci / "driver").symlink_to("../../bus/pci/drivers/mlx5_core")
        (net / "device").symlink_to("../../../devices/0000:3b:00.0")
        (ib / "device/net/eth1").mkdir(parents=True)
    digits = "".join(f"{int(part):02x}" for part in address.split(".") if part)
    mapped = f"0000:0000:0000:0000:0000:ffff:{digits[:4]}:{digits[4:]}"
    local = "fe80:0000:0000:0000:0ac0:ebff:fe11:1001"
    rows = [(local, "IB/RoCE v1"), (local, "RoCE v2"), (mapped, "IB/RoCE v1"), (mapped, "RoCE v2")]
    for index, (gid, version) in enumerate(rows[:2] if not address else rows):
        write(ib / f"ports/1/gids/{index}", gid + "\n")
        write(ib / f"ports/1/gid_attrs/types/{index}", version + "\n")
        write(ib / f"ports/1/gid_attrs/ndevs/{index}", "eth1\n")
    write(ib / "ports/1/gids/4", "0000:0000:0000:0000:0000:0000:0000:0000\n")
    cm = root / "sys/kernel/config/rdma_cm" / device / "ports/1"
    write(cm / "default_roce_tos", "0\n")
    write(cm / "default_roce_mode", "IB/RoCE v1\n")
    if kind == "ofed":
        for point in ("roce_np", "roce_rp"):
            for priority in EIGHT:
                write(net / f"ecn/{point}/enable/{priority}", "0\n")
        write(net / "ecn/roce_np/cnp_dscp", "0\n")
        write(net / "ecn/roce_np/cnp_802p_prio", "0\n")
        write(ib / "tc/1/traffic_class", "Global tclass=0\n")
    if kind == "inbox":
        cc = root / "sys/kernel/debug/mlx5/0000:3b:00.0/cc_params"
        write(cc / "np_cnp_dscp", "0\n")
        write(cc / "np_cnp_prio", "0\n")
        write(cc / "np_cnp_prio_mode", "0\n")


def _flags(values: list[Any]) -> str:
    return "".join(f"{value}   " for value in values)


class Port:
    """The tools. `state` is what they know and `state["log"]` what changed it."""

    def __init__(self, state: dict[str, Any] | None = None, tools: Sequence[str] = ("mlnx_qos", "dcb")) -> None:
        self.state: dict[str, Any] = state if state is not None else json.loads(json.dumps(FRESH))
        self.tools = {*tools, "ethtool", "ibv_devinfo", "systemctl", "modprobe"}

    def answer(self, argv: Sequence[str]) -> Answer:
        """What a tool says."""
        name, *words = argv
        heard = name == "lldpctl" and self.state.get("neighbour")
        if name not in self.tools and not heard:
            return 127, "", f"{name} is not installed"
        reply: Answer = getattr(self, f"_{name}")(words)
        return reply

    def _changed(self, name: str, words: Sequence[str]) -> None:
        self.state["log"].append(" ".join([name, *words]))

    def _mlnx_qos(self, words: list[str]) -> Answer:
        if words == ["--version"]:
            return 0, "mlnx_qos 1.2\n", ""
        if words[:2] != ["-i", "eth1"]:
            return 1, "Interface name is required\n", ""
        options = list(zip(words[2::2], words[3::2]))
        names = [name for name, _ in options]
        if "--trust" in names and "--dscp2prio" in names:
            return 1, "trust and dscp2prio commands cannot be used at the same time.\n", ""
        for name, value in options:
            if name == "-d":
                self.state["dcbx"] = value
            elif name == "--dscp2prio":
                _, dscp, priority = value.split(",")
                self.state["map"][dscp] = int(priority)
            elif name == "--trust":
                self.state["trust"] = value
            else:
                listed = value.split(",")
                key = name.lstrip("-")
                if len(listed) != 8:
                    return 1, f"{key} list must have 8 items\n", ""
                self.state[key] = listed if key == "tsa" else [int(item) for item in listed]
        if options:
            self._changed("mlnx_qos", words)
        return 0, self._qos_text(), ""

    def _qos_text(self) -> str:
        state = self.state
        lines = [
            "DCBX mode: " + ("OS controlled" if state["dcbx"] == "os" else "Firmware controlled"),
            f"Priority trust state: {state['trust']}",
        ]
        if state["trust"] == "dscp":
            lines.append("dscp2prio mapping:")
            for priority in EIGHT:
                dscps = sorted((int(dscp) for dscp, to in state["map"].items() if to == priority), reverse=True)
                for start in range(0, len(dscps), 8):
                    own = "".join(f"{dscp:02d}," for dscp in dscps[start : start + 8])
                    lines.append(f"\tprio:{priority} dscp:{own}")
        lines += [
            "default priority:",
            "Receive buffer size (bytes): "
            + "".join(f"{size}," for size in state["buffer_size"])
            + "max_buffer_size=262016",
            "Cable len: 7",
            "PFC configuration:",
            "\tpriority    0   1   2   3   4   5   6   7",
            "\tenabled     " + _flags(state["pfc"]),
            "\tbuffer      " + _flags(state["prio2buffer"]),
        ]
        for tc in EIGHT:
            share = f", bw: {state['tcbw'][tc]}%" if state["tsa"][tc] == "ets" else ""
            lines.append(f"tc: {tc} ratelimit: unlimited, tsa: {state['tsa'][tc]}{share}")
            lines += [f"\t priority:  {priority}" for priority in EIGHT if state["prio_tc"][priority] == tc]
        return "\n".join(lines) + "\n"

    def _dcb(self, words: list[str]) -> Answer:
        if words[0] == "-j":
            words = words[1:]
        thing, verb, _, interface, *rest = words
        if interface != "eth1":
            return 2, "", "Attribute read: Operation not supported"
        if verb == "show":
            return 0, json.dumps(self._dcb_shown(thing)) + "\n", ""
        if thing == "dcbx":
            self.state["dcbx"] = "os" if "host" in rest else "firmware"
        elif thing == "app":
            pairs = [[int(part) for part in pair.split(":")] for pair in rest[1:]]
            if verb == "flush":
                self.state["app"] = []
            elif verb == "del" and any(pair not in self.state["app"] for pair in pairs):
                return 1, "", "Attribute write: No such file or directory"
            else:
                kept = [pair for pair in self.state["app"] if pair not in pairs]
                self.state["app"] = kept if verb == "del" else sorted(kept + pairs)
        else:
            self._dcb_lists(rest)
        self._changed("dcb", words)
        return 0, "", ""

    def _dcb_lists(self, rest: list[str]) -> None:
        keys = {
            "prio-pfc": "pfc",
            "prio-buffer": "prio2buffer",
            "buffer-size": "buffer_size",
            "prio-tc": "prio_tc",
            "tc-tsa": "tsa",
            "tc-bw": "tcbw",
        }
        key = ""
        for word in rest:
            if word in keys:
                key = keys[word]
                continue
            index, value = word.split(":")
            item: Any = {"on": 1, "off": 0}.get(value, value if key == "tsa" else None)
            for place in EIGHT if index == "all" else [int(index)]:
                self.state[key][place] = item if item is not None else int(value)

    def _dcb_shown(self, thing: str) -> dict[str, Any]:
        state = self.state
        pfc = [bool(flag) for flag in state["pfc"]]
        classes = {"tc_bw": state["tcbw"], "tc_tsa": state["tsa"], "prio_tc": state["prio_tc"]}
        shown: dict[str, dict[str, Any]] = {
            "dcbx": {"host": True, "cee": True, "ieee": True} if state["dcbx"] == "os" else {"cee": True, "ieee": True},
            "app": {"dscp_prio": state["app"]} if state["app"] else {},
            "pfc": {"pfc_cap": 8, "macsec_bypass": False, "delay": 7, "prio_pfc": pfc},
            "ets": {"willing": False, "ets_cap": 8, "cbs": False, **classes},
            "buffer": {"prio_buffer": state["prio2buffer"], "buffer_size": state["buffer_size"], "total_size": 262016},
        }
        return shown[thing]

    def _ethtool(self, words: list[str]) -> Answer:
        if words[0] == "-A":
            if words[3] == self.state["pause"]:
                return 79, "", "rx unmodified, ignoring\ntx unmodified, ignoring\nno pause parameters changed, aborting"
            self.state["pause"] = words[3]
            self._changed("ethtool", words)
            return 0, "", ""
        pause = self.state["pause"]
        return 0, f"Pause parameters for eth1:\nAutonegotiate:\toff\nRX:\t\t{pause}\nTX:\t\t{pause}\n\n", ""

    def _ibv_devinfo(self, words: list[str]) -> Answer:
        mtu = self.state["active_mtu"]
        text = f"hca_id:\t{words[1]}\n\t\tport:\t1\n\t\t\tstate:\t\t\tPORT_ACTIVE (4)\n\t\t\tmax_mtu:\t\t4096 (5)\n"
        number = {256: 1, 512: 2, 1024: 3, 2048: 4, 4096: 5}[mtu]
        return 0, text + f"\t\t\tactive_mtu:\t\t{mtu} ({number})\n\t\t\tlink_layer:\t\tEthernet\n", ""

    def _systemctl(self, words: list[str]) -> Answer:
        if words[0] == "mask":
            self._changed("systemctl", words)
            self.state["units"].update({unit: ["masked", "inactive"] for unit in words[2:]})
            return 0, "", ""
        load, active = self.state["units"].get(words[-1], ["not-found", "inactive"])
        return 0, f"{active}\n" if "--value" in words else f"LoadState={load}\nActiveState={active}\n", ""

    def _lldpctl(self, words: list[str]) -> Answer:
        return 0, self.state["neighbour"] if words[-1] == "eth1" else "{}", ""

    def _modprobe(self, words: list[str]) -> Answer:
        self._changed("modprobe", words)
        return 0, "", ""


def main(argv: list[str]) -> int:
    """Be the tool by whose name this was called; or build a tree: `port_double.py tree ROOT KIND ADDRESS`."""
    name = Path(argv[0]).name
    if argv[1:2] == ["tree"]:
        tree(Path(argv[2]), argv[3], argv[4])
        return 0
    place = Path(os.environ.get("ROCE_DOUBLE", "/run/roce-double.json"))
    state = json.loads(place.read_text(encoding="utf-8")) if place.exists() else json.loads(json.dumps(FRESH))
    code, out, err = Port(state).answer([name, *argv[1:]])
    place.write_text(json.dumps(state), encoding="utf-8")
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv))
