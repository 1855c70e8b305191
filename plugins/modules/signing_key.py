#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a package repository's signing key, trusted by its fingerprint alone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: signing_key
short_description: Trust a package repository's signing key by its fingerprint
version_added: 0.1.0
description:
  - Reads a key, compares its full fingerprint with the ones that are trusted, and only then writes it where the package
    manager finds it. Other keys of the same file are left out.
  - A key that is there already and right is not fetched again, so that a second run needs no network.
  - Needs no C(gpg) on the host.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode:
    support: full
    details: [The key is fetched and compared in check mode too, and not written.]
  diff_mode: {support: full}
  idempotent: {support: full}
options:
  path:
    description: Where the key is written, armoured. apt wants a name that ends in C(.asc).
    type: path
    required: true
  source:
    description: URL of the key, or its absolute path on the host.
    type: str
    required: true
  fingerprints:
    description: The trusted keys' fingerprints, 40 hexadecimal digits each. Blanks don't matter.
    type: list
    elements: str
    required: true
  timeout_s:
    description: How long fetching it may take.
    type: int
    default: 30
  root:
    description: Prefix of every path, for images and tests.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: NVIDIA's key
  moefleet.serving.signing_key:
    path: /etc/apt/keyrings/moefleet-cuda.asc
    source: https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/x86_64/3bf863cc.pub
    fingerprints: [EB693B3035CD5710E231E123A4B469963BF863CC]
"""

RETURN = r"""
fingerprints:
  description: Fingerprints of the keys that the file holds, or would hold in check mode.
  returned: success
  type: list
  elements: str
left_out:
  description: Fingerprints of other keys at O(source), which are not trusted.
  returned: success
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import files, signing_key


def _fetched(source: str, root: Path, timeout_s: int) -> bytes:
    """The key's file from a URL or a path."""
    if source.startswith("/"):
        return (root / source.lstrip("/")).read_bytes()
    content: bytes = open_url(source, timeout=timeout_s).read()
    return content


def _held(path: Path) -> tuple[str, ...]:
    """Fingerprints of the keys that are there; none where there is no readable file of keys."""
    try:
        return tuple(key.fingerprint for key in signing_key.keys(path.read_bytes()))
    except (OSError, ValueError):
        return ()


def main() -> None:
    """Compare, and write only a key that is trusted."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "source": {"type": "str", "required": True},
            "fingerprints": {"type": "list", "elements": "str", "required": True, "no_log": False},
            "timeout_s": {"type": "int", "default": 30},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    source, root = module.params["source"], Path(module.params["root"])
    path = root / module.params["path"].lstrip("/")
    try:
        trusted = [signing_key.normal(word) for word in module.params["fingerprints"]]
    except ValueError as error:
        module.fail_json(msg=str(error))
    held = _held(path)
    if held and set(held) <= set(trusted) and path.stat().st_mode & 0o777 == 0o644:
        module.exit_json(changed=False, fingerprints=list(held), left_out=[])
    try:
        found = signing_key.keys(_fetched(source, root, module.params["timeout_s"]))
    except (OSError, ValueError) as error:
        module.fail_json(
            msg=f"{source}: no key could be read: {error}. Can the host reach it? A mirror or a file on the host does"
        )
    chosen = [key for key in found if key.fingerprint in trusted]
    others = [key.fingerprint for key in found if key.fingerprint not in trusted]
    if not chosen:
        module.fail_json(
            msg=f"{source}: the key there has fingerprint {', '.join(others)}, trusted is {', '.join(trusted)}."
            " Nothing was written. Ask the vendor which one is right before you change what is trusted"
        )
    wanted = files.Wanted(str(path), signing_key.armoured(chosen))
    if not module.check_mode:
        try:
            files.write(wanted)
        except OSError as error:
            module.fail_json(msg=f"could not write {path}: {error}")
    module.exit_json(
        changed=True,
        fingerprints=[key.fingerprint for key in chosen],
        left_out=others,
        diff={
            "before": "".join(f"{fingerprint}\n" for fingerprint in held),
            "after": "".join(f"{key.fingerprint}\n" for key in chosen),
            "before_header": str(path),
            "after_header": str(path),
        },
    )


if __name__ == "__main__":
    main()
