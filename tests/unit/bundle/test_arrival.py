"""What comes to a host is verified before it takes its place, and what is there is left alone."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.bundle import arrival
from ansible_collections.moefleet.serving.plugins.module_utils.bundle.document import BundleError

CONTENT = {"packages/a.deb": b"package", "wheels/b.whl": b"wheel"}
WANTED = {
    path: arrival.Wanted(path, len(content), hashlib.sha256(content).hexdigest()) for path, content in CONTENT.items()
}


def bring(directory: Path) -> None:
    """All files, as they should come."""
    incoming = arrival.prepare(directory, 12, os.geteuid())
    for number, content in enumerate(CONTENT.values()):
        (incoming / str(number)).write_bytes(content)
    arrival.accept(directory, WANTED, {path: str(number) for number, path in enumerate(CONTENT)})
    arrival.remember(directory, WANTED)


def test_files_come_and_stay(tmp_path: Path) -> None:
    place = tmp_path / "bundle"
    assert arrival.missing(place, WANTED, full=False) == dict.fromkeys(CONTENT, "missing")
    bring(place)
    assert arrival.missing(place, WANTED, full=True) == {}
    assert {path: (place / path).read_bytes() for path in CONTENT} == CONTENT
    assert not (place / arrival.INCOMING).exists()
    assert arrival.strays(place, WANTED) == []
    (place / "wheels/old.whl").touch()
    assert arrival.strays(place, WANTED) == ["wheels/old.whl"]


def test_only_a_full_look_reads_what_was_verified(tmp_path: Path) -> None:
    bring(tmp_path)
    wheel = tmp_path / "wheels/b.whl"
    before = wheel.stat()
    wheel.write_bytes(b"wheeL")
    assert arrival.missing(tmp_path, WANTED, full=False) == {"wheels/b.whl": "has other content"}
    os.utime(wheel, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert arrival.missing(tmp_path, WANTED, full=False) == {}
    assert arrival.missing(tmp_path, WANTED, full=True) == {"wheels/b.whl": "has other content"}
    wheel.write_bytes(b"whe")
    assert arrival.missing(tmp_path, WANTED, full=False) == {"wheels/b.whl": "has 3 bytes instead of 5"}


def test_other_content_takes_no_place(tmp_path: Path) -> None:
    incoming = arrival.prepare(tmp_path, 5, os.geteuid())
    (incoming / "0").write_bytes(b"package")
    (incoming / "1").write_bytes(b"wheeL")
    with pytest.raises(BundleError, match=r"wheels/b\.whl came with other content"):
        arrival.accept(tmp_path, WANTED, {"packages/a.deb": "0", "wheels/b.whl": "1"})
    assert not (tmp_path / "packages").exists()


def test_what_does_not_fit_is_refused_beforehand(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"bytes free and .* are needed"):
        arrival.prepare(tmp_path / "bundle", 1 << 60, os.geteuid())
    assert not (tmp_path / "bundle").exists()
