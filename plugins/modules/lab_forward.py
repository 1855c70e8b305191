#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a loopback port of this machine that leads into the lab."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_forward
short_description: Lead a loopback port of this machine to an address inside the lab
version_added: 0.1.0
description:
  - The lab's addresses exist only inside its namespaces. This starts a relay on 127.0.0.1 so that people can reach the
    service.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  lab:
    description: Name of the lab.
    type: str
    required: true
  state_dir:
    description: Directory of the lab on this machine.
    type: path
    required: true
  port:
    description: Port on 127.0.0.1. Required when O(state=present).
    type: int
  to_address:
    description: Address inside the lab.
    type: str
  to_port:
    description: Port inside the lab.
    type: int
  state:
    description: Whether the relay runs.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: The lab's API on this machine's loopback
  moefleet.serving.lab_forward:
    lab: lab
    state_dir: /var/lib/moefleet/labs/lab
    port: 8000
    to_address: 192.168.1.10
    to_port: 8000
"""

RETURN = r"""
address:
  description: Where to reach it.
  returned: when O(state=present)
  type: str
"""

import json
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.lab import processes
from ansible_collections.moefleet.serving.plugins.module_utils.lab.commands import LabError
from ansible_collections.moefleet.serving.plugins.module_utils.lab.requirements import port_is_free

START_TIMEOUT_S = 20.0


def start(argv: list[str], port: int, log: Path, pid_file: Path) -> None:
    """Start the relay and wait until it listens; LabError when the port is taken or nothing comes to listen on it."""
    place, fix = f"127.0.0.1:{port}", "free the port, or choose another with lab_hosts_api_port"
    if not port_is_free(port):
        raise LabError("LAB_PORT_TAKEN", place, "another program listens there", fix)
    processes.spawn(argv, log, pid_file)
    deadline = time.monotonic() + START_TIMEOUT_S
    while port_is_free(port):
        if processes.recorded_pid(pid_file) is None or time.monotonic() > deadline:
            words = log.read_text(encoding="utf-8", errors="replace").strip()[-200:]
            processes.stop(pid_file)
            raise LabError("LAB_FORWARD_NOT_UP", place, f"the relay does not listen: {words}", fix)
        time.sleep(0.1)


def main() -> None:
    """Compare the relay that runs with the one that should."""
    module = AnsibleModule(
        argument_spec={
            "lab": {"type": "str", "required": True},
            "state_dir": {"type": "path", "required": True},
            "port": {"type": "int"},
            "to_address": {"type": "str"},
            "to_port": {"type": "int"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["port", "to_address", "to_port"])],
        supports_check_mode=True,
    )
    given = module.params
    directory = Path(given["state_dir"])
    pid_file, known_file = directory / "forward.pid", directory / "forward.json"
    before = json.loads(known_file.read_text(encoding="utf-8")) if known_file.exists() else []
    running = processes.recorded_pid(pid_file) is not None
    wanted: list[str] = []
    if given["state"] == "present":
        into = f"ip netns exec moefleet-{given['lab']}-fabric nc {given['to_address']} {given['to_port']}"
        wanted = ["socat", f"TCP-LISTEN:{given['port']},bind=127.0.0.1,fork,reuseaddr", f"EXEC:{into}"]
    changed = (running or known_file.exists()) if not wanted else not (running and before == wanted)
    try:
        if changed and not module.check_mode:
            processes.stop(pid_file)
            known_file.unlink(missing_ok=True)
            if wanted:
                start(wanted, given["port"], directory / "forward.log", pid_file)
                known_file.write_text(json.dumps(wanted), encoding="utf-8")
    except LabError as error:
        module.fail_json(msg=str(error))
    diff = {"before": " ".join(before) + "\n", "after": " ".join(wanted) + "\n"} if changed else {}
    module.exit_json(changed=changed, diff=diff, **({"address": f"127.0.0.1:{given['port']}"} if wanted else {}))


if __name__ == "__main__":
    main()
