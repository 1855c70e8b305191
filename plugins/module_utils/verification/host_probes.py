# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reading one host: a probe returns what it saw or raises ProbeError with the reason. Nothing is written."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import pwd
import stat
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Callable

from ..evidence import arguments, checksums, processes, systemd
from ..inspection.look import ProbeError, run_command

UNIT_PROPERTIES: tuple[str, ...] = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "MainPID",
    "User",
    "Group",
    "NRestarts",
    "Restart",
    "ExecMainStartTimestamp",
    "InvocationID",
    "NeedDaemonReload",
    "UnitFileState",
    "FragmentPath",
    "DropInPaths",
    "ControlGroup",
    "LimitMEMLOCK",
    "LimitMEMLOCKSoft",
    "LimitNOFILE",
    "LimitNOFILESoft",
    "NoNewPrivileges",
    "ProtectSystem",
    "ProtectHome",
    "PrivateTmp",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectControlGroups",
    "RestrictSUIDSGID",
    "LockPersonality",
    "CapabilityBoundingSet",
    "ExecStart",
)

COMMAND_TIMEOUT_S = 60.0
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".gguf")
_CHUNK_BYTES = 4 * 1024 * 1024

# Prints the version that the engine itself would read; -I keeps the caller's environment and directory out of it.
_VERSION_PROGRAM = (
    "import importlib.metadata, json, platform, sys; "
    "print(json.dumps({'version': importlib.metadata.version(sys.argv[1]), 'python': platform.python_version()}))"
)

Runner = Callable[[Sequence[str], float], tuple[int, str, str]]


def unit_state(unit: str, run: Runner = run_command) -> dict[str, str]:
    """Return UNIT_PROPERTIES of a unit that systemd has loaded."""
    status, output, complaint = run(
        ["systemctl", "show", "--no-pager", "--property=" + ",".join(UNIT_PROPERTIES), "--", unit], COMMAND_TIMEOUT_S
    )
    if status != 0:
        raise ProbeError(f"systemctl show {unit}: {complaint.strip() or f'exit status {status}'}")
    properties = systemd.parse_show(output)
    if "LoadState" not in properties or "ActiveState" not in properties:
        raise ProbeError(f"systemctl show {unit} printed no unit")
    # The command itself may hold a secret, and only whether it is the plan's is of interest.
    properties["ExecStart"] = systemd.command_digest(systemd.exec_command(properties.get("ExecStart", "")))
    return properties


def main_process(pid: int, names: Iterable[str], proc: str = "/proc") -> dict[str, Any]:
    """Return arguments and named environment variables (secrets masked), user and limits of a running process."""
    base = Path(proc) / str(pid)
    argv = processes.parse_cmdline(_read(base / "cmdline"))
    if argv is None:
        raise ProbeError(f"process {pid} has no readable command line")
    uid = processes.effective_uid(processes.parse_status(_read_text(base / "status")))
    if uid is None:
        raise ProbeError(f"process {pid}: its user is not in {base / 'status'}")
    wanted = list(names)
    environment = processes.parse_environment(_read(base / "environ"), wanted) if wanted else {}
    return {
        "pid": pid,
        "argv": arguments.mask(argv),
        "environment": arguments.mask_environment(environment),
        "user": _user_name(uid),
        "limits": {name: list(pair) for name, pair in _limits(base).items()},
    }


def limit_ceilings(proc: str = "/proc") -> dict[str, int | None]:
    """Return the hard limits above which nothing on this host can go: init's own, where it may not raise them.

    A service manager without CAP_SYS_RESOURCE, as in many containers, gives a unit less than the unit says, silently.
    """
    init = Path(proc) / "1"
    may_raise = processes.may_raise_limits(processes.parse_status(_read_text(init / "status")))
    if may_raise is None:
        raise ProbeError(f"the capabilities of init are not in {init / 'status'}")
    return {} if may_raise else {name: hard for name, (unused, hard) in _limits(init).items()}


def running_ranks(control_group: str, proc: str = "/proc", cgroups: str = "/sys/fs/cgroup") -> list[dict[str, int]]:
    """Return ``{rank, pid}`` of the engine processes in a unit's control group; a unit without one runs none.

    A host that is a later stage of a pipeline has workers alone: the first of a rank stands for it.
    """
    if not control_group:
        return []
    titles: list[tuple[int, str]] = []
    for pid in sorted(_pids_of(control_group, cgroups)):
        try:
            titles.append((pid, processes.parse_title(_read(Path(proc) / str(pid) / "cmdline"))))
        except ProbeError:
            continue  # it ended while we looked
    engines = [(rank, pid) for pid, title in titles if (rank := processes.rank_of(title)) is not None]
    stages: dict[int, int] = {}
    for pid, title in titles:
        rank = processes.rank_of_stage(title)
        if rank is not None:
            stages.setdefault(rank, pid)
    return [{"rank": rank, "pid": pid} for rank, pid in sorted(engines or stages.items())]


def kernel_parameters(names: Iterable[str], proc: str = "/proc") -> tuple[dict[str, str | None], dict[str, str]]:
    """Return the live values by sysctl name, None with a reason for one this kernel doesn't show."""
    values: dict[str, str | None] = {}
    reasons: dict[str, str] = {}
    for name in names:
        path = name if "/" in name else name.replace(".", "/")
        values[name] = None
        try:
            if path.startswith("/") or ".." in path.split("/"):
                raise ProbeError("not the name of a kernel parameter")
            values[name] = " ".join(_read_text(Path(proc) / "sys" / path).split())
        except ProbeError as error:
            reasons[name] = str(error)
    return values, reasons


def file_states(paths: Iterable[str]) -> tuple[dict[str, dict[str, Any] | None], dict[str, str]]:
    """Return whether it exists, digest, mode and owner by path; None with a reason for a file that can't be read."""
    states: dict[str, dict[str, Any] | None] = {}
    reasons: dict[str, str] = {}
    for path in paths:
        states[path] = None
        try:
            about = Path(path).stat()
            states[path] = {
                "exists": True,
                "sha256": file_digest(path),
                "mode": f"{stat.S_IMODE(about.st_mode):04o}",
                "owner": _user_name(about.st_uid),
                "size": about.st_size,
            }
        except (FileNotFoundError, NotADirectoryError):
            states[path] = {"exists": False}
        except OSError as error:
            reasons[path] = error.strerror or str(error)
    return states, reasons


def file_environment(paths: Iterable[str], names: Iterable[str]) -> dict[str, dict[str, str | None]]:
    """Return the named variables (secrets masked) that each environment file sets; a missing file sets none."""
    wanted = set(names)
    found: dict[str, dict[str, str | None]] = {}
    for path in paths:
        variables = systemd.parse_environment_file(_read_text(Path(path))) if Path(path).is_file() else {}
        found[path] = arguments.mask_environment({name: variables[name] for name in wanted & set(variables)})
    return found


def file_digest(path: str | Path, deadline: float | None = None) -> str:
    """Return a file's SHA-256; after ``deadline`` (monotonic clock) raise TimeoutError, which is an OSError."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while True:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError("the time allowed for reading the model is over")
            chunk = stream.read(_CHUNK_BYTES)
            if not chunk:
                return digest.hexdigest()
            digest.update(chunk)


def model_files(directory: str, sums: str = "SHA256SUMS", threads: int = 4, timeout_s: float = 1800) -> dict[str, Any]:
    """Compare every file that the checksum list names with what lies in ``directory``.

    Returns:
        ``files`` (how many the list names), ``matching``, ``differing[]``, ``missing[]``, ``unlisted[]`` (weight files
        that the list doesn't name but the engine would load) and ``sums_sha256``, the digest of the list itself.
    """
    listing = Path(directory) / sums
    digests, problems = checksums.parse(_read_text(listing))
    if problems:
        raise ProbeError("{}: {}".format(listing, "; ".join(problems[:3])))
    deadline = time.monotonic() + timeout_s
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        jobs = {path: pool.submit(file_digest, Path(directory) / path, deadline) for path in sorted(digests)}
    missing: list[str] = []
    differing: list[str] = []
    for path, job in jobs.items():
        error = job.exception()
        if isinstance(error, FileNotFoundError):
            missing.append(path)
        elif error is not None:
            raise ProbeError(f"{path}: {error}")
        elif job.result() != digests[path]:
            differing.append(path)
    present = {path.name for path in Path(directory).iterdir() if path.suffix in _WEIGHT_SUFFIXES}
    return {
        "path": directory,
        "files": len(digests),
        "matching": len(digests) - len(missing) - len(differing),
        "differing": differing,
        "missing": missing,
        "unlisted": sorted(present - set(digests)),
        "sums_sha256": file_digest(listing),
    }


def engine_version(python: str, package: str, run: Runner = run_command) -> dict[str, str]:
    """Return ``version`` and ``python`` of the engine's package, asked from the interpreter that runs the engine."""
    status, output, complaint = run([python, "-I", "-B", "-c", _VERSION_PROGRAM, package], COMMAND_TIMEOUT_S)
    last = (complaint.strip().splitlines() or [f"exit status {status}"])[-1]
    if status != 0:
        raise ProbeError(f"{python}: {last}")
    try:
        found = json.loads(output)
        return {"version": str(found["version"]), "python": str(found["python"])}
    except (ValueError, KeyError, TypeError):
        raise ProbeError(f"{python} printed no version of {package}") from None


def interface_addresses(interface: str, run: Runner = run_command) -> list[str]:
    """Return the addresses (without prefix length) on one interface."""
    status, output, complaint = run(["ip", "-j", "address", "show", "dev", interface], COMMAND_TIMEOUT_S)
    if status != 0:
        raise ProbeError(complaint.strip() or f"ip address show dev {interface}: exit status {status}")
    try:
        links = json.loads(output)
        return [str(entry["local"]) for link in links for entry in link.get("addr_info", ()) if "local" in entry]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ProbeError(f"`ip -j address` printed no JSON for {interface}") from None


def _limits(process: Path) -> dict[str, tuple[int | None, int | None]]:
    found = processes.parse_limits(_read_text(process / "limits"))
    return {name: found[name] for name in ("Max locked memory", "Max open files") if name in found}


def _pids_of(control_group: str, cgroups: str) -> list[int]:
    # cgroup2 alone, or systemd's own hierarchy beside version 1 controllers.
    for mount in (cgroups, f"{cgroups}/unified", f"{cgroups}/systemd"):
        top = Path(mount) / control_group.lstrip("/")
        if (top / "cgroup.procs").is_file():
            lists = [_read_text(path) for path in top.rglob("cgroup.procs")]
            return sorted({int(word) for text in lists for word in text.split() if word.isdecimal()})
    raise ProbeError(f"the control group {control_group} is nowhere under {cgroups}")


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProbeError(f"{path}: {error.strerror or error}") from None


def _read_text(path: Path) -> str:
    return _read(path).decode("utf-8", "replace")
