#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a checkpoint's revisions on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: weights_store
short_description: Compare a checkpoint with its manifest, bring it, and switch to it
version_added: 0.1.0
description:
  - C(looked) compares the files with the manifest. Sizes and times of change of large files are compared with those
    verified before, the rest is read.
  - C(fetching) starts what brings the missing files, in the background. M(moefleet.serving.weights_fetch) uses it.
  - C(stopped) ends that.
  - C(current) makes the link lead to the revision, keeps the manifest and C(SHA256SUMS) beside it, and removes the
    oldest revisions.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: partial, details: C(fetching) starts a process.}
options:
  path:
    description: The link to the checkpoint.
    type: path
    required: true
  manifest:
    description: What M(moefleet.serving.weights_manifest) returns.
    type: dict
    required: true
  state:
    description: What to do.
    type: str
    choices: [looked, fetching, stopped, current]
    default: current
  full:
    description: Read every byte.
    type: bool
    default: false
  keep:
    description: How many revisions are kept, this one among them.
    type: int
    default: 2
  job:
    description: For C(fetching), C(source), C(address), C(port), C(clients), C(parallel), C(cap) in bytes a second.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Use a revision that is there
  moefleet.serving.weights_store:
    path: /var/lib/moefleet/models/deepseek-v3
    manifest: "{{ manifest }}"
"""

RETURN = r"""
differs:
  description: Files that are not as the manifest says, each with why.
  returned: when C(state=looked)
  type: dict
have_bytes:
  description: Bytes that are there, also of files that are not whole.
  returned: when C(state=looked)
  type: int
current:
  description: The revision that was in use.
  returned: success
  type: str
pruned:
  description: Revisions that were removed.
  returned: when C(state=current)
  type: list
  elements: str
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.weights.agent import Agent, Job, read_status
from ansible_collections.moefleet.serving.plugins.module_utils.weights.errors import WeightsError
from ansible_collections.moefleet.serving.plugins.module_utils.weights.manifest import Manifest, from_dict
from ansible_collections.moefleet.serving.plugins.module_utils.weights.sources import Source
from ansible_collections.moefleet.serving.plugins.module_utils.weights.store import Store

ENDS_WITHIN_S = 10.0


def detach(agent: Agent) -> None:
    """Run an agent in a process of its own that outlives this module. It is in memory only, credentials too."""
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    os.chdir("/")
    os._exit(agent.run())


def fetch(store: Store, manifest: Manifest, given: dict[str, Any], full: bool) -> dict[str, Any]:
    """Start what brings the files."""
    status = store.status_file()
    status.parent.mkdir(parents=True, exist_ok=True)
    status.unlink(missing_ok=True)
    job = Job(
        store.link,
        manifest,
        Source(**given["source"]),
        status,
        (given["address"], int(given["port"])),
        tuple(given["clients"]),
        parallel=int(given["parallel"]),
        cap=float(given["cap"]),
        full=full,
    )
    detach(Agent(job))
    return {"changed": True}


def look(store: Store, manifest: Manifest, full: bool) -> dict[str, Any]:
    """Compare."""
    store.refuse_foreign()
    seen = store.look(manifest, full)
    store.refuse_without_room(manifest, seen)
    return {"changed": False, "differs": seen.differs, "have_bytes": seen.have_bytes}


def use(store: Store, manifest: Manifest, keep: int, check: bool) -> dict[str, Any]:
    """Switch to the revision and remove old ones."""
    store.refuse_foreign()
    if check:
        return {"changed": store.current() != manifest.revision, "pruned": []}
    said = read_status(store.status_file())
    seen = store.look(manifest, full=False) if said is None or said.state != "complete" else None
    if seen is not None and seen.differs:
        names = ", ".join(f"{path} {why}" for path, why in seen.differs.items())
        raise WeightsError("not-whole", f"{store.directory(manifest.revision)}: {names}", "Run the role again.")
    whole = seen.whole if seen is not None else said.digests if said is not None else {}
    remembered = store.remember(manifest, whole)
    store.status_file().unlink(missing_ok=True)
    switched = store.switch(manifest.revision)
    gone = store.prune(keep)
    return {"changed": remembered or switched or bool(gone), "pruned": gone}


def stop(store: Store) -> dict[str, Any]:
    """End what brings files."""
    said = read_status(store.status_file())
    if said is not None and said.runs:
        os.kill(said.pid, signal.SIGTERM)
        deadline = time.monotonic() + ENDS_WITHIN_S
        while said.runs and time.monotonic() < deadline:
            time.sleep(0.05)
        return {"changed": True}
    return {"changed": False}


def main() -> None:
    """Do what is asked."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "manifest": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["looked", "fetching", "stopped", "current"], "default": "current"},
            "full": {"type": "bool", "default": False},
            "keep": {"type": "int", "default": 2},
            "job": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    store = Store(Path(given["path"]))
    result: dict[str, Any] = {}
    try:
        manifest = from_dict(given["manifest"])
        before = store.current()
        if given["state"] == "looked":
            result = look(store, manifest, given["full"])
        elif given["state"] == "current":
            result = use(store, manifest, given["keep"], module.check_mode)
        elif not module.check_mode:
            running = given["state"] == "fetching"
            result = fetch(store, manifest, given["job"], given["full"]) if running else stop(store)
    except (WeightsError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(current=before, **{"changed": False, **result})


if __name__ == "__main__":
    main()
