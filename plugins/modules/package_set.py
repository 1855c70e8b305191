#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: packages that belong together."""

from __future__ import annotations

DOCUMENTATION = r"""
module: package_set
short_description: Packages that belong together, pinned, installed and held as one transaction
version_added: 0.1.0
description:
  - Brings a set of packages to exact versions in one call of the package manager, together with the removal of what
    they replace, pins them and holds them, so that no upgrade moves one without the others.
  - Reads what is installed and what the sources offer before anything else. A version that no source has is refused,
    with what there is and the nearest version that the whole set could have; nothing is put in its place.
  - Holds are let go for the transaction and restored whatever happens. Afterwards what is installed is compared with
    what was asked for.
  - Drift is seen, that is packages moved by an unattended upgrade, holds that are lost, and pins that were edited.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode:
    support: full
    details: With apt the transaction is simulated; with dnf, dependencies are not foretold.
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  name:
    description:
      - The set's name. Its pins are in C(/etc/apt/preferences.d/60-moefleet-NAME); with dnf the locks are the pins.
    type: str
    required: true
  packages:
    description: The packages.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The package's name.
        type: str
        required: true
      version:
        description:
          - Its version as its authors number it, for example C(550.144.03), which is C(550.144.03-1) and
            C(1:550.144.03-0ubuntu1). One with a revision means exactly that revision.
          - When omitted, any version that is there will do, and the newest is installed where none is.
        type: str
  companions:
    description:
      - Packages that come along as dependencies. Those that are there, or come, get this version, the pin and the hold
        too.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Their names, as a glob.
        type: str
        required: true
      version:
        description: Their version, as for O(packages). When omitted, any.
        type: str
  absent:
    description: Globs of packages that go in the same transaction, unless O(packages) names them.
    type: list
    elements: str
    default: []
  hold:
    description: Whether upgrades leave the set alone.
    type: bool
    default: true
  allow_downgrade:
    description: Whether a package may go back to an older version.
    type: bool
    default: false
  update_cache:
    description:
      - Fetch the sources' lists first, because the sources have changed. They are also fetched once when a version
        isn't found.
      - In check mode nothing is fetched, and what no source has is then said to be not known yet.
    type: bool
    default: false
  idle_unit:
    description:
      - A unit that must not run while packages change. Where it does, and something would change, the set is refused.
    type: str
    default: ""
  manager:
    description: The package manager. C(auto) is the one that is there.
    type: str
    choices: [auto, apt, dnf]
    default: auto
  lock_timeout_s:
    description: How long in seconds to wait for another package manager to end.
    type: int
    default: 300
  state:
    description: C(absent) removes the packages and their companions, with their configuration, and the pins.
    type: str
    choices: [present, absent]
    default: present
  root:
    description:
      - Prefix of every path that the module itself reads or writes, for images and tests. Commands are the host's.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: A driver and its fabric manager
  moefleet.serving.package_set:
    name: nvidia-driver
    packages:
      - {name: nvidia-open-550, version: 550.144.03}
      - {name: nvidia-fabricmanager-550, version: 550.144.03}
    companions:
      - {name: "libnvidia-*-550", version: 550.144.03}
    absent: ["*nvidia*-535*"]
"""

RETURN = r"""
packages:
  description: Every package that the set covers or that the transaction moved, by name.
  returned: success
  type: dict
  contains:
    before:
      description: Its full version before, null where it was not installed.
      type: str
    after:
      description: Its full version afterwards, or what it would be in check mode; null where it is gone.
      type: str
    held_before:
      description: Whether it was held.
      type: bool
    held:
      description: Whether it is held now, or would be.
      type: bool
unknown:
  description: In check mode, what can't be known before the sources are set up.
  returned: success
  type: list
  elements: str
changed_packages:
  description: Names of the packages whose version changed, or would.
  returned: success
  type: list
  elements: str
"""

import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands
from ansible_collections.moefleet.serving.plugins.module_utils.packages import model, transaction
from ansible_collections.moefleet.serving.plugins.module_utils.packages.apt import Apt
from ansible_collections.moefleet.serving.plugins.module_utils.packages.choice import VanishedError
from ansible_collections.moefleet.serving.plugins.module_utils.packages.dnf import Dnf

RUNNING = ("active", "activating", "reloading", "deactivating")


def find_manager(params: dict[str, Any], run: model.Runner) -> model.Manager:
    """The package manager that is asked for, or the one that is there."""
    kind = params["manager"]
    if kind == "auto":
        kind = next((name for name, program in (("apt", "apt-get"), ("dnf", "dnf")) if shutil.which(program)), None)
    if kind is None:
        raise model.PackageError("there is neither apt-get nor dnf on this host: say which manager it has (manager)")
    if kind == "dnf":
        return Dnf(run, params["lock_timeout_s"])
    return Apt(run, params["name"], Path(params["root"]), params["lock_timeout_s"])


def request_of(params: dict[str, Any]) -> model.Request:
    """The set as it is asked for."""

    def entries(name: str) -> tuple[model.Wanted, ...]:
        return tuple(model.Wanted(entry["name"], entry["version"] or None) for entry in params[name])

    return model.Request(
        name=params["name"],
        packages=entries("packages"),
        companions=entries("companions"),
        absent=tuple(params["absent"]),
        hold=params["hold"],
        allow_downgrade=params["allow_downgrade"],
        present=params["state"] == "present",
    )


def planned_with_lists(
    request: model.Request, manager: model.Manager, fetch: bool, check_mode: bool
) -> transaction.Plan:
    """The plan, with the sources' lists fetched first if they have to be, and again if a version isn't in them."""
    if check_mode:
        return transaction.plan(request, manager, may_be_unknown=fetch)
    if fetch and request.present:
        manager.refresh()
    try:
        return transaction.plan(request, manager)
    except VanishedError:
        if fetch:
            raise
    manager.refresh()
    return transaction.plan(request, manager)


def refuse_while_active(unit: str, planned: transaction.Plan, run: model.Runner) -> None:
    """Nothing moves under a running service."""
    state = run(["systemctl", "show", "--property=ActiveState", "--value", unit]).stdout.strip()
    if state in RUNNING:
        names = sorted({*planned.change.install, *planned.change.remove})
        raise model.PackageError(
            f"{unit} is {state}, and these packages would change under it: {', '.join(names)}. Nothing was changed."
            f" Stop it first on every host of its group (systemctl stop {unit}), then run this again."
        )


def result_of(planned: transaction.Plan) -> dict[str, Any]:
    """What the module returns."""
    packages = {}
    for name in sorted({*planned.before, *planned.after}):
        before, held_before = planned.before.get(name, (None, False))
        after, held = planned.after.get(name, (None, False))
        packages[name] = {"before": before, "after": after, "held_before": held_before, "held": held}
    diff = []
    if planned.before != planned.after:
        headers = {"before_header": "packages", "after_header": "packages"}
        diff.append({"before": transaction.lines(planned.before), "after": transaction.lines(planned.after), **headers})
    if planned.pins_before != planned.pins:
        headers = {"before_header": "pins", "after_header": "pins"}
        diff.append({"before": planned.pins_before or "", "after": planned.pins or "", **headers})
    return {
        "changed": planned.changed,
        "packages": packages,
        "unknown": list(planned.unknown),
        "changed_packages": [name for name, entry in packages.items() if entry["before"] != entry["after"]],
        "diff": diff,
    }


def main() -> None:
    """Plan, and do it."""
    entry = {"name": {"type": "str", "required": True}, "version": {"type": "str"}}
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "packages": {"type": "list", "elements": "dict", "required": True, "options": entry},
            "companions": {"type": "list", "elements": "dict", "default": [], "options": entry},
            "absent": {"type": "list", "elements": "str", "default": []},
            "hold": {"type": "bool", "default": True},
            "allow_downgrade": {"type": "bool", "default": False},
            "update_cache": {"type": "bool", "default": False},
            "idle_unit": {"type": "str", "default": ""},
            "manager": {"type": "str", "choices": ["auto", "apt", "dnf"], "default": "auto"},
            "lock_timeout_s": {"type": "int", "default": 300},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    request = request_of(module.params)
    try:
        manager = find_manager(module.params, commands.run)
        planned = planned_with_lists(request, manager, module.params["update_cache"], module.check_mode)
        if planned.change and module.params["idle_unit"]:
            refuse_while_active(module.params["idle_unit"], planned, commands.run)
        if planned.changed and not module.check_mode:
            transaction.carry_out(request, manager, planned)
    except (model.PackageError, OSError) as error:
        module.fail_json(msg=f"{request.name}: {error}")
    module.exit_json(**result_of(planned))


if __name__ == "__main__":
    main()
