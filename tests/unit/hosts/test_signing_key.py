"""Signing keys: fingerprints as gpg has them, and nothing trusted that wasn't asked for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import signing_key

DATA = Path(__file__).resolve().parents[2] / "data" / "signing_keys"
# What `gpg --show-keys --with-colons` says of the files.
VENDOR = "34ED70B40D1FD929F56779E269CC00AB38FD9E81"
STRANGER = "0155EABBE3F7F5C4D2BB6DFC720898708996CB57"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("vendor.asc", [VENDOR]), ("stranger.asc", [STRANGER]), ("both.gpg", [VENDOR, STRANGER])],
)
def test_fingerprints_are_gpgs(name: str, expected: list[str]) -> None:
    assert [key.fingerprint for key in signing_key.keys((DATA / name).read_bytes())] == expected


@pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg to read what was written")
def test_gpg_reads_what_is_written(tmp_path: Path) -> None:
    chosen = [key for key in signing_key.keys((DATA / "both.gpg").read_bytes()) if key.fingerprint == STRANGER]
    (tmp_path / "key.asc").write_text(signing_key.armoured(chosen), encoding="ascii")
    command = ["gpg", "--homedir", str(tmp_path), "--batch", "--show-keys", "--with-colons", str(tmp_path / "key.asc")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line.split(":")[9] for line in shown.stdout.splitlines() if line.startswith("fpr:")] == [STRANGER]
    assert "CRC" not in shown.stderr


@pytest.mark.parametrize("name", ["vendor.asc", "both.gpg"])
def test_written_keys_are_the_same_keys(name: str) -> None:
    found = signing_key.keys((DATA / name).read_bytes())
    assert signing_key.keys(signing_key.armoured(found).encode()) == found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no public key"),
        (b"<!DOCTYPE html><title>404 Not Found</title>", "error page"),
        ((DATA / "both.gpg").read_bytes()[:100], "cut off"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQENBA==\n", "no end"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n*&^\n-----END PGP PUBLIC KEY BLOCK-----\n", "damaged"),
        (b"\xb4\x05hello", "not with a public key"),
        (b"\x99\x00\x02\x03\x00", "version 3"),
    ],
)
def test_what_is_no_key_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        signing_key.keys(content)
    assert words in str(caught.value)


@given(st.binary(max_size=300))
def test_any_content_is_keys_or_refused(content: bytes) -> None:
    try:
        found = signing_key.keys(content)
    except ValueError:
        return
    assert all(len(key.fingerprint) == 40 for key in found)


def test_a_fingerprint_is_written_in_groups_too() -> None:
    assert signing_key.normal("34ed 70b4 0d1f d929 f567  79e2 69cc 00ab 38fd 9e81") == VENDOR


@pytest.mark.parametrize("short", ["38FD9E81", "69CC00AB38FD9E81", "", VENDOR + "00"])
def test_a_key_id_is_no_fingerprint(short: str) -> None:
    with pytest.raises(ValueError) as caught:
        signing_key.normal(short)
    assert "40 hexadecimal digits" in str(caught.value)
