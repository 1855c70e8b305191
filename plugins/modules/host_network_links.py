#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: link settings and interrupts of ports, and where they sit in the machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_network_links
short_description: Check and set link settings, keep interrupts on the port's NUMA node, and say where each port sits
version_added: 0.1.0
description:
  - Compares firmware, driver, speed, forward error correction and coalescing with what is wanted, as the kernel and
    C(ethtool) say it. What C(ethtool) has no answer for is unknown, which is said and is no pass.
  - Error correction and coalescing are set, except error correction on a management interface, which could cut the
    controller off. A firmware, driver or speed that differs fails the task, after everything else is done.
  - Interrupts of the chosen ports go to the cores of the port's own NUMA node, one each in turn, and irqbalance is told
    to leave them alone.
  - All of it comes back at boot by a unit of its own, ordered after the drivers and before the service.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  interfaces:
    description: The ports. With none, everything that an earlier run set up for the boot is removed.
    type: list
    elements: dict
    required: true
    suboptions:
      role:
        description: What the port is for.
        type: str
        choices: [management, data, storage]
        required: true
      name:
        description: Its name.
        type: str
        required: true
      match:
        description: How it is found, by C(mac), C(pci) or C(name). Without it, by O(interfaces[].name).
        type: dict
        suboptions:
          mac:
            description: MAC address.
            type: str
          pci:
            description: PCI address.
            type: str
          name:
            description: Present name.
            type: str
      speed:
        description: Wanted speed in Gbit/s.
        type: int
      fec:
        description: Wanted forward error correction. Both ends must have the same.
        type: str
        choices: [auto, "off", rs, baser, llrs]
      firmware:
        description: Wanted firmware version.
        type: str
      driver:
        description: Wanted driver.
        type: str
      coalesce:
        description: Wanted settings by the names that C(ethtool -C) takes, such as C(adaptive-rx) and C(rx-usecs).
        type: dict
      pin_irqs:
        description: Whether the port's interrupts stay on the cores of its NUMA node.
        type: bool
        default: false
  service:
    description: While this unit is active nothing is set on a data interface.
    type: str
    default: moefleet-vllm.service
  settle_s:
    description: Seconds that a port may take until a setting holds.
    type: int
    default: 10
  root:
    description: Prefix of every path, for images and tests.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: The data port as the switch has it
  moefleet.serving.host_network_links:
    interfaces:
      - {role: data, name: eth1, speed: 25, fec: rs, pin_irqs: true, coalesce: {adaptive-rx: false, rx-usecs: 8}}
  register: links
"""

RETURN = r"""
links:
  description: Every port by its name, whether it is listed or not, with C(mac), C(pci), C(driver), C(speed_gbit_s),
    C(mtu), C(state), C(numa_node), C(cpus) and the number of its C(irqs).
  returned: success
  type: dict
numa_nodes:
  description: The cores of each NUMA node, by its number.
  returned: success
  type: dict
checks:
  description: What is wanted of each port against what was seen, each with C(interface), C(setting), C(observed),
    C(wanted), C(verdict) (C(ok), C(differs) or C(unknown)) and C(reason).
  returned: success
  type: list
  elements: dict
pinned:
  description: Interrupts that were moved, or would be, as C(interface), C(irq), C(now) and C(wanted).
  returned: success
  type: list
  elements: dict
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import backends, ethtool, irq, observe
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.model import Interface, Match
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.observe import Link, NetworkError
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.paths import under
from ansible_collections.moefleet.serving.plugins.module_utils.hosts import files
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import run_briefly as run

INTERFACE: dict[str, dict[str, Any]] = {
    "role": {"type": "str", "choices": ["management", "data", "storage"], "required": True},
    "name": {"type": "str", "required": True},
    "match": {"type": "dict", "options": {"mac": {"type": "str"}, "pci": {"type": "str"}, "name": {"type": "str"}}},
    "speed": {"type": "int"},
    "fec": {"type": "str", "choices": ["auto", "off", "rs", "baser", "llrs"]},
    "firmware": {"type": "str"},
    "driver": {"type": "str"},
    "coalesce": {"type": "dict"},
    "pin_irqs": {"type": "bool", "default": False},
}
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "interfaces": {"type": "list", "elements": "dict", "required": True, "options": INTERFACE},
    "service": {"type": "str", "default": "moefleet-vllm.service"},
    "settle_s": {"type": "int", "default": 10},
    "root": {"type": "path", "default": "/"},
}


def bind(entries: Sequence[dict[str, Any]], links: Sequence[Link]) -> list[tuple[dict[str, Any], Link]]:
    """Each entry under its port's present name, with the port; NetworkError for all that aren't there."""
    bound, problems = [], []
    for entry in entries:
        given = {kind: value for kind, value in (entry.get("match") or {}).items() if value} or {"name": entry["name"]}
        kind, value = next(iter(given.items()))
        try:
            port = observe.find(
                Interface(entry["role"], Match(kind, value.lower() if kind != "name" else value), entry["name"]), links
            )
        except NetworkError as error:
            problems.append(str(error))
            continue
        pinned = bool(entry.get("pin_irqs") and port.irqs)
        bound.append(({**entry, "name": port.name, "wanted_name": entry["name"], "pin_irqs": pinned}, port))
    if problems:
        raise NetworkError("; ".join(problems))
    return bound


def settable(entry: dict[str, Any], check: ethtool.Check) -> bool:
    """Whether a difference is mended here: not where it could cut the controller off."""
    return bool(check.fix) and not (check.setting == "fec" and entry["role"] == "management")


def wanted_files(bound: Sequence[tuple[dict[str, Any], Link]], root: Path) -> list[files.Wanted]:
    """What brings it back at boot. Empty content is no file. Ports go by the names that they have after the boot."""
    later = [
        {**entry, "name": entry["wanted_name"], "fec": entry["fec"] if entry["role"] != "management" else None}
        for entry, _ in bound
    ]
    asked = [entry for entry in later if irq.script_text([entry])]
    pinned = [link for entry, link in bound if entry["pin_irqs"]]
    balance = irq.irqbalance_text(pinned) if irq.has_irqbalance(root) else ""
    owner = files.see(str(under(root, "/etc")))
    its = {"owner": owner.owner or "root", "group": owner.group or "root"}
    return [
        files.Wanted(str(under(root, irq.SCRIPT)), irq.script_text(asked), "0755", **its),
        files.Wanted(str(under(root, irq.UNIT)), irq.unit_text(asked), "0644", **its),
        files.Wanted(str(under(root, irq.IRQBALANCE)), balance, "0644", **its),
    ]


def write(differing: Sequence[files.Wanted], root: Path) -> None:
    """Bring the files and what systemd knows of them up to date."""
    for wanted in differing:
        if wanted.content:
            files.write(wanted)
        else:
            if wanted.path == str(under(root, irq.UNIT)):
                run(["systemctl", "disable", irq.UNIT_NAME])
            Path(wanted.path).unlink()
    if differing:
        run(["systemctl", "daemon-reload"])
    if any(wanted.path == str(under(root, irq.IRQBALANCE)) for wanted in differing):
        run(["systemctl", "try-restart", "irqbalance.service"])


def settle(entry: dict[str, Any], link: Link, settle_s: float) -> list[ethtool.Check]:
    """Look again until nothing that was set differs any more, or the time is over."""
    deadline = time.monotonic() + settle_s
    while True:
        checks = ethtool.checks(entry, link.speed_mbit_s, run)
        if time.monotonic() > deadline or not [c for c in checks if c.verdict != ethtool.OK and settable(entry, c)]:
            return checks
        time.sleep(0.5)


def described(links: Sequence[Link]) -> dict[str, dict[str, Any]]:
    """Ports for the result."""
    return {
        link.name: {
            "mac": link.permanent_mac or link.mac,
            "pci": link.pci,
            "driver": link.driver,
            "speed_gbit_s": None if link.speed_mbit_s is None else link.speed_mbit_s / 1000,
            "mtu": link.mtu,
            "state": link.state,
            "numa_node": link.numa_node,
            "cpus": link.cpus,
            "irqs": len(link.irqs),
        }
        for link in links
        if not link.virtual
    }


def main() -> None:
    """Look, set what differs, look again."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    options, root = module.params, Path(module.params["root"])
    try:
        links = observe.links(root, run)
        bound = bind(options["interfaces"], links)
    except NetworkError as error:
        module.fail_json(msg=str(error))
    checks = {link.name: ethtool.checks(entry, link.speed_mbit_s, run) for entry, link in bound}
    sets = {
        link.name: [c for c in checks[link.name] if c.verdict == ethtool.DIFFERS and settable(entry, c)]
        for entry, link in bound
    }
    moves = {link.name: irq.differing(irq.pins(link, root)) for entry, link in bound if entry["pin_irqs"]}
    data = {link.name for entry, link in bound if entry["role"] == "data"}
    touched = sorted(name for name in data if sets[name] or moves.get(name))
    if touched and backends.is_active(options["service"], run):
        module.fail_json(
            msg=f"{options['service']} is active and {', '.join(touched)} would change under it: stop the service first"
            f" on every host of its group (systemctl stop {options['service']}), then run this again"
        )
    wanted = wanted_files(bound, root)
    seen = {one.path: files.see(one.path) for one in wanted}
    differing = [one for one in wanted if _file_differs(one, seen[one.path])]
    unit = any(one.content for one in wanted if one.path == str(under(root, irq.UNIT)))
    enables = unit and run(["systemctl", "is-enabled", irq.UNIT_NAME]).stdout.strip() != "enabled"
    failures: list[str] = []
    if not module.check_mode:
        failures, kept = _set(bound, sets, moves, root)
        for words in kept:
            module.warn(words)
        write(differing, root)
        if enables:
            run(["systemctl", "enable", irq.UNIT_NAME])
        for entry, link in bound:
            if sets[link.name]:
                checks[link.name] = settle(entry, link, options["settle_s"])
    everything = [check for one in checks.values() for check in one]
    pinned = [
        {"interface": name, "irq": p.irq, "now": p.now, "wanted": p.wanted} for name in moves for p in moves[name]
    ]
    result = {
        "changed": bool(any(sets.values()) or pinned or differing or enables),
        "links": described(links),
        "numa_nodes": irq.numa_nodes(root),
        "checks": [
            {key: getattr(check, key) for key in ("interface", "setting", "observed", "wanted", "verdict", "reason")}
            for check in everything
        ],
        "pinned": pinned,
        "diff": _diff(sets, pinned, differing, seen),
    }
    for check in everything:
        if check.verdict == ethtool.UNKNOWN:
            module.warn(f"{check.interface}: {check.setting} is unknown, wanted {check.wanted}: {check.reason}")
    pending = {id(check) for one in sets.values() for check in one} if module.check_mode else set()
    failures += [_words(c) for c in everything if c.verdict == ethtool.DIFFERS and id(c) not in pending]
    if failures:
        module.fail_json(msg="; ".join(failures), **result)
    module.exit_json(**result)


def _file_differs(wanted: files.Wanted, seen: files.Seen) -> bool:
    return files.differs(wanted, seen) if wanted.content else seen.content is not None


def _set(
    bound: Sequence[tuple[dict[str, Any], Link]],
    sets: dict[str, list[ethtool.Check]],
    moves: dict[str, list[irq.Pin]],
    root: Path,
) -> tuple[list[str], list[str]]:
    """Run what sets the differing settings and move the interrupts; what the tools refused, and what the kernel keeps
    to itself, in words. Interrupts that stay are taken out of `moves`.
    """
    failures: list[str] = []
    said: list[str] = []
    for _, link in bound:
        for check in sets[link.name]:
            done = run(check.fix)
            if done.status != 0:
                failures.append(f"`{' '.join(check.fix)}` failed: {done.last_words}")
        refused = irq.pin(moves.get(link.name, []), root)
        if refused:
            first, why = next(iter(refused.items()))
            said.append(f"{link.name}: the kernel keeps {len(refused)} interrupts where they are (irq {first}: {why})")
            moves[link.name] = [one for one in moves[link.name] if one.irq not in refused]
    return failures, said


def _words(check: ethtool.Check) -> str:
    advice = {
        "speed": "look at cable, module and the switch's port",
        "firmware": "update it, or say which one it is to be",
        "driver": "load that driver, or say which one it is to be",
        "fec": f"both ends must have the same; by hand: {' '.join(check.fix)}",
    }.get(check.setting, f"the driver did not take it: {' '.join(check.fix)}")
    return f"{check.interface}: {check.setting} is {check.observed}, wanted {check.wanted}: {advice}"


def _diff(
    sets: dict[str, list[ethtool.Check]],
    pinned: list[dict[str, Any]],
    differing: Sequence[files.Wanted],
    seen: dict[str, files.Seen],
) -> list[dict[str, str]]:
    lines = [(f"{c.interface} {c.setting}", str(c.observed), c.wanted) for one in sets.values() for c in one]
    lines += [(f"{p['interface']} irq {p['irq']}", str(p["now"]), str(p["wanted"])) for p in pinned]
    diff = [
        {
            "before": seen[one.path].content or "",
            "after": one.content,
            "before_header": one.path,
            "after_header": one.path,
        }
        for one in differing
    ]
    if lines:
        before = "".join(f"{what} = {now}\n" for what, now, _ in lines)
        after = "".join(f"{what} = {then}\n" for what, _, then in lines)
        diff.append({"before": before, "after": after, "before_header": "effective", "after_header": "effective"})
    return diff


if __name__ == "__main__":
    main()
