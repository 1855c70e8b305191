"""The module signing_key: trusted by fingerprint, silent the second time, and nothing written otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import signing_key as hosts_signing_key
from ansible_collections.moefleet.serving.plugins.modules import signing_key

from ..hosts.test_signing_key import DATA, STRANGER, VENDOR
from .conftest import RunModule

PATH = "/etc/apt/keyrings/moefleet-vendor.asc"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host's root with the vendor's and a stranger's key on it."""
    for name in ("vendor.asc", "stranger.asc", "both.gpg"):
        (tmp_path / name).write_bytes((DATA / name).read_bytes())
    return tmp_path


def asked(host: Path, source: str = "/vendor.asc", fingerprint: str = VENDOR) -> dict[str, Any]:
    return {"path": PATH, "source": source, "fingerprints": [fingerprint], "root": str(host)}


def held(host: Path) -> list[str]:
    content = (host / PATH.lstrip("/")).read_bytes()
    return [key.fingerprint for key in hosts_signing_key.keys(content)]


def test_check_mode_tells_what_the_run_then_does(host: Path, run_module: RunModule) -> None:
    foretold = run_module(signing_key, check=True, **asked(host))
    assert not (host / "etc").exists()
    done = run_module(signing_key, **asked(host))
    assert {**done, "invocation": None} == {**foretold, "invocation": None}
    assert done["changed"]
    assert done["diff"]["after"] == f"{VENDOR}\n"
    assert held(host) == [VENDOR]


def test_a_key_that_is_right_is_not_fetched_again(host: Path, run_module: RunModule) -> None:
    run_module(signing_key, **asked(host))
    (host / "vendor.asc").unlink()
    again = run_module(signing_key, **asked(host))
    assert (again["changed"], again["fingerprints"]) == (False, [VENDOR])


def test_another_key_than_the_trusted_one_is_refused_with_both_fingerprints(host: Path, run_module: RunModule) -> None:
    result = run_module(signing_key, **asked(host, "/stranger.asc"))
    assert result["failed"]
    assert STRANGER in result["msg"]
    assert VENDOR in result["msg"]
    assert not (host / "etc").exists()


def test_only_the_trusted_one_of_two_is_written(host: Path, run_module: RunModule) -> None:
    result = run_module(signing_key, **asked(host, "/both.gpg", STRANGER))
    assert result["left_out"] == [VENDOR]
    assert held(host) == [STRANGER]


def test_a_key_that_was_exchanged_is_put_right(host: Path, run_module: RunModule) -> None:
    run_module(signing_key, **asked(host))
    (host / PATH.lstrip("/")).write_bytes((DATA / "stranger.asc").read_bytes())
    assert run_module(signing_key, **asked(host))["diff"]["before"] == f"{STRANGER}\n"
    assert held(host) == [VENDOR]


@pytest.mark.parametrize("fingerprint", ["38FD9E81", "not a fingerprint"])
def test_a_short_id_is_refused(host: Path, fingerprint: str, run_module: RunModule) -> None:
    result = run_module(signing_key, **asked(host, fingerprint=fingerprint))
    assert "40 hexadecimal digits" in result["msg"]


def test_a_source_that_is_not_there_is_named(host: Path, run_module: RunModule) -> None:
    result = run_module(signing_key, **asked(host, "/no/such.asc"))
    assert "/no/such.asc" in result["msg"]
    assert "mirror" in result["msg"]
