# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A change of the network that takes itself back unless it is confirmed.

The new files lie ready, a timer that puts the old ones back is armed, and only then a second timer brings the new ones
into effect: by then the connection that asked for it has ended in order. Who asked comes back by a new connection and
confirms, which disarms the first timer. If nobody comes back, the host is as before; and if it is switched off and on
in between, a unit puts the old files back before the network comes up.
"""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..hosts.commands import Runner
from .effective import Bound
from .observe import Effective, NetworkError, Seen
from .outlook import TABLE, Backend, FileChange, Outlook
from .paths import text, under

DIRECTORY = "/var/lib/moefleet/host_network"
APPLY, ROLLBACK = "moefleet-network-apply", "moefleet-network-rollback"
APPLY_DELAY_S = 1
# A timer doesn't outlive the boot that it was made in, the files do. The link has the unit run, without asking systemd.
BOOT_UNIT = "/etc/systemd/system/moefleet-network-boot.service"
BOOT_LINK = "/etc/systemd/system/sysinit.target.wants/moefleet-network-boot.service"
APPLIED, CONFIRMED, ROLLED_BACK, FAILED = "applied", "confirmed", "rolled-back", "failed"

HEAD = """#!/bin/sh
# Written by moefleet.serving (role host_network). {what}
cd {directory} || exit 1
PATH=$PATH:/usr/sbin:/sbin
say() {{ printf '%s\\n' "$*" > outcome.part && mv outcome.part outcome; }}
"""
STEP = """step() {{
  "$@" >> log 2>&1 && return
  printf '%s\\n' "failed: $*: $(tail -n 3 log | tr '\\n' ' ')" > why
  systemctl start --no-block {rollback}.service
  exit 1
}}
"""


BOOT_TEXT = """# Written by moefleet.serving (role host_network) while a change waits to be confirmed.
[Unit]
Description=Take back a change of the network that nobody confirmed
DefaultDependencies=no
RequiresMountsFor={directory}
After=local-fs.target
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart=/bin/sh {directory}/boot.sh
"""


@dataclass(frozen=True)
class State:
    """How far the last change has come: `outcome`, since when in seconds, and why where it failed."""

    outcome: str
    age_s: float
    why: str
    armed: bool


def _quote(words: Sequence[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)


def _install(number: int, change: FileChange, kind: str, root: Path) -> str:
    """The shell's words to put the old or new content of a file in its place, atomically."""
    target = shlex.quote(str(under(root, change.path)))
    present = change.before is not None if kind == "old" else change.after is not None
    if not present:
        return f"rm -f {target}"
    part = shlex.quote(str(under(root, change.path)) + ".part")
    copy = "cp -p" if kind == "old" else f"install -m {change.mode}"
    parent = shlex.quote(str(under(root, change.path).parent))
    return f"mkdir -p {parent} && {copy} {kind}/{number} {part} && mv {part} {target}"


def apply_script(outlook: Outlook, directory: Path, root: Path) -> str:
    """The program that brings the new files into effect, and starts the way back when one of its steps fails."""
    backend = TABLE[outlook.backend]
    lines = [HEAD.format(what="Brings a change into effect.", directory=shlex.quote(str(directory)))]
    lines += [STEP.format(rollback=ROLLBACK), "say applying"]
    affected = _reachable(outlook)
    lines += [f"{_quote(words)} >> log 2>&1 || true" for bound in affected for words in backend.before(bound)]
    for number, change in enumerate(outlook.files):
        lines.append(f"step sh -c {shlex.quote(_install(number, change, 'new', root))}")
    commands = [list(words) for words in (*backend.check, *backend.all_after)]
    commands += [words for bound in affected for words in backend.after(bound)]
    lines += [f"step {_quote(words)}" for words in commands]
    return "\n".join([*lines, f"say {APPLIED}", ""])


def rollback_script(outlook: Outlook, directory: Path, root: Path, service_uuids: dict[str, str]) -> str:
    """The program that puts the old files back, brings them into effect, and mends by hand what they don't say."""
    backend = TABLE[outlook.backend]
    lines = [HEAD.format(what="Takes a change back.", directory=shlex.quote(str(directory)))]
    lines += [
        f"systemctl stop {APPLY}.timer {APPLY}.service 2>/dev/null",
        f"systemctl stop {ROLLBACK}.timer 2>/dev/null",
    ]
    affected = _reachable(outlook)
    commands = [words for bound in affected for words in backend.before(bound)]
    restore = [_install(number, change, "old", root) for number, change in enumerate(outlook.files)]
    commands_after = [list(words) for words in backend.all_after]
    for bound in affected:
        commands_after += _back(backend, bound, outlook, service_uuids)
    live = [words for bound in affected for words in by_hand(bound, outlook.seen)]
    lines += [f"{_quote(words)} >> log 2>&1" for words in commands]
    lines += restore
    lines += [f"{_quote(words)} >> log 2>&1" for words in commands_after]
    # What the backend does it does in its own time; what is set by hand before that is over would be undone.
    lines += ["sleep 1", *(f"{_quote(words)} >> log 2>&1" for words in live)]
    return "\n".join([*lines, _disarm_boot(root), f"say {ROLLED_BACK}", ""])


def boot_script(outlook: Outlook, directory: Path, root: Path) -> str:
    """The program that puts the old files back at a boot in between, before the network comes up."""
    lines = [HEAD.format(what="Takes a change back at boot.", directory=shlex.quote(str(directory)))]
    lines += [_install(number, change, "old", root) for number, change in enumerate(outlook.files)]
    # Netplan has made its files of the new ones already: it comes before everything else at boot.
    lines += [f"{_quote(words)} >> log 2>&1" for words in TABLE[outlook.backend].check]
    words = "the host was switched off before the change was confirmed"
    return "\n".join([*lines, f"echo {words} > why", _disarm_boot(root), f"say {ROLLED_BACK}", ""])


def _disarm_boot(root: Path) -> str:
    return _quote(["rm", "-f", str(under(root, BOOT_LINK)), str(under(root, BOOT_UNIT))])


def _arm_boot(outlook: Outlook, directory: Path, root: Path) -> None:
    (directory / "boot.sh").write_text(boot_script(outlook, directory, root), encoding="utf-8")
    unit, link = under(root, BOOT_UNIT), under(root, BOOT_LINK)
    link.parent.mkdir(parents=True, exist_ok=True)
    unit.write_text(BOOT_TEXT.format(directory=directory), encoding="utf-8")
    link.unlink(missing_ok=True)
    link.symlink_to(BOOT_UNIT)


def _reachable(outlook: Outlook) -> list[Bound]:
    return [bound for bound in outlook.affected() if bound.link.index]


def _back(backend: Backend, bound: Bound, outlook: Outlook, service_uuids: dict[str, str]) -> list[list[str]]:
    """What brings one interface's old files into effect."""
    had_file = not any(
        change.path == backend.paths(bound.interface.name)[0] and change.before is None for change in outlook.files
    )
    if outlook.backend == "NetworkManager" and bound.link.name in service_uuids:
        return [["nmcli", "--wait", "20", "connection", "up", "uuid", service_uuids[bound.link.name]]]
    if outlook.backend == "ifupdown" and not had_file:
        return []
    return backend.after(bound)


def _route_words(route: Seen) -> list[str]:
    version = "-6" if ":" in (route.via or route.to) else "-4"
    words = ["ip", version, "route", "replace", route.to, *(["via", route.via] if route.via else [])]
    words += ["dev", route.device, "table", route.table, *(["src", route.source] if route.source else [])]
    words += ["metric", str(route.metric)] if route.metric is not None else []
    return words + (["proto", route.protocol] if route.protocol else [])


def by_hand(bound: Bound, seen: Effective) -> list[list[str]]:
    """Commands that make a port what it was, whoever had made it so: nothing may depend on files that were never
    there.
    """
    link, wanted = bound.link, bound.interface
    old = seen.addresses.get(link.name, ())
    commands = [["ip", "link", "set", "dev", link.name, "mtu", str(link.mtu)]]
    commands += [["ip", "link", "set", "dev", link.name, "up"]] if link.state == "up" else []
    for address in wanted.addresses:
        if address not in old:
            commands.append(["ip", "address", "delete", address, "dev", link.name])
    commands += [["ip", "address", "replace", address, "dev", link.name] for address in old]
    commands += [
        _route_words(route) for route in seen.routes if route.device == link.name and route.protocol != "kernel"
    ]
    known = {(source, table) for source, table, _ in seen.rules}
    for rule in wanted.rules():
        if (rule.source, str(rule.table)) not in known:
            family = "-6" if ":" in rule.source else "-4"
            commands.append(["ip", family, "rule", "delete", "from", rule.source, "table", str(rule.table)])
    return commands


def _connections(bounds: Iterable[Bound], root: Path) -> dict[str, str]:
    """The NetworkManager connection that is up on each port."""
    found = {}
    for bound in bounds:
        for line in (text(under(root, f"/run/NetworkManager/devices/{bound.link.index}")) or "").splitlines():
            if line.startswith("connection-uuid="):
                found[bound.link.name] = line.partition("=")[2].strip()
    return found


def _must(run: Runner, *words: str) -> None:
    done = run(list(words))
    if done.status != 0:
        raise NetworkError(
            f"`{' '.join(words[:4])} …` failed: {done.last_words}; nothing of the network has been changed"
        )


def arm(outlook: Outlook, rollback_s: int, root: Path, run: Runner) -> None:
    """Lay everything ready and start both timers; returns before anything of the network changes.

    Raises:
        NetworkError: an earlier change still waits, or a timer can't be made.
    """
    before = state(root, run)
    if before.armed:
        raise NetworkError(
            f"an earlier change of this host's network still waits to be confirmed ({before.outcome},"
            f" {before.age_s:.0f} s ago); wait until {ROLLBACK}.timer has taken it back, or stop that timer to keep it"
        )
    directory = under(root, DIRECTORY)
    if directory.exists():
        shutil.rmtree(directory)
    (directory / "old").mkdir(parents=True)
    (directory / "new").mkdir()
    directory.chmod(0o700)
    for number, change in enumerate(outlook.files):
        if change.before is not None:
            shutil.copy2(under(root, change.path), directory / "old" / str(number))
        if change.after is not None:
            (directory / "new" / str(number)).write_text(change.after, encoding="utf-8")
    uuids = _connections(outlook.affected(), root)
    (directory / "rollback.sh").write_text(rollback_script(outlook, directory, root, uuids), encoding="utf-8")
    (directory / "apply.sh").write_text(apply_script(outlook, directory, root), encoding="utf-8")
    (directory / "outcome").write_text("armed\n", encoding="utf-8")
    _timer(run, ROLLBACK, rollback_s, directory / "rollback.sh")
    _arm_boot(outlook, directory, root)
    _timer(run, APPLY, APPLY_DELAY_S, directory / "apply.sh")


def _timer(run: Runner, unit: str, after_s: int, script: Path) -> None:
    """Have systemd run a script by itself, in a unit that goes when it has ended."""
    words = (f"--unit={unit}", f"--on-active={after_s}", "--timer-property=AccuracySec=100ms", "--collect", "--quiet")
    _must(run, "systemd-run", *words, "/bin/sh", str(script))


def state(root: Path, run: Runner) -> State:
    """How far the last change has come."""
    directory = under(root, DIRECTORY)
    outcome = text(directory / "outcome") or ""
    try:
        age_s = max(0.0, time.time() - (directory / "outcome").stat().st_mtime)
    except OSError:
        age_s = 0.0
    armed = run(["systemctl", "is-active", f"{ROLLBACK}.timer"]).stdout.strip() in ("active", "activating")
    return State(outcome, age_s, text(directory / "why") or "", armed)


def confirm(root: Path, run: Runner) -> bool:
    """Disarm the way back and keep the change; False when the way back had begun already."""
    run(["systemctl", "stop", f"{ROLLBACK}.timer"])
    begun = run(["systemctl", "is-active", f"{ROLLBACK}.service"]).stdout.strip() in ("active", "activating")
    if begun or text(under(root, DIRECTORY) / "outcome") != APPLIED:
        return False
    for path in (BOOT_LINK, BOOT_UNIT):
        under(root, path).unlink(missing_ok=True)
    (under(root, DIRECTORY) / "outcome").write_text(f"{CONFIRMED}\n", encoding="utf-8")
    return True


def take_back(why: str, root: Path, run: Runner) -> None:
    """Go back now instead of when the timer ends."""
    (under(root, DIRECTORY) / "why").write_text(f"{why}\n", encoding="utf-8")
    run(["systemctl", "start", "--no-block", f"{ROLLBACK}.service"])


def waits_for(outcome: str | None) -> bool:
    """Whether the change has not come to an end yet."""
    return outcome in ("armed", "applying")
