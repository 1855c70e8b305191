"""What the tests of raw inventories share: two good ones, and what is found in one."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding
from ansible_collections.moefleet.serving.plugins.module_utils.planner.inventory.sources import scan

Write = Callable[[str, str], str]

GOOD_YAML = """
all:
  children:
    serving:
      hosts:
        node-0: {node_rank: 0, data_address: 10.0.0.1}
        node-1: {node_rank: 1, data_address: 10.0.0.2}
      vars: {data_interface: eth1}
    storage:
      hosts: {nas: }
"""
GOOD_INI = """
# a comment
jump ansible_host=10.9.9.9

[serving]
node-[0:1] ansible_user=root  # the engines
nas:22 data_interface="eth 1"

[storage:children]
serving
[storage:vars]
mount = /data
"""


def found(path: str, hosts: tuple[str, ...] = ("node-0", "node-1"), group: str = "serving") -> list[Finding]:
    return scan([path], group, hosts)


def codes(path: str, hosts: tuple[str, ...] = ("node-0", "node-1"), group: str = "serving") -> list[str]:
    return [finding.code for finding in found(path, hosts, group)]
