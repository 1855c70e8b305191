"""The lab of tests/integration."""

from __future__ import annotations

from ansible_collections.moefleet.serving.tests.integration.conftest import lab

__all__ = ["lab"]
