#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a repository of packages with all that they depend on."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_packages
short_description: Gather packages with all their dependencies into a repository
version_added: 0.1.0
description:
  - Asks the package manager's own resolver what a system without any package would get, downloads that, and indexes it.
  - Nothing of the machine changes. apt works in O(work), with an empty list of installed packages; a file is kept only
    when its digest is the one of the source's signed list. Needs no tool but apt itself.
  - With dnf it needs C(dnf-plugins-core) and C(createrepo_c).
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode:
    support: partial
    details: [With apt the sources' lists are fetched into O(work) in check mode too. dnf can't foretell.]
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  path:
    description: Directory of the repository.
    type: path
    required: true
  work:
    description: Directory for lists and what comes; it can be removed afterwards.
    type: path
    required: true
  packages:
    description: Names, or C(NAME=VERSION) with the version as its authors number it.
    type: list
    elements: str
    required: true
  sources:
    description: Sources in apt's deb822 form, instead of the machine's own. When empty, the machine's.
    type: str
    default: ""
  files:
    description: Files of more sources and of pins, content by the path that hosts have them at.
    type: dict
    default: {}
  recommends:
    description: Whether recommended packages come, too.
    type: bool
    default: true
  manager:
    description: The package manager. C(auto) is the one that is there.
    type: str
    choices: [auto, apt, dnf]
    default: auto
  release:
    description: The distribution's major version, which dnf asks for.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: HAProxy and all that it needs
  moefleet.serving.bundle_packages:
    path: /srv/bundle/packages/debian12
    work: /srv/bundle.work
    packages: [haproxy]
"""

RETURN = r"""
packages:
  description: Names and versions of all that is there.
  returned: with apt
  type: dict
"""

import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.bundle import apt, dnf
from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands
from ansible_collections.moefleet.serving.plugins.module_utils.packages.model import PackageError

RUN = partial(commands.run, timeout_s=apt.DOWNLOAD_TIMEOUT_S)


def with_apt(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Gather with apt."""
    directory = Path(params["path"])
    gatherer = apt.Gatherer(RUN, Path(params["work"]), params["recommends"])
    gatherer.set_up(params["sources"], params["files"])
    gatherer.refresh()
    records = gatherer.closure(sorted(set(params["packages"])))
    coming, going = apt.differing(records, directory), apt.strays(records, directory)
    if not check_mode:
        gatherer.download(coming, directory)
        for file in going:
            file.unlink()
    architecture = RUN(["dpkg", "--print-architecture"]).stdout.strip()
    indexed = apt.write_index(records, directory, architecture, write=not check_mode)
    before, after = "".join(f"{f.name}\n" for f in going), "".join(f"{record.file}\n" for record in coming)
    return {
        "changed": bool(coming or going or indexed),
        "packages": {record.name: record.version for record in records},
        "diff": {"before": before, "after": after} if before or after else {},
    }


def with_dnf(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Gather with dnf."""
    if check_mode:
        return {"changed": False}
    directory, work = Path(params["path"]), Path(params["work"])
    argv = dnf.download_command(sorted(set(params["packages"])), directory, work, params["release"])
    return {"changed": dnf.gather(RUN, argv, directory, params["files"], work)}


def main() -> None:
    """Gather."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "work": {"type": "path", "required": True},
            "packages": {"type": "list", "elements": "str", "required": True},
            "sources": {"type": "str", "default": ""},
            "files": {"type": "dict", "default": {}},
            "recommends": {"type": "bool", "default": True},
            "manager": {"type": "str", "choices": ["auto", "apt", "dnf"], "default": "auto"},
            "release": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    manager = module.params["manager"]
    if manager == "auto":
        manager = "apt" if shutil.which("apt-get") else "dnf"
    try:
        result = {"apt": with_apt, "dnf": with_dnf}[manager](module.params, module.check_mode)
    except (PackageError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
