"""A local apt repository of stand-in packages, made from a table.

The stand-ins carry the names, versions, dependencies and file locations of real packages, so that apt and dpkg do with
them what they would do with those. The archives are written here, without dpkg-deb: three members in an ar file.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MAINTAINER = "moefleet tests <tests@example.invalid>"
KEY_NAME = "key.asc"


@dataclass(frozen=True)
class StandIn:
    """A package: relations as in its control file, files by absolute path. A file that begins with #! is executable."""

    name: str
    version: str
    depends: str = ""
    recommends: str = ""
    conflicts: str = ""
    breaks: str = ""
    replaces: str = ""
    provides: str = ""
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    conffiles: tuple[str, ...] = ()
    postinst: str = ""
    prerm: str = ""
    postrm: str = ""
    architecture: str = "all"
    section: str = "misc"

    def control(self) -> dict[str, str]:
        """The fields of its control file."""
        relations = {
            title: getattr(self, title.lower())
            for title in ("Depends", "Recommends", "Conflicts", "Breaks", "Replaces", "Provides")
        }
        return {
            "Package": self.name,
            "Version": self.version,
            "Architecture": self.architecture,
            "Maintainer": MAINTAINER,
            "Section": self.section,
            "Priority": "optional",
            **{title: text for title, text in relations.items() if text},
            "Description": f"stand-in for {self.name}",
        }

    @property
    def file_name(self) -> str:
        """The archive's name, without the version's epoch."""
        return f"{self.name}_{self.version.split(':')[-1]}_{self.architecture}.deb"


def _stanza(fields: Mapping[str, str]) -> str:
    return "".join(f"{title}: {text}\n" for title, text in fields.items())


def _tar(files: Mapping[str, tuple[str | bytes, int]]) -> bytes:
    """An archive of files by path relative to the root, with the directories above them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        directories = sorted({str(parent) for name in files for parent in Path(name).parents if str(parent) != "."})
        for directory in ["", *directories]:
            entry = tarfile.TarInfo(f"./{directory}")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, (content, mode) in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            entry = tarfile.TarInfo(f"./{name}")
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _ar(members: Mapping[str, bytes]) -> bytes:
    """The container of a .deb (ar(5))."""
    parts = [b"!<arch>\n"]
    for name, data in members.items():
        parts.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
        parts.append(data + b"\n" * (len(data) % 2))
    return b"".join(parts)


def deb(package: StandIn) -> bytes:
    """The package's archive."""
    scripts = {name: getattr(package, name) for name in ("postinst", "prerm", "postrm")}
    control: dict[str, tuple[str | bytes, int]] = {"control": (_stanza(package.control()), 0o644)}
    control.update({name: (text, 0o755) for name, text in scripts.items() if text})
    if package.conffiles:
        control["conffiles"] = ("".join(f"{path}\n" for path in package.conffiles), 0o644)
    data = {
        path.lstrip("/"): (content, 0o755 if content[:2] in ("#!", b"#!") else 0o644)
        for path, content in package.files.items()
    }
    members = {"debian-binary": b"2.0\n", "control.tar": _tar(control), "data.tar": _tar(data)}
    return _ar(members)


def _hashes(data: bytes) -> dict[str, str]:
    return {"Size": str(len(data)), "SHA256": hashlib.sha256(data).hexdigest()}


def build(directory: Path, packages: Iterable[StandIn], origin: str = "moefleet-tests") -> None:
    """Write the repository anew: archives, Packages and Release. What was there before is gone: a version that isn't in
    the table any more has vanished.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    stanzas = []
    for package in packages:
        archive = deb(package)
        (directory / package.file_name).write_bytes(archive)
        stanzas.append(_stanza({**package.control(), "Filename": f"./{package.file_name}", **_hashes(archive)}))
    listing = "\n".join(stanzas).encode()
    indexes = {"Packages": listing, "Packages.gz": gzip.compress(listing, mtime=0)}
    for name, data in indexes.items():
        (directory / name).write_bytes(data)
    sums = "".join(f" {_hashes(data)['SHA256']} {len(data)} {name}\n" for name, data in indexes.items())
    release = {"Origin": origin, "Label": origin, "Suite": "stable", "Codename": "stable", "Architectures": "all amd64"}
    release["Date"] = "Thu, 01 Jan 2026 00:00:00 UTC"
    (directory / "Release").write_text(f"{_stanza(release)}SHA256:\n{sums}", encoding="utf-8")


def sign(directory: Path, keyring: Path | None = None) -> Path:
    """Sign the repository; returns the public key's file, for ``signed-by``.

    The key is made for it, and kept in `keyring` if there is to be a second time.
    """
    key = directory / KEY_NAME
    with tempfile.TemporaryDirectory(prefix="moefleet-gpg-") as home:
        environment = {**os.environ, "GNUPGHOME": home if keyring is None else str(keyring)}
        Path(environment["GNUPGHOME"]).mkdir(mode=0o700, exist_ok=True)
        there = any(Path(environment["GNUPGHOME"]).glob("private-keys-v1.d/*.key"))
        base = ["gpg", "--batch", "--quiet", "--yes", "--pinentry-mode=loopback", "--passphrase="]
        try:
            for arguments in (
                *([] if there else [["--quick-generate-key", MAINTAINER, "ed25519", "sign", "never"]]),
                ["--armor", f"--output={key}", "--export"],
                ["--clearsign", f"--output={directory / 'InRelease'}", str(directory / "Release")],
            ):
                subprocess.run([*base, *arguments], env=environment, check=True, capture_output=True, timeout=60)
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False, capture_output=True, timeout=60)
    return key


def kernel_module(name: str, version: str, kernel: str, licence: str = "Dual MIT/GPL") -> bytes:
    """A file that modinfo reads as a kernel module: an ELF object with nothing in it but the section ``.modinfo``."""
    fields = {"license": licence, "version": version, "name": name, "vermagic": f"{kernel} SMP mod_unload "}
    information = b"".join(f"{key}={value}".encode() + b"\0" for key, value in fields.items())
    names = b"\0.modinfo\0.shstrtab\0"
    header_bytes, section_bytes = 64, 64
    at_names = header_bytes + len(information)
    at_sections = -(-(at_names + len(names)) // 8) * 8
    # e_ident, then ET_REL, EM_X86_64, EV_CURRENT, no entry, no segments, where the sections are, sizes and counts.
    header = b"\x7fELF\x02\x01\x01" + b"\0" * 9
    header += struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, at_sections, 0, header_bytes, 0, 0, section_bytes, 3, 2)
    sections = [(0,) * 10]
    sections.append((1, 1, 2, 0, header_bytes, len(information), 0, 0, 1, 0))
    sections.append((10, 3, 0, 0, at_names, len(names), 0, 0, 1, 0))
    table = b"".join(struct.pack("<IIQQQQIIQQ", *section) for section in sections)
    return (header + information + names).ljust(at_sections, b"\0") + table


def source_line(directory: str | Path, signed_by: str | Path | None = None) -> str:
    """The line of sources.list.d for a repository as a host sees it."""
    option = f"signed-by={signed_by}" if signed_by else "trusted=yes"
    return f"deb [{option}] file:{directory} ./\n"
