# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A set of packages as one transaction: planned and refused before anything is touched, checked when it is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import versions
from .choice import Choice, VanishedError, choose, pins, right
from .model import Change, Installed, Manager, PackageError, Request, Wanted

State = tuple[str, bool]  # version and whether it is held


@dataclass(frozen=True)
class Plan:
    """What is going to happen. `before` and `after` are of every package that the set covers or the transaction moves.

    `unknown` says what can't be known yet; then `after` is what is asked for.
    """

    change: Change
    pins: str | None
    pins_before: str | None
    before: Mapping[str, State]
    after: Mapping[str, State]
    unknown: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything differs."""
        return bool(self.unknown) or self.before != self.after or self.pins != self.pins_before


def covered(request: Request, name: str) -> bool:
    """Whether a package belongs to the set, to its companions or to what it takes away."""
    listed = any(package.name == name for package in request.packages)
    return listed or request.companion(name) is not None or request.unwanted(name)


def _refuse_broken(there: Mapping[str, Installed], manager: Manager) -> None:
    broken = [f"{package.name} {package.version} is {package.broken}" for package in there.values() if package.broken]
    if broken:
        raise PackageError(
            f"an earlier installation did not end: {'; '.join(sorted(broken))}. Mend it first: {manager.repair}."
        )


def _refuse_downgrade(
    request: Request, install: Mapping[str, str | None], there: Mapping[str, Installed], manager: Manager
) -> bool:
    """Whether the transaction goes back in versions; refused unless that is allowed."""
    older = [
        f"{name} {there[name].version} → {version}"
        for name, version in install.items()
        if version is not None and name in there and manager.compare(version, there[name].version) < 0
    ]
    if older and not request.allow_downgrade:
        raise PackageError(
            f"this goes back to older versions: {'; '.join(older)}. Set allow_downgrade if that is meant."
        )
    return bool(older)


def wrongs(request: Request, versions_there: Mapping[str, str], manager: Manager) -> list[str]:
    """What isn't as asked, in words."""
    found = []
    installed = {name: Installed(name, version) for name, version in versions_there.items()}
    for entry in request.packages if request.present else ():
        if not right(entry, installed.get(entry.name), manager):
            now = installed[entry.name].version if entry.name in installed else "not installed"
            found.append(f"{entry.name} is {now}, asked for is {entry.version or 'any version'}")
    for name, package in installed.items():
        if request.unwanted(name):
            found.append(f"{name} {package.version} is there and should be gone")
            continue
        companion = request.companion(name)
        if companion is not None and not right(Wanted(name, companion.version), package, manager):
            found.append(f"{name} is {package.version}, its set has {companion.version}")
    return sorted(found)


def _predict(
    request: Request, change: Change, pins_text: str | None, there: Mapping[str, Installed], manager: Manager
) -> Mapping[str, str | None]:
    """What the transaction would do. Nothing outside the set goes away, and nobody else's hold is overridden."""
    strangers = {name for name in there if not covered(request, name)}
    try:
        predicted = manager.predict(change, pins_text)
    except PackageError as error:
        words = set(str(error).split())
        held = sorted(name for name in strangers & words if there[name].held)
        hint = f" Somebody else holds {', '.join(held)}: find out who and why, then let go ({manager.release})."
        raise PackageError(f"{error}{hint if held else ''}") from error
    removed = sorted(name for name in strangers & set(predicted) if predicted[name] is None)
    if removed:
        raise PackageError(
            f"this would also remove {', '.join(removed)}, which the set {request.name} doesn't speak of. Nothing was"
            " changed. Name them under absent if they are to go, or remove what needs them first."
        )
    return predicted


def _with_new_companions(
    request: Request, install: dict[str, str | None], predicted: Mapping[str, str | None], manager: Manager
) -> dict[str, str | None]:
    """The packages to install, with those companions that would come in another version than the set's."""
    strays = {}
    for name, version in predicted.items():
        entry = request.companion(name)
        if version is None or entry is None or request.unwanted(name) or name in install:
            continue
        if not right(Wanted(name, entry.version), Installed(name, version), manager):
            strays[name] = entry.version or ""
    offered = manager.candidates(sorted(strays)) if strays else {}
    added = {}
    for name, wanted in strays.items():
        matching = [full for full in offered.get(name, ()) if versions.matches(wanted, full, manager.compare)]
        if matching:
            added[name] = matching[0]
    return {**install, **added}


def _final(there: Mapping[str, Installed], predicted: Mapping[str, str | None]) -> dict[str, str]:
    """Versions after a transaction."""
    after = {name: package.version for name, package in there.items()}
    for name, version in predicted.items():
        if version is None:
            after.pop(name, None)
        else:
            after[name] = version
    return after


def _change(request: Request, choice: Choice, there: Mapping[str, Installed], manager: Manager) -> Change:
    """The transaction that the set asks for."""
    remove = tuple(sorted(name for name in there if request.unwanted(name)))
    if not request.present:
        return Change(remove=remove, purge=True)
    install: dict[str, str | None] = {
        entry.name: choice.packages[entry.name]
        for entry in request.packages
        if not right(entry, there.get(entry.name), manager)
    }
    install.update({name: full for name, full in choice.companions.items() if there[name].version != full})
    downgrade = _refuse_downgrade(request, install, there, manager)
    return Change(install, remove, downgrade=downgrade)


def _states(
    request: Request, there: Mapping[str, Installed], after: Mapping[str, str], moved: Iterable[str]
) -> tuple[dict[str, State], dict[str, State]]:
    """Before and after, of what the set covers and of what else moves."""
    names = {name for name in [*there, *after] if covered(request, name)} | set(moved)
    before = {name: (there[name].version, there[name].held) for name in names if name in there}
    states = {}
    for name in names & set(after):
        held = there[name].held if name in there else False
        states[name] = (after[name], request.hold if covered(request, name) else held)
    return before, states


def plan(request: Request, manager: Manager, may_be_unknown: bool = False) -> Plan:
    """Read what is there and what the sources have, and work out the transaction.

    With `may_be_unknown`, what no source has yet is said instead of refused: the sources are going to be set up.

    Raises:
        VanishedError: a version or a package that no source has.
        PackageError: everything else that stands in the way. Nothing has been changed.
    """
    there = manager.installed()
    _refuse_broken(there, manager)
    pins_before = manager.pins()
    choice = choose(request, there, manager) if request.present else Choice({}, {})
    wanted_pins = manager.pins_text(pins(request, choice)) if request.present else None
    if choice.missing:
        if not may_be_unknown:
            raise VanishedError(
                f"{'; '.join(choice.missing)}. Nothing was changed. Ask for a version that is there, or add the source"
                f" that has it ({manager.update} reads the sources again)."
            )
        asked = {entry.name: entry.version or "?" for entry in request.packages}
        kept = {name: package.version for name, package in there.items() if not request.unwanted(name)}
        before, after = _states(request, there, {**kept, **asked}, ())
        return Plan(Change(), wanted_pins, pins_before, before, after, choice.missing)
    change = _change(request, choice, there, manager)
    predicted: Mapping[str, str | None] = {}
    if change:
        predicted = _predict(request, change, wanted_pins, there, manager)
        install = _with_new_companions(request, dict(change.install), predicted, manager)
        if install != change.install:
            downgrade = _refuse_downgrade(request, install, there, manager)
            change = Change(install, change.remove, change.purge, downgrade)
            predicted = _predict(request, change, wanted_pins, there, manager)
    final = _final(there, predicted)
    wrong = wrongs(request, final, manager)
    if wrong:
        raise PackageError(
            f"the package manager can't bring the set together, and nothing was changed: {'; '.join(wrong)}."
        )
    before, after = _states(request, there, final, predicted)
    return Plan(change, wanted_pins, pins_before, before, after)


def carry_out(request: Request, manager: Manager, planned: Plan) -> dict[str, Installed]:
    """Let go of what is held, change everything at once, hold again; then look whether it is what was asked for.

    Whatever happens, what was held before is held in the end, and the pins of a transaction that failed go back.

    Raises:
        PackageError: it failed, or what is there afterwards isn't what was asked for.
    """
    held_before = {name for name, (_, held) in planned.before.items() if held}
    let_go = sorted(name for name in held_before if planned.after.get(name) != planned.before[name])
    hold = held_before
    try:
        manager.write_pins(planned.pins)
        if let_go:
            manager.set_hold(let_go, False)
        if planned.change:
            manager.apply(planned.change)
        hold = {name for name, (_, held) in planned.after.items() if held}
    except PackageError as error:
        manager.write_pins(planned.pins_before)
        broken = [f"{package.name} is {package.broken}" for package in manager.installed().values() if package.broken]
        left = f" It left {'; '.join(broken)}: {manager.repair}." if broken else ""
        raise PackageError(f"{error}{left}") from error
    finally:
        there = manager.installed()
        manager.set_hold(sorted(name for name in hold if name in there and not there[name].held), True)
    there = manager.installed()
    wrong = wrongs(request, {name: package.version for name, package in there.items()}, manager)
    wrong += [
        f"{name} is {'held' if there[name].held else 'not held'}"
        for name, (_, held) in sorted(planned.after.items())
        if name in there and there[name].held != held
    ]
    if wrong:
        raise PackageError(f"the transaction ended, but not as asked: {'; '.join(wrong)}.")
    return there


def lines(states: Mapping[str, State]) -> str:
    """States for a diff, a line a package."""
    return "".join(f"{name} {version}{' held' if held else ''}\n" for name, (version, held) in sorted(states.items()))
