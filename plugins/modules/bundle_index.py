#!/usr/bin/python
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a bundle's document and checksums."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_index
short_description: Write a bundle's BUNDLE.json and SHA256SUMS
version_added: 0.1.0
description:
  - Lists every file of the directory with its size in C(BUNDLE.json), and its digest in C(SHA256SUMS), so that
    C(sha256sum --check SHA256SUMS) verifies the bundle without this collection.
  - Files of weights are not read again where their manifest, which was verified when they came, has their digest.
author: moefleet contributors (@moefleet)
extends_documentation_fragment: moefleet.serving.attributes
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: full}
options:
  path:
    description: The bundle's directory.
    type: path
    required: true
  document:
    description: What the bundle was made for.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: List and checksums
  moefleet.serving.bundle_index:
    path: /srv/bundle
    document: {system: debian12, architecture: x86_64, engines: [], packages: [], weights: {}}
"""

RETURN = r"""
bytes:
  description: Size of the whole bundle.
  returned: success
  type: int
"""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.bundle import document as documents
from ansible_collections.moefleet.serving.plugins.module_utils.weights.metadata import digest_of
from ansible_collections.moefleet.serving.plugins.module_utils.weights.store import known


def digests_of(directory: Path, files: dict[str, int], weights: str) -> dict[str, str]:
    """SHA-256 by path. Of weights those that were verified, for files that did not change since."""
    place = directory / weights if weights else directory
    verified = known(place) if weights else {}
    found = {}
    for path in files:
        target = directory / path
        row = verified.get(path[len(weights) + 1 :]) if weights and path.startswith(f"{weights}/") else None
        status = target.stat()
        fresh = row is not None and row[:2] == (status.st_size, status.st_mtime_ns)
        found[path] = row[2] if row is not None and fresh else digest_of(target)
    return found


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main() -> None:
    """Look at all files, and write what differs."""
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "required": True}, "document": {"type": "dict", "required": True}},
        supports_check_mode=True,
    )
    directory = Path(module.params["path"])
    own = (documents.DOCUMENT, documents.SUMS)
    try:
        files = {path: size for path, size in documents.files_in(directory).items() if path not in own}
        given = dict(module.params["document"])
        document: dict[str, Any] = {"schema": documents.SCHEMA, **given, "files": files}
        try:
            before = json.loads(_text(directory / documents.DOCUMENT))
        except ValueError:
            before = {}
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        document["made"] = before["made"] if "made" in before and documents.same(before, document) else now
        digests = digests_of(directory, files, str(given.get("weights", {}).get("directory", "")))
        text = documents.to_json(document)
        digests[documents.DOCUMENT] = documents.text_digest(text)
        wanted = {documents.DOCUMENT: text, documents.SUMS: documents.write_sums(digests)}
        changed = [name for name, content in wanted.items() if _text(directory / name) != content]
        for name in [] if module.check_mode else changed:
            (directory / name).write_text(wanted[name], encoding="utf-8")
    except (documents.BundleError, OSError) as error:
        module.fail_json(msg=f"{directory}: {error}")
    module.exit_json(changed=bool(changed), bytes=sum(files.values()))


if __name__ == "__main__":
    main()
