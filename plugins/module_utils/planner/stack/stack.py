# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether driver, CUDA toolkit, vLLM's wheel, Python and distribution go together, each refusal with its reason.

What is not said, or not known, makes the verdict ``unknown``; it is never taken for good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..findings import Finding, error, warning
from ..hardware import Gpu
from ..request import Engine
from . import facts
from .facts import Distribution, Numbers, Wheel, at_least, dotted, numbers
from .reading import StackInput

OK = "ok"
REFUSED = "refused"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Check:
    """One relation between two parts: ``ok``, ``refused`` or ``unknown``, and why."""

    what: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Stack:
    """The stack as planned for; what is not known is ``None``. ``verdict`` is the worst of ``checks``."""

    profile: str | None
    driver: str | None
    toolkit: str | None
    wheel_cuda: str | None
    torch: str | None
    nccl: str | None
    distribution: str | None
    glibc: str | None
    python: str | None
    ofed: str | None
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> str:
        """``refused`` before ``unknown`` before ``ok``."""
        found = {check.verdict for check in self.checks}
        return next((verdict for verdict in (REFUSED, UNKNOWN) if verdict in found), OK)

    def as_dict(self) -> dict[str, Any]:
        """The stack as the plan's JSON carries it; ``reasons`` are those of the checks that are not ``ok``."""
        names = (
            "profile",
            "driver",
            "toolkit",
            "wheel_cuda",
            "torch",
            "nccl",
            "distribution",
            "glibc",
            "python",
            "ofed",
        )
        return {
            **{name: getattr(self, name) for name in names},
            "verdict": self.verdict,
            "reasons": [f"{check.what}: {check.reason}" for check in self.checks if check.verdict != OK],
            "checks": [vars(check) for check in self.checks],
        }


class _Judge:
    """Checks under way: what is refused becomes an error, what is unknown is gathered for one warning."""

    def __init__(self, findings: list[Finding]) -> None:
        self.checks: list[Check] = []
        self._findings = findings

    def ok(self, what: str, reason: str) -> None:
        """A relation that holds."""
        self.checks.append(Check(what, OK, reason))

    def unknown(self, what: str, reason: str) -> None:
        """One that cannot be told."""
        self.checks.append(Check(what, UNKNOWN, reason))

    def refuse(self, what: str, reason: str, fix: str) -> None:
        """One that does not hold."""
        self.checks.append(Check(what, REFUSED, reason))
        self._findings.append(error(f"stack.{what}", reason, fix))

    def doubt(self, what: str, reason: str, fix: str) -> None:
        """One that holds, with a reservation."""
        self.checks.append(Check(what, OK, reason))
        self._findings.append(warning(f"stack.{what}", reason, fix))

    def gather(self) -> None:
        """Say once what is unknown."""
        reasons = [f"{check.what}: {check.reason}" for check in self.checks if check.verdict == UNKNOWN]
        if reasons:
            message = "whether the stack goes together is unknown: " + "; ".join(reasons)
            self._findings.append(warning("stack.unknown", message, "give what is missing under stack, or look it up"))


@dataclass(frozen=True)
class _Parts:
    """What meets in the checks: the input, the engine, and what the tables know of its wheel and of the distribution.

    ``cuda`` is the wheel's CUDA version, ``toolkit`` the given one or the profile's.
    """

    given: StackInput
    engine: Engine
    wheel: Wheel | None
    place: Distribution | None
    cuda: Numbers | None
    toolkit: Numbers | None
    h20: bool


def check_stack(given: StackInput, engine: Engine, gpu: Gpu | None, findings: list[Finding]) -> Stack:
    """Every relation between the parts of a stack, for one engine; refusals and doubts go to ``findings``."""
    judge = _Judge(findings)
    wheel = facts.find_wheel(engine.version) if engine.platform == "cuda" else None
    place = facts.find_distribution(given.distribution) if given.distribution else None
    toolkit = given.toolkit or (given.profile.toolkit if given.profile else None)
    cuda = given.wheel_cuda or (wheel.cuda if wheel else None)
    h20 = gpu is not None and gpu.name.upper().startswith("H20")
    parts = _Parts(given, engine, wheel, place, cuda, toolkit, h20)
    if engine.platform == "cuda":
        for check in (_check_release, _check_driver, _check_toolkit, _check_packages):
            check(judge, parts)
    else:
        judge.unknown("wheel", f"the {engine.platform} build of vLLM is not in the table of wheels")
    python = _check_python(judge, parts)
    glibc = _check_glibc(judge, parts)
    _check_ofed(judge, given, place)
    judge.gather()
    return Stack(
        profile=given.profile.name if given.profile else None,
        driver=_text(given.driver),
        toolkit=_text(toolkit),
        wheel_cuda=_text(cuda),
        torch=wheel.torch if wheel else None,
        nccl=_text(wheel.nccl) if wheel else None,
        distribution=place.name if place else given.distribution,
        glibc=_text(glibc),
        python=_text(python),
        ofed=given.ofed,
        checks=tuple(judge.checks),
    )


def _text(parts: Numbers | None) -> str | None:
    return dotted(parts) if parts else None


def _check_release(judge: _Judge, parts: _Parts) -> None:
    """Profile and release: a profile is for the releases whose PyPI wheel has its CUDA major version."""
    release, profile = parts.engine.version, parts.given.profile
    if parts.wheel is None:
        judge.unknown("wheel", f"the wheel of vLLM {release} has not been looked at")
    if profile is None or parts.given.wheel_cuda is not None:
        return
    span = f"{profile.first} to {profile.last}" if profile.last else f"{profile.first} and newer"
    if profile.first <= release and (profile.last is None or release <= profile.last):
        judge.ok("profile", f"{profile.name} is for vLLM {span}")
    elif profile.name == "cuda12_4" and release < profile.first:
        judge.refuse(
            "profile",
            f"vLLM {release}, the only one built with CUDA 12.4, has no data parallelism over several hosts",
            f"use vLLM {span}: their CUDA 12 wheels go with a 12.4 toolkit",
        )
    else:
        judge.refuse(
            "profile",
            f"stack.profile {profile.name} is for vLLM {span}, whose wheels on PyPI are CUDA {profile.toolkit[0]};"
            f" engine.version is {release}",
            "choose the profile of the release's wheel, or another release",
        )


def _check_driver(judge: _Judge, parts: _Parts) -> None:
    given, cuda, wheel = parts.given, parts.cuda, parts.wheel
    driver = given.driver
    if driver is None or cuda is None:
        judge.unknown(
            "driver", "stack.driver is not given" if driver is None else "the wheel's CUDA version is unknown"
        )
        return
    built = max(cuda, wheel.built) if wheel and given.wheel_cuda is None else cuda
    judge_driver(judge, driver, built, compatible_libraries(parts.engine))
    if parts.h20 and at_least(driver, facts.H20_DRIVER) is False:
        judge.unknown("gpu", f"whether driver {dotted(driver)} knows the H20 is not known; 550 and newer do")
    if given.fabric_manager is not None and given.fabric_manager != driver:
        judge.refuse(
            "fabric_manager",
            f"fabric manager {dotted(given.fabric_manager)} and driver {dotted(driver)} differ: it must be the same"
            " version, or it ends and no GPU on NVSwitch starts",
            f"install fabric manager {dotted(driver)} and hold both",
        )


def compatible_libraries(engine: Engine) -> bool:
    """Whether the engine is told to load CUDA's forward compatibility libraries, and knows how."""
    asked = engine.environment.get("VLLM_ENABLE_CUDA_COMPATIBILITY") in ("1", "true", "True")
    return asked and engine.version >= facts.FORWARD_COMPATIBLE_SINCE


def judge_driver(judge: _Judge, driver: Numbers, cuda: Numbers, forward: bool) -> None:
    """A driver under binaries of a CUDA version: its own, one of the same major version, or one too new for it."""
    native, least = facts.NATIVE_DRIVERS.get(cuda), facts.MINOR_VERSION_DRIVERS.get(cuda[0])
    name, wheel = f"driver {dotted(driver)}", f"CUDA {dotted(cuda)}"
    enough = None if least is None else at_least(driver, least)
    if enough is None:
        judge.unknown("driver", f"{name} is not given far enough, or {wheel} is not in the table")
    elif not enough and least is not None:
        if forward and driver[0] in facts.FORWARD_COMPATIBLE.get(cuda[0], ()):
            judge.doubt(
                "driver_forward",
                f"{name} runs {wheel} only through the forward compatibility libraries",
                f"install cuda-compat-{cuda[0]}-{cuda[-1]} on every host",
            )
            return
        judge.refuse(
            "driver",
            f"{name} cannot run {wheel}: CUDA {cuda[0]} needs {dotted(least)} or newer",
            f"install driver {dotted(least)} or newer, or a vLLM whose wheel has an older CUDA major version",
        )
    elif native is not None and at_least(driver, native):
        judge.ok("driver", f"{name} has all of {wheel} (from {dotted(native)})")
    else:
        judge.doubt(
            "driver_minor",
            f"{name} runs {wheel} by minor version compatibility (CUDA {cuda[0]} from {dotted(least or ())}): kernels"
            " that are compiled at run time from newer PTX fail",
            f"install driver {dotted(native)} or newer" if native else "look up the native driver",
        )


def _check_toolkit(judge: _Judge, parts: _Parts) -> None:
    """torch refuses to build an extension with a toolkit of another major version, and warns of another minor one."""
    engine, toolkit, cuda, place = parts.engine, parts.toolkit, parts.cuda, parts.place
    built = engine.all2all_backend in facts.BUILT_BACKENDS
    if toolkit is None:
        if built:
            reason = f"stack.cuda_toolkit is not given, and {engine.all2all_backend} is built on the host with one"
            judge.unknown("toolkit", reason)
        return
    if cuda is None:
        judge.unknown("toolkit", "the wheel's CUDA version is unknown")
    elif toolkit[0] != cuda[0]:
        judge.refuse(
            "toolkit",
            f"CUDA toolkit {dotted(toolkit)} beside a wheel of CUDA {dotted(cuda)}: torch builds no extension (DeepEP,"
            " DeepGEMM) with another major version",
            f"install toolkit {cuda[0]}.x",
        )
    elif built and at_least(toolkit, facts.DEEPEP_TOOLKIT) is False:
        judge.refuse("toolkit", f"DeepEP on Hopper needs CUDA toolkit 12.3 or newer, not {dotted(toolkit)}", "use 12.4")
    else:
        judge.ok("toolkit", f"toolkit {dotted(toolkit)} and the wheel are both CUDA {cuda[0]}")
    if place and place.toolkits_from and toolkit < place.toolkits_from:
        judge.unknown(
            "toolkit_package",
            f"NVIDIA's repository for {place.name} is believed to begin with CUDA {dotted(place.toolkits_from)}",
        )


def _check_python(judge: _Judge, parts: _Parts) -> Numbers | None:
    given, wheel, place = parts.given, parts.wheel, parts.place
    python = given.python or (place.python if place else None)
    if python is None or wheel is None:
        judge.unknown(
            "python", "neither stack.python nor a known distribution is given" if wheel else "the wheel is unknown"
        )
        return python
    low, high = wheel.python
    name = f"Python {dotted(python)}" + ("" if given.python else f" of {place.name if place else ''}")
    if low <= python[:2] < high:
        judge.ok("python", f"{name} is in the wheel's range, {dotted(low)} to below {dotted(high)}")
        if place and given.python and python[:2] not in (place.python, *place.other_pythons):
            message = f"{place.name} has no Python {dotted(python)} of its own (it has {dotted(place.python)})"
            judge.doubt("python_source", message, "say where it comes from: uv, deadsnakes or a container")
        return python
    others = [dotted(other) for other in (place.other_pythons if place else ()) if low <= other < high]
    judge.refuse(
        "python",
        f"{name} is outside the wheel's range, {dotted(low)} to below {dotted(high)}",
        f"set stack.python to {' or '.join(others)} and install it" if others else "install another Python and name it",
    )
    return python


def _check_glibc(judge: _Judge, parts: _Parts) -> Numbers | None:
    given, wheel, place = parts.given, parts.wheel, parts.place
    glibc = given.glibc or (place.glibc if place else None)
    if glibc is None or wheel is None:
        missing = f"the distribution '{given.distribution}' is not known" if given.distribution else "none is given"
        judge.unknown("glibc", missing if wheel else "the wheel is unknown")
        return glibc
    if glibc[:2] < wheel.glibc:
        judge.refuse(
            "glibc",
            f"glibc {dotted(glibc)} is older than the {dotted(wheel.glibc)} of vLLM {parts.engine.version}'s wheel: pip"
            " would take the source distribution instead",
            "use another release (0.19.1 and 0.21.0 take older ones) or a newer distribution",
        )
    else:
        judge.ok("glibc", f"glibc {dotted(glibc)} is enough for the wheel's {dotted(wheel.glibc)}")
    return glibc


def _check_packages(judge: _Judge, parts: _Parts) -> None:
    """What is installed against what the release brings."""
    engine, wheel = parts.engine, parts.wheel
    installed = parts.given.packages
    blas = numbers(installed.get("nvidia-cublas-cu12", installed.get("nvidia-cublas", "")))
    if parts.h20 and blas is not None and at_least(blas, facts.H20_CUBLAS) is False:
        judge.refuse(
            "cublas",
            f"cuBLAS {dotted(blas)} ends with SIGFPE on the H20; {dotted(facts.H20_CUBLAS)} and newer do not",
            f"install nvidia-cublas-cu12 {dotted(facts.H20_CUBLAS)} or a torch that brings it",
        )
    expected = {"vllm": str(engine.version), **({"torch": wheel.torch} if wheel else {})}
    for name, wanted in expected.items():
        if name in installed and installed[name].split("+", 1)[0] != wanted:
            reason = f"{name} {installed[name]} is installed, vLLM {engine.version} goes with {name} {wanted}"
            judge.refuse("package", reason, "install the release's own set in an environment of its own")
    if engine.all2all_backend == "deepep_v2" and wheel and at_least(wheel.nccl, facts.DEEPEP_V2_NCCL) is False:
        judge.doubt(
            "nccl",
            f"deepep_v2 needs NCCL {dotted(facts.DEEPEP_V2_NCCL)} or newer, torch brings {dotted(wheel.nccl)}",
            "install nvidia-nccl-cu13 of that version beside it, without its dependencies",
        )


def _check_ofed(judge: _Judge, given: StackInput, place: Distribution | None) -> None:
    """DOCA's drivers are sources for DKMS since 3.2.0, unsigned; MLNX_OFED ended with 24.10."""
    if given.ofed is None:
        return
    kind, _, text = given.ofed.lower().replace("-", "_").partition(" ")
    release = numbers(text.strip()) if text else None
    if kind == "mlnx_ofed":
        if release is not None and at_least(release, (24, 11)):
            judge.refuse("ofed", f"there is no MLNX_OFED {text.strip()}: 24.10 is the last", "use doca")
        else:
            judge.doubt("ofed", "MLNX_OFED ended with 24.10 LTS; DOCA-OFED goes on from there", "use doca")
    if kind == "doca" and place is not None and place.name == "debian13":
        judge.unknown("ofed", "whether DOCA has packages for debian13 is not known")
    if kind == "doca" and given.secure_boot and (release is None or at_least(release, (3, 2, 0)) is not False):
        judge.doubt(
            "ofed_secure_boot",
            "DOCA's drivers are built by DKMS since 3.2.0 and not signed: with Secure Boot they do not load",
            "enrol the machine owner key that DKMS signs with, or turn Secure Boot off",
        )
