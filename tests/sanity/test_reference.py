"""docs/reference is what the roles' argument specs and the plugins' documentation say today."""

from __future__ import annotations

import sys

from ansible_collections.moefleet.serving.tests import tarball


def test_reference_is_current() -> None:
    tarball.succeed([sys.executable, "scripts/reference.py", "--check"], tarball.REPOSITORY)
