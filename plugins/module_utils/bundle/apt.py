# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packages with all that they depend on, by apt's own resolver, as a flat repository.

apt works in directories of its own here, with an empty list of installed packages: what this machine has counts for
nothing, and nothing of this machine changes. What every system has because it is marked Essential is depended on by
nobody, and so comes only where something names it.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ..hosts.commands import Result
from ..packages import versions
from ..packages.apt import read_madison
from ..packages.model import PackageError, Runner
from ..weights.metadata import digest_of

ORIGIN = "moefleet-bundle"
SOURCES = Path("etc/apt/sources.list.d")
DOWNLOAD_TIMEOUT_S = 3600.0
# A hundred at a time: command lines have an end.
AT_ONCE = 100
_INSTALL = re.compile(r"^Inst (\S+) \((\S+) .*\[(\S+)\]\)", re.MULTILINE)
_FIELD = re.compile(r"^([A-Za-z0-9-]+): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Record:
    """A package as the source's signed list describes it: the stanza, and of it the file's name, bytes and SHA-256."""

    name: str
    version: str
    architecture: str
    file: str
    size: int
    sha256: str
    stanza: str


def read_simulation(output: str) -> list[tuple[str, str, str]]:
    """Name, full version and architecture of everything that `apt-get --simulate install` would bring, sorted."""
    return sorted({(name.split(":")[0], version, arch) for name, version, arch in _INSTALL.findall(output)})


def read_records(listing: str) -> dict[tuple[str, str, str], Record]:
    """Records of `apt-cache show` by name, version and architecture; those without a file or a digest are left out."""
    found: dict[tuple[str, str, str], Record] = {}
    for stanza in re.split(r"\n\s*\n", listing):
        fields: Mapping[str, str] = dict(_FIELD.findall(stanza))
        if not {"Package", "Version", "Architecture", "Filename", "Size", "SHA256"} <= set(fields):
            continue
        key = (fields["Package"], fields["Version"], fields["Architecture"])
        file = fields["Filename"].rsplit("/", 1)[-1]
        text = re.sub(r"(?m)^Filename: .*$", f"Filename: ./{file}", stanza.strip("\n"))
        found.setdefault(key, Record(*key, file, int(fields["Size"]), fields["SHA256"], text))
    return found


def index(records: Sequence[Record]) -> str:
    """The text of `Packages`."""
    return "".join(f"{record.stanza}\n\n" for record in records)


def release(packages: str, architecture: str, now: datetime) -> str:
    """The text of `Release`: whose repository it is, and the digest of its index."""
    content = packages.encode()
    return (
        f"Origin: {ORIGIN}\nLabel: {ORIGIN}\nArchitectures: {architecture} all\n"
        f"Date: {now.strftime('%a, %d %b %Y %H:%M:%S UTC')}\n"
        f"SHA256:\n {hashlib.sha256(content).hexdigest()} {len(content)} Packages\n"
    )


class Gatherer:
    """apt in a directory of its own."""

    def __init__(self, run: Runner, work: Path, recommends: bool = True) -> None:
        self._run = run
        self._work = work
        options = {
            "Dir::State": work / "state",
            "Dir::State::status": work / "status",
            "Dir::Cache": work / "cache",
            "Dir::Etc::sourcelist": work / "etc/apt/sources.list",
            "Dir::Etc::sourceparts": work / SOURCES,
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": work / "etc/apt/preferences.d",
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "true" if recommends else "false",
            "Acquire::Retries": 3,
        }
        self._options = [f"--option={name}={value}" for name, value in options.items()]

    def _checked(self, argv: Sequence[str], purpose: str) -> Result:
        done = self._run([argv[0], *self._options, *argv[1:]])
        if done.status != 0:
            raise PackageError(f"could not {purpose}: {done.words}")
        return done

    def set_up(self, sources: str, files: Mapping[str, str], machine: Path = Path("/")) -> None:
        """Sources: those given as text, else this machine's; and files of more, by the path that hosts have them at."""
        parts, pins = self._work / SOURCES, self._work / "etc/apt/preferences.d"
        for place in (parts, pins):  # keys beside them stay
            shutil.rmtree(place, ignore_errors=True)
        for place in (parts, pins, self._work / "cache/archives/partial", self._work / "state/lists/partial"):
            place.mkdir(parents=True, exist_ok=True)
        (self._work / "status").write_text("", encoding="utf-8")
        (self._work / "etc/apt/sources.list").write_text("", encoding="utf-8")
        if sources:
            (parts / "bundle.sources").write_text(sources, encoding="utf-8")
        else:
            own = machine / "etc/apt/sources.list"
            for file in [*([own] if own.exists() else []), *sorted((machine / SOURCES).glob("*"))]:
                if file.suffix in (".list", ".sources"):
                    shutil.copy(file, parts / (f"00-{file.name}" if file == own else file.name))
        for path, content in files.items():
            target = self._work / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")

    def refresh(self) -> None:
        """Fetch the sources' lists, which their keys verify."""
        self._checked(["apt-get", "--quiet", "update"], "fetch the sources' lists")

    def _exact(self, wanted: Sequence[str]) -> list[str]:
        """As apt-get wants them: a version as its authors number it becomes the full one of the newest that matches."""
        asked = [entry.partition("=") for entry in wanted]
        pinned = sorted({name for name, _sign, version in asked if version})
        offered = {}
        if pinned:
            offered = read_madison(self._checked(["apt-cache", "madison", *pinned], "ask apt for versions").stdout)
        found = []
        for name, _sign, version in asked:
            fitting = [
                full for full in offered.get(name, ()) if version and versions.matches(version, full, versions.debian)
            ]
            if version and not fitting:
                there = ", ".join(offered.get(name, ())) or "none"
                raise PackageError(f"no source has {name} {version}; there is {there}")
            found.append(f"{name}={fitting[0]}" if version else name)
        return found

    def closure(self, wanted: Sequence[str]) -> list[Record]:
        """All packages that a system without any would get.

        Args:
            wanted: names, or NAME=VERSION.

        Raises:
            PackageError: apt can't have all of them together, or a list has no digest of one.
        """
        if not wanted:
            return []
        plan = self._checked(["apt-get", "--simulate", "install", *self._exact(wanted)], "find what belongs together")
        keys = read_simulation(plan.stdout)
        records: dict[tuple[str, str, str], Record] = {}
        for start in range(0, len(keys), AT_ONCE):
            some = [f"{name}:{arch}={version}" for name, version, arch in keys[start : start + AT_ONCE]]
            named = [re.sub(":all=", "=", one) for one in some]
            records.update(
                read_records(self._checked(["apt-cache", "show", *named], "read the packages' lists").stdout)
            )
        lacking = [" ".join(key) for key in keys if key not in records]
        if lacking:
            raise PackageError(f"the sources' lists have no file and digest of {', '.join(lacking)}")
        return [records[key] for key in keys]

    def download(self, records: Sequence[Record], directory: Path) -> None:
        """Fetch files into a directory; each is in place only when it is what the signed list says."""
        incoming = self._work / "incoming"
        directory.mkdir(parents=True, exist_ok=True)
        for start in range(0, len(records), AT_ONCE):
            some = records[start : start + AT_ONCE]
            shutil.rmtree(incoming, ignore_errors=True)
            incoming.mkdir(parents=True)
            named = [f"{record.name}={record.version}" for record in some]
            script = 'cd "$1" && shift && exec apt-get "$@"'
            argv = ["sh", "-c", script, "download", str(incoming), *self._options, "--quiet", "download", *named]
            done = self._run(argv)
            if done.status != 0:
                raise PackageError(f"could not download packages: {done.words}. Run this again, it goes on there")
            by_digest = {digest_of(file): file for file in incoming.iterdir()}
            for record in some:
                if record.sha256 not in by_digest:
                    raise PackageError(f"{record.name} {record.version} came with another digest than its list says")
                shutil.move(str(by_digest[record.sha256]), directory / record.file)
        shutil.rmtree(incoming, ignore_errors=True)


def differing(records: Sequence[Record], directory: Path) -> list[Record]:
    """Those whose file is missing or not what the list says."""

    def right(record: Record) -> bool:
        file = directory / record.file
        return file.is_file() and file.stat().st_size == record.size and digest_of(file) == record.sha256

    return [record for record in records if not right(record)]


def strays(records: Sequence[Record], directory: Path) -> list[Path]:
    """Packages of an earlier gathering."""
    keep = {record.file for record in records}
    return [file for file in sorted(directory.glob("*.deb")) if file.name not in keep]


def write_index(records: Sequence[Record], directory: Path, architecture: str, write: bool) -> bool:
    """Write `Packages` and `Release` where they differ; whether they do."""
    text = index(records)
    packages, released = directory / "Packages", directory / "Release"
    named = hashlib.sha256(text.encode()).hexdigest()
    there = packages.exists() and packages.read_text(encoding="utf-8") == text
    if there and released.exists() and named in released.read_text(encoding="utf-8"):
        return False
    if write:
        directory.mkdir(parents=True, exist_ok=True)
        packages.write_text(text, encoding="utf-8")
        released.write_text(release(text, architecture, datetime.now(timezone.utc)), encoding="utf-8")
    return True
