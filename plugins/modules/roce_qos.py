#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a port's part of a lossless RoCE v2 network."""

from __future__ import annotations

DOCUMENTATION = r"""
module: roce_qos
short_description: Set a port's trust, PFC, ECN and traffic class for RoCE v2
version_added: 0.1.0
description:
  - Computes one chain from the DSCP (traffic class, priority, PFC) and sets every link of it that the host has, by
    OFED's tools and files or by the kernel's own (C(dcb), debugfs, configfs).
  - Reads first and writes only on difference, because a change of PFC takes the link down for a moment. Reads again to
    prove it.
  - Refuses to change anything while the service runs, and a chain whose links don't fit.
  - What the host has no way to set or to tell is C(unknown) with its reason, never taken for set.
  - Members of a bond are left alone.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode:
    support: full
    details: Where the interface, its RDMA device or the tools are missing, it warns that nothing can be known yet.
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  interface:
    description: The data network's interface.
    type: str
    required: true
  device:
    description: Its RDMA device. By default the one that the kernel has behind the interface.
    type: str
    default: ""
  subnet:
    description:
      - The data network, as C(192.168.1.0/24) or as an address with its prefix. The GID that is returned lies in it.
      - By default any IPv4 address will do.
    type: str
    default: ""
  dscp:
    description: DSCP of RDMA traffic, 0 to 63.
    type: int
    default: 26
  ecn:
    description: ECN bits of the traffic class. 2 says that switches may mark packets.
    type: int
    default: 2
  traffic_class:
    description:
      - What somebody else states, such as NCCL_IB_TC. It must have the same DSCP. Other ECN bits are a warning.
      - Nothing is compared by default.
    type: int
  lossless_priority:
    description: The one priority that PFC protects.
    type: int
    default: 3
  cnp_dscp:
    description: DSCP of congestion notification packets.
    type: int
    default: 48
  cnp_priority:
    description: Their priority, which is not the lossless one.
    type: int
    default: 6
  dscp_priorities:
    description: Priorities of DSCPs that aren't mapped by their three high bits.
    type: dict
    default: {}
  trust:
    description: What the port takes a frame's priority from.
    type: str
    choices: [dscp, pcp]
    default: dscp
  global_pause:
    description: Pause frames that stop the whole port. They defeat PFC.
    type: bool
    default: false
  buffer_sizes:
    description: Bytes of the eight receive buffers. Left to the driver by default.
    type: list
    elements: int
    default: []
  priority_buffers:
    description: Receive buffer of each priority. Left to the driver by default.
    type: list
    elements: int
    default: []
  priority_classes:
    description: Traffic class (queue) of each priority. Left to the driver by default.
    type: list
    elements: int
    default: []
  class_algorithms:
    description: C(strict), C(ets) or C(vendor) for each traffic class. Left to the driver by default.
    type: list
    elements: str
    default: []
  class_shares:
    description: Percent of the bandwidth of each C(ets) traffic class, 100 together. Left to the driver by default.
    type: list
    elements: int
    default: []
  minimum_mtu:
    description: The interface's least MTU. RDMA's own 4096 bytes need 4200. Judged by the host's program, not here.
    type: int
    default: 4200
  qos_expected:
    description: Whether the port has settings of PFC and ECN at all. Soft-RoCE and virtual interfaces have none.
    type: bool
    default: true
  backend:
    description: Whose tools set the port. C(auto) takes OFED where its tool and its driver's files are there.
    type: str
    choices: [auto, ofed, inbox]
    default: auto
  lldpad:
    description: What to do about an LLDP agent that overwrites static settings.
    type: str
    choices: [mask, ignore]
    default: mask
  service:
    description: The unit under which nothing may change. Empty for none.
    type: str
    default: moefleet-vllm.service
  state:
    description: C(absent) takes marking and PFC away. DCBX, pause and lldpad stay as they are.
    type: str
    choices: [present, absent]
    default: present
  root:
    description: Prefix of every path, for images and tests.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: Lossless RoCE v2 on the data interface
  moefleet.serving.roce_qos:
    interface: eth1
    subnet: 192.168.1.0/24

- name: Soft-RoCE, which has no PFC
  moefleet.serving.roce_qos:
    interface: eth1
    qos_expected: false
"""

RETURN = r"""
changed_settings:
  description: Settings that differed, with the values before and after.
  returned: always
  type: dict
steps:
  description: Commands that were run and files that were written, or would be in check mode as far as can be foreseen.
  returned: always
  type: list
  elements: str
roce:
  description:
    - The port as it is. Keys are C(interface), C(device), C(port), C(driver), C(backend), C(skipped), C(mtu),
      C(active_mtu), C(active_mtu_from), C(gid) (C(index), C(gid), C(address)), C(traffic_class), C(settings),
      C(unknown) and C(other_end).
    - C(settings) has C(trust), C(pfc), C(traffic_class), C(cm_tos), C(tcp_ecn) and the others one by one. Those that
      nobody can tell are null, and C(unknown) says why.
    - C(other_end) is what the switch announces by LLDP. Its C(verdict) is C(unknown) where C(lldpctl) is missing or
      the switch is silent. Another priority than this host's is a warning here, a difference for the host's own check.
  returned: always, empty where the device isn't there in check mode
  type: dict
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import run_briefly as run
from ansible_collections.moefleet.serving.plugins.module_utils.roce import chain, converge, desired, report
from ansible_collections.moefleet.serving.plugins.module_utils.roce.devices import AbsentError, DeviceError
from ansible_collections.moefleet.serving.plugins.module_utils.roce.settings import ApplyError

# Options that are not choices about the port itself.
OTHER = ("traffic_class", "state", "root")


def argument_spec() -> dict[str, Any]:
    """The module's options."""
    numbers = {"type": "list", "elements": "int", "default": []}
    return {
        "interface": {"type": "str", "required": True},
        "device": {"type": "str", "default": ""},
        "subnet": {"type": "str", "default": ""},
        "dscp": {"type": "int", "default": 26},
        "ecn": {"type": "int", "default": 2},
        "traffic_class": {"type": "int"},
        "lossless_priority": {"type": "int", "default": 3},
        "cnp_dscp": {"type": "int", "default": 48},
        "cnp_priority": {"type": "int", "default": 6},
        "dscp_priorities": {"type": "dict", "default": {}},
        "trust": {"type": "str", "choices": ["dscp", "pcp"], "default": "dscp"},
        "global_pause": {"type": "bool", "default": False},
        "buffer_sizes": dict(numbers),
        "priority_buffers": dict(numbers),
        "priority_classes": dict(numbers),
        "class_algorithms": {"type": "list", "elements": "str", "default": []},
        "class_shares": dict(numbers),
        "minimum_mtu": {"type": "int", "default": 4200},
        "qos_expected": {"type": "bool", "default": True},
        "backend": {"type": "str", "choices": ["auto", "ofed", "inbox"], "default": "auto"},
        "lldpad": {"type": "str", "choices": ["mask", "ignore"], "default": "mask"},
        "service": {"type": "str", "default": "moefleet-vllm.service"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "root": {"type": "path", "default": "/"},
    }


def _choices(module: AnsibleModule) -> desired.Desired:
    """The port as it should be; fails with all that can't be."""
    given = {name: value for name, value in module.params.items() if name not in OTHER}
    try:
        wanted = desired.from_mapping(given)
        for words in chain.compare(wanted.chain, module.params["traffic_class"]):
            module.warn(words)
    except ValueError as error:
        module.fail_json(msg=f"{given['interface']}: {error}")
    return wanted


def _diff(changes: dict[str, dict[str, str | None]], interface: str) -> dict[str, str]:
    if not changes:
        return {}
    before, after = (
        "".join(f"{name} = {value[side]}\n" for name, value in changes.items()) for side in ("before", "after")
    )
    return {"before": before, "after": after, "before_header": interface, "after_header": interface}


def main() -> None:
    """Survey, and set what differs."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    wanted, root = _choices(module), Path(module.params["root"])
    present = module.params["state"] == "present"
    none: dict[str, Any] = {"changed_settings": {}, "steps": [], "roce": {}, "diff": {}}
    try:
        before = converge.survey(wanted, present, run, root)
        converge.refuse_under_service(before, wanted.service)
        if module.check_mode:
            after, steps = before, converge.steps(before)
        else:
            outcome = converge.converge(wanted, present, run, root)
            after, steps = outcome.after, list(outcome.done)
    except (AbsentError, converge.NotYetError) as error:
        if not present and isinstance(error, AbsentError):
            module.exit_json(changed=False, **none)
        if not module.check_mode:
            module.fail_json(msg=str(error))
        module.warn(f"{error}. What would change can't be known before that is there")
        module.exit_json(changed=present, **none)
    except (DeviceError, converge.RefusedError, ApplyError) as error:
        module.fail_json(msg=str(error))
    for words in [after.skipped] if after.skipped else after.notes:
        module.warn(words)
    told = report.facts(after, wanted)
    if told["other_end"]["verdict"] == FAIL:
        module.warn(f"the other end: {'; '.join(told['other_end']['reasons'])}")
    changes = {name: {"before": before.seen[name].value, "after": before.wanted[name]} for name in before.changes}
    module.exit_json(
        changed=bool(steps),
        changed_settings=changes,
        steps=[str(step) for step in steps],
        roce=told,
        diff=_diff(changes, wanted.interface),
    )


if __name__ == "__main__":
    main()
