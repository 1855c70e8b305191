#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the group's names in /etc/hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_network_hosts
short_description: Have every host of the group resolve the group's names to their data addresses
version_added: 0.1.0
description:
  - Keeps a block in C(/etc/hosts), and takes its names out of every other line, since the first line with a name
    counts. What else stands in such a line stays.
  - That mends Debian's C(127.0.1.1) for a host's own name, by which its ranks would tell the others to look for them on
    themselves.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  names:
    description: Address by name. With none the block is removed.
    type: dict
    required: true
  own:
    description: This host's own name, which must not resolve to loopback. Without it that is not looked at.
    type: str
  root:
    description: Prefix of every path, for images and tests.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: Names of the group
  moefleet.serving.host_network_hosts:
    names: {node-0: 192.168.1.10, node-1: 192.168.1.11}
    own: node-0
"""

RETURN = r"""
before:
  description: Addresses that the file gave the names before, where they differ.
  returned: success
  type: dict
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import hosts_file
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.paths import under
from ansible_collections.moefleet.serving.plugins.module_utils.hosts import files
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Runner
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import run_briefly as run


def loopback(address: str) -> bool:
    """Whether an address leads nowhere but here."""
    return address.startswith("127.") or address == "::1"


def own_problem(own: str, content: str, ask: Runner | None) -> str:
    """Why this host's own name is no good; empty when it is. `ask` looks at what the host's resolver makes of it."""
    found = hosts_file.resolves_to(content, own)
    if found and loopback(found[0]):
        return (
            f"{own}, this host's own name, is {found[0]} in {hosts_file.PATH}: give it its data address in names, or"
            " take it out of that line"
        )
    answer = ask(["getent", "ahosts", own]) if ask else None
    words = answer.stdout.split() if answer and answer.status == 0 else []
    if words and loopback(words[0]):
        return (
            f"{own}, this host's own name, resolves to {words[0]} although {hosts_file.PATH} does not say so: in the"
            " line `hosts:` of /etc/nsswitch.conf files must come first"
        )
    return ""


def main() -> None:
    """Compare and write."""
    spec: dict[str, dict[str, Any]] = {
        "names": {"type": "dict", "required": True},
        "own": {"type": "str"},
        "root": {"type": "path", "default": "/"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    root, own = Path(module.params["root"]), module.params["own"]
    names = {str(name): str(address) for name, address in module.params["names"].items()}
    problems = hosts_file.problems(names)
    if problems:
        module.fail_json(msg="; ".join(problems))
    path = str(under(root, hosts_file.PATH))
    seen = files.see(path)
    content = seen.content or "127.0.0.1 localhost\n::1 localhost\n"
    after = hosts_file.wanted(content, names)
    changed = after != seen.content
    problem = own_problem(own, after, None) if own else ""
    if problem:
        module.fail_json(msg=problem)
    if changed and not module.check_mode:
        files.write(files.Wanted(path, after, seen.mode or "0644", seen.owner or "root", seen.group or "root"))
    if own and str(root) == "/" and not (changed and module.check_mode):
        problem = own_problem(own, after, run)
        if problem:
            module.fail_json(msg=problem)
    cloud = hosts_file.rewritten_at_boot(root)
    if cloud:
        module.warn(
            f"cloud-init writes {hosts_file.PATH} anew at every boot ({cloud}): set manage_etc_hosts to false there"
        )
    before = {
        name: hosts_file.resolves_to(content, name)
        for name in names
        if hosts_file.resolves_to(content, name) != [names[name]]
    }
    headers = {"before_header": hosts_file.PATH, "after_header": hosts_file.PATH}
    diff = {"before": seen.content or "", "after": after, **headers} if changed else {}
    module.exit_json(changed=changed, before=before, diff=diff)


if __name__ == "__main__":
    main()
