# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where a reference comes from: a file that was handed over, a kept one, or a program that computes it now."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable

from ...hosts import process_group
from .model import COMPUTED, BadReferenceError, Reference, read

# Greedy decoding in float32 takes four bytes a parameter: a checkpoint of more than this is not for one processor.
MOST_BYTES = 4 * 1024**3


@dataclass(frozen=True)
class Wanted:
    """What is to be answered by which model.

    Attributes:
        model: its directory, with SHA256SUMS.
        python: the interpreter of the engine's environment.
        program: the text of the program that computes answers; see roles/verify/files/reference.py.
        prompts: the texts to continue.
        tokens: how many tokens each answer has.
        timeout_s: longest time for computing, in seconds.
        user: who computes; empty for the caller.
        most_bytes: checkpoints above this are not computed.
    """

    model: Path
    python: str
    program: str
    prompts: tuple[str, ...]
    tokens: int
    timeout_s: float
    user: str = ""
    most_bytes: int = MOST_BYTES


Compute = Callable[[Wanted], "dict[str, Any]"]


def checkpoint_of(model: Path) -> str:
    """Return the digest that names a checkpoint: the SHA-256 of its SHA256SUMS.

    Raises:
        BadReferenceError: the model has no such list.
    """
    try:
        return hashlib.sha256((model / "SHA256SUMS").read_bytes()).hexdigest()
    except OSError as error:
        raise BadReferenceError(f"{model / 'SHA256SUMS'}: {error.strerror or error}") from None


def handed_over(path: Path, checkpoint: str) -> Reference:
    """Read a reference file and hold it against the model that is served.

    Raises:
        BadReferenceError: it can't be read, or is of another checkpoint.
    """
    try:
        reference = read(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadReferenceError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    except BadReferenceError as error:
        raise BadReferenceError(f"{path}: {error}") from None
    if reference.checkpoint != checkpoint:
        raise BadReferenceError(f"{path} is of another checkpoint ({reference.checkpoint[:12]}, not {checkpoint[:12]})")
    return reference


def computed(wanted: Wanted, cache: Path | None, compute: Compute | None = None) -> Reference:
    """Return the computed reference: the kept one where model, prompts and program are the same, else a new one.

    Raises:
        BadReferenceError: the checkpoint is too large for that, or the program failed.
    """
    checkpoint = checkpoint_of(wanted.model)
    asked = json.dumps([wanted.program, wanted.prompts, wanted.tokens]).encode()
    kept = (
        None if cache is None else cache / f"reference-{checkpoint[:16]}-{hashlib.sha256(asked).hexdigest()[:8]}.json"
    )
    if kept is not None and kept.exists():
        with contextlib.suppress(BadReferenceError):  # half a file, or another's: it is made again
            return handed_over(kept, checkpoint)
    size = sum(path.stat().st_size for path in wanted.model.iterdir() if path.is_file())
    if size > wanted.most_bytes:
        most = f"{wanted.most_bytes / 1e9:.0f} GB"
        raise BadReferenceError(
            f"the checkpoint has {size / 1e9:.0f} GB, and one is computed of up to {most}: name a file in"
            " verify_reference, or record one from a service you trust (verify_reference_record)"
        )
    document = (compute or run_program)(wanted)
    try:
        text = json.dumps({**Reference(checkpoint, COMPUTED, str(document["made_by"]), ()).to_dict(), **document})
        reference = replace(read(text), checkpoint=checkpoint, kind=COMPUTED)
    except (KeyError, TypeError) as error:
        raise BadReferenceError(f"the program printed no reference: {error}") from None
    if kept is not None:
        keep(kept, reference)
    return reference


def keep(path: Path, reference: Reference) -> None:
    """Write a reference in one step. A place that can't be written keeps nothing: it is computed again next time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(json.dumps(reference.to_dict(), indent=1) + "\n", encoding="utf-8")
        draft.replace(path)


def run_program(wanted: Wanted) -> dict[str, Any]:
    """Run the program in a directory of its own and return what it printed last.

    Raises:
        BadReferenceError: it failed, or took too long.
    """
    directory = tempfile.mkdtemp(prefix="moefleet-reference-")
    try:
        account = process_group.account_of(wanted.user)
        program = Path(directory) / "reference.py"
        program.write_text(wanted.program, encoding="utf-8")
        if account is not None:
            os.chown(directory, account.pw_uid, account.pw_gid)
            program.chmod(0o644)
        words = [str(wanted.model), str(wanted.tokens), f"{wanted.timeout_s:g}", *wanted.prompts]
        argv = [wanted.python, "-I", "-B", str(program), *words]
        ended = process_group.execute(
            argv, _environment(directory), wanted.timeout_s + 30, directory=directory, account=account
        )
    except OSError as error:
        raise BadReferenceError(f"the reference could not be computed: {error}") from None
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return _printed(ended)


def _printed(ended: process_group.Ended) -> dict[str, Any]:
    for line in reversed(ended.output.splitlines()):
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                document = json.loads(line)
                if isinstance(document, dict):
                    return document
    last = (ended.output.strip().splitlines() or [f"exit status {ended.status}"])[-1]
    why = "it took too long" if ended.timed_out else last[-300:]
    raise BadReferenceError(f"the reference could not be computed: {why}")


def _environment(directory: str) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": directory,
        "TMPDIR": directory,
        "HF_HOME": directory,
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
