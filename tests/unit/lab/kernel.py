"""What the kernel does with the lab's `ip` commands, in memory: enough of it to find out where they lead.

It refuses what the real one refuses (a link or address that is there, a device that isn't) and deletes both ends of a
cable with either. test_network.py goes the same ways on the real one.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from ansible_collections.moefleet.serving.plugins.module_utils.lab.commands import LabError

Link = dict[str, Any]


class Kernel:
    """Namespaces, links and addresses, as `ip -j` shows them."""

    def __init__(self) -> None:
        self.namespaces: dict[str, dict[str, Link]] = {}
        self.log: list[str] = []

    def copy(self) -> Kernel:
        """Another machine in the same state."""
        return copy.deepcopy(self)

    def _link(self, namespace: str, name: str) -> Link:
        if name not in self.namespaces[namespace]:
            raise LabError("LAB_COMMAND_FAILED", name, f'Cannot find device "{name}"', "")
        return self.namespaces[namespace][name]

    def add_link(self, namespace: str, name: str) -> Link:
        """Make an interface."""
        links = self.namespaces[namespace]
        if name in links:
            raise LabError("LAB_COMMAND_FAILED", name, "RTNETLINK answers: File exists", "")
        index = max((link["ifindex"] for link in links.values()), default=0) + 1
        links[name] = {"ifname": name, "ifindex": index, "mtu": 1500, "flags": ["BROADCAST"], "addr_info": []}
        return links[name]

    def peer(self, namespace: str, name: str) -> tuple[str, str] | None:
        """The other end of a cable."""
        found: tuple[str, str] | None = self._link(namespace, name).get("_peer")
        return found

    def delete_link(self, namespace: str, name: str) -> Kernel:
        """Remove an interface, and its other end with it; a bridge's ports are let go."""
        peer = self.peer(namespace, name)
        del self.namespaces[namespace][name]
        for link in self.namespaces[namespace].values():
            if link.get("master") == name:
                del link["master"]
        if peer is not None:
            del self.namespaces[peer[0]][peer[1]]
        return self

    def delete_namespace(self, namespace: str) -> Kernel:
        """Remove a namespace and all that is in it."""
        for name in list(self.namespaces[namespace]):
            if name in self.namespaces[namespace]:
                self.delete_link(namespace, name)
        del self.namespaces[namespace]
        return self

    def run(self, argv: Sequence[str], **_how: Any) -> str:
        """What the function `run` of the lab's commands does, for `ip` only."""
        assert argv[0] == "ip"
        words = list(argv[1:])
        if words[0] == "-j":
            if words[1:] == ["netns", "list"]:
                return json.dumps([{"name": name} for name in self.namespaces])
            assert words[1] == "-n"
            return json.dumps(list(self.namespaces[words[2]].values()))
        self.log.append(" ".join(argv))
        if words[0] == "netns":
            return self._netns(words[1], words[2])
        assert words[0] == "-n"
        self._change(words[1], words[2], words[3], words[4:])
        return ""

    def _netns(self, verb: str, name: str) -> str:
        if verb == "add":
            if name in self.namespaces:
                raise LabError("LAB_COMMAND_FAILED", name, "File exists", "")
            self.namespaces[name] = {}
            self.add_link(name, "lo")
        elif verb == "delete":
            self.delete_namespace(name)
        else:
            assert verb == "pids"
        return ""

    def _change(self, namespace: str, kind: str, verb: str, rest: list[str]) -> None:
        if (kind, verb) == ("link", "add"):
            link = self.add_link(namespace, rest[0])
            if rest[1:3] == ["type", "veth"]:
                assert rest[3:5] == ["peer", "name"]
                other = rest[7]
                try:
                    inner = self.add_link(other, rest[5])
                except LabError:
                    del self.namespaces[namespace][rest[0]]
                    raise
                link["_peer"], inner["_peer"] = (other, rest[5]), (namespace, rest[0])
                link["link_index"], inner["link_index"] = inner["ifindex"], link["ifindex"]
            else:
                assert rest[1:] == ["type", "bridge"]
        elif (kind, verb) == ("link", "delete"):
            self.delete_link(namespace, rest[0])
        elif (kind, verb) == ("link", "set"):
            link = self._link(namespace, rest[0])
            if rest[1] == "up":
                link["flags"] = sorted({*link["flags"], "UP"})
            elif rest[1] == "master":
                self._link(namespace, rest[2])
                link["master"] = rest[2]
            else:
                assert rest[1] == "mtu"
                link["mtu"] = int(rest[2])
        else:
            assert kind == "addr"
            link = self._link(namespace, rest[rest.index("dev") + 1])
            if verb == "flush":
                assert rest[2:] == ["scope", "global"]
                link["addr_info"] = [info for info in link["addr_info"] if info["scope"] != "global"]
            else:
                assert verb == "add"
                local, length = rest[0].split("/")
                info = {"family": "inet", "local": local, "prefixlen": int(length), "scope": "global"}
                if info in link["addr_info"]:
                    raise LabError("LAB_COMMAND_FAILED", rest[0], "RTNETLINK answers: File exists", "")
                link["addr_info"].append(info)
