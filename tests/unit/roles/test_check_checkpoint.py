"""The look at a checkpoint before ranks start: what it sees without reading weights, in words that name the file."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "roles/vllm_service/files/check_checkpoint.py"
SHARDS = [f"model-{number}.safetensors" for number in range(8)]


def check(directory: Path) -> tuple[int, str]:
    """The script's exit status and words, as systemd would start it."""
    done = subprocess.run([sys.executable, str(SCRIPT), str(directory)], capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Files that somebody put there, with their list: a shard that is too large to be read, and small files."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / SHARDS[0]).write_bytes(b"\x01" * (2 << 20))
    rows = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(tmp_path.iterdir())]
    (tmp_path / "SHA256SUMS").write_text("\n".join(rows) + "\n")
    return tmp_path


@pytest.fixture
def verified(tmp_path: Path) -> Path:
    """Files that were brought and verified, as model_weights remembers them."""
    known = {}
    for name in ["config.json", *SHARDS]:
        (tmp_path / name).write_bytes(b"x" * 100)
        status = (tmp_path / name).stat()
        known[name] = [status.st_size, status.st_mtime_ns, "digest"]
    (tmp_path / ".verified.json").write_text(json.dumps(known))
    (tmp_path / "SHA256SUMS").write_text("0  nothing-of-that-name\n")
    return tmp_path


def test_files_that_are_right_pass(listed: Path) -> None:
    assert check(listed) == (0, f"{listed}: as SHA256SUMS says")


def test_what_was_verified_goes_before_the_list(verified: Path) -> None:
    assert check(verified) == (0, f"{verified}: as .verified.json says")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", b"{ }", "config.json has other content than SHA256SUMS says"),
        (SHARDS[0], b"", f"{SHARDS[0]} is empty"),
        (SHARDS[0], b"version https://git-lfs.github.com/spec/v1\n", "is a placeholder of large-file storage"),
        (SHARDS[0], None, f"{SHARDS[0]}: No such file or directory"),
    ],
)
def test_what_can_be_seen_of_listed_files_is_refused(
    listed: Path, name: str, content: bytes | None, words: str
) -> None:
    (listed / name).unlink()
    if content is not None:
        (listed / name).write_bytes(content)
    status, said = check(listed)
    assert status == 1
    assert words in said
    assert "Run `ansible-playbook playbooks/provision.yml`" in said


def test_a_truncated_and_a_changed_file_are_named(verified: Path) -> None:
    with (verified / SHARDS[1]).open("r+b") as handle:
        handle.truncate(60)
    with (verified / SHARDS[2]).open("r+b") as handle:
        handle.write(b"y")
    os.utime(verified / SHARDS[2], ns=(0, (verified / SHARDS[3]).stat().st_mtime_ns + 10**9))
    (verified / SHARDS[4]).unlink()
    status, said = check(verified)
    assert status == 1
    assert f"{SHARDS[1]} has 60 bytes instead of 100" in said
    assert f"{SHARDS[2]} was changed after it was verified" in said
    assert f"{SHARDS[4]}: No such file or directory" in said
    assert "config.json" not in said


def test_many_reasons_are_counted(verified: Path) -> None:
    for name in SHARDS:
        (verified / name).unlink()
    assert "; and 3 more. " in check(verified)[1]


@pytest.mark.parametrize("text", ["{", "[]", '{"config.json": 1}'])
def test_an_unreadable_record_is_no_pass(verified: Path, text: str) -> None:
    (verified / ".verified.json").write_text(text)
    status, said = check(verified)
    assert status == 1
    assert ".verified.json can't be read" in said


def test_without_a_list_nothing_is_compared_and_that_is_said(tmp_path: Path) -> None:
    assert check(tmp_path) == (0, f"{tmp_path}: no SHA256SUMS, so its files are not compared")
    assert check(tmp_path / "absent")[0] == 1
