"""Sets of packages, through the real apt and dpkg in a root directory of their own."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands
from ansible_collections.moefleet.serving.plugins.module_utils.packages import model, transaction
from ansible_collections.moefleet.serving.plugins.module_utils.packages.choice import VanishedError
from ansible_collections.moefleet.serving.plugins.module_utils.packages.model import PackageError, Request, Wanted
from ansible_collections.moefleet.serving.tests.testinfra.package_repository import StandIn

from .conftest import Root

OLD, NEW, REVISED = "550.127.05", "550.144.03", "550.144.03-10"


def release(version: str, branch: str = "550", revision: str = "-1") -> list[StandIn]:
    """A driver as it is packaged: the libraries' versions are only bounded from below."""
    full = version if "-" in version else f"{version}{revision}"
    library, driver, fabric = f"libnvidia-compute-{branch}", f"nvidia-driver-{branch}", f"nvidia-fabricmanager-{branch}"
    return [
        StandIn(library, full, conflicts="libnvidia-compute", provides="libnvidia-compute"),
        StandIn(driver, full, depends=f"{library} (>= {full})", conflicts="nvidia-driver", provides="nvidia-driver"),
        StandIn(fabric, full, conflicts="fabricmanager", provides="fabricmanager"),
    ]


def wanted(version: str | None, branch: str = "550", **more: object) -> Request:
    packages = (Wanted(f"nvidia-driver-{branch}", version), Wanted(f"nvidia-fabricmanager-{branch}", version))
    request = Request("driver", packages, companions=(Wanted("libnvidia-*", version),))
    return replace(request, **more)  # type: ignore[arg-type]


def bring(root: Root, request: Request) -> transaction.Plan:
    """Plan and do it, then see that nothing is left to do."""
    manager = root.manager(request.name)
    planned = transaction.plan(request, manager)
    transaction.carry_out(request, manager, planned)
    again = transaction.plan(request, manager)
    assert not again.changed, (again.before, again.after, again.pins)
    return planned


def everything(version: str, branch: str = "550", held: bool = True) -> dict[str, str]:
    mark = " held" if held else ""
    return {package.name: package.version + mark for package in release(version, branch)}


def test_an_older_version_comes_whole_and_stays(root: Root) -> None:
    root.offer([*release(OLD), *release(NEW)])
    planned = bring(root, wanted(OLD))
    assert root.installed() == everything(OLD)
    assert planned.after == dict.fromkeys(everything(OLD), (f"{OLD}-1", True))
    assert len(root.calls("apt-get", "install")) == 1
    root.apt("upgrade")
    assert root.installed() == everything(OLD)


def test_a_newer_release_doesnt_come_even_when_nothing_holds_it(root: Root) -> None:
    root.offer([*release(OLD), *release(NEW)])
    bring(root, wanted(OLD, hold=False))
    assert root.installed() == everything(OLD, held=False)
    root.apt("dist-upgrade")
    assert root.installed() == everything(OLD, held=False)


def test_point_release_and_back(root: Root) -> None:
    root.offer([*release(OLD), *release(NEW)])
    bring(root, wanted(OLD))
    bring(root, wanted(NEW))
    assert root.installed() == everything(NEW)
    with pytest.raises(
        PackageError, match=r"goes back to older versions: .*550.144.03-1 → 550.127.05-1.*allow_downgrade"
    ):
        bring(root, wanted(OLD))
    assert root.installed() == everything(NEW)
    bring(root, wanted(OLD, allow_downgrade=True))
    assert root.installed() == everything(OLD)


def test_another_branch_in_one_transaction_and_nothing_of_the_old_one_stays(root: Root) -> None:
    root.offer([*release("535.274.02", "535"), *release(NEW)])
    bring(root, wanted("535.274.02", "535"))
    root.ran.clear()
    planned = bring(root, wanted(NEW, absent=("*nvidia*-535",)))
    assert root.installed() == everything(NEW)
    assert len(root.calls("apt-get", "install")) == 1
    assert planned.after.keys() == set(everything(NEW))
    assert planned.before.keys() == set(everything("535.274.02", "535"))


def test_a_revision_is_not_the_beginning_of_another(root: Root) -> None:
    root.offer([*release(f"{NEW}-1"), *release(REVISED)])
    bring(root, wanted(f"{NEW}-1"))
    assert root.installed() == everything(f"{NEW}-1")
    bring(root, wanted(REVISED))
    assert root.installed() == everything(REVISED)


def test_a_vanished_version_is_refused_with_what_there_is(root: Root) -> None:
    driver, fabric = release(NEW)[:2], release(NEW)[2]
    root.offer([*release("550.163.01"), *driver, *release(OLD)[:2], fabric])
    with pytest.raises(VanishedError) as caught:
        transaction.plan(wanted(OLD), root.manager())
    words = str(caught.value)
    assert "no source has nvidia-fabricmanager-550 550.127.05; there is 550.163.01-1, 550.144.03-1" in words
    assert "the nearest that all of nvidia-driver-550, nvidia-fabricmanager-550 have is 550.144.03" in words
    assert root.installed() == {}


def test_a_package_that_no_source_has_is_named(root: Root) -> None:
    root.offer(release(NEW)[:2])
    with pytest.raises(VanishedError, match=r"no source has a package nvidia-fabricmanager-550 \(wanted 550.144.03\)"):
        transaction.plan(wanted(NEW), root.manager())
    planned = transaction.plan(wanted(NEW), root.manager(), may_be_unknown=True)
    assert planned.changed
    assert planned.unknown
    assert planned.after["nvidia-driver-550"] == (NEW, True)


def test_an_installed_version_may_be_gone_from_the_sources(root: Root) -> None:
    root.offer(release(OLD))
    bring(root, wanted(OLD))
    root.offer(release(NEW))
    assert not transaction.plan(wanted(OLD), root.manager()).changed


def test_a_lost_hold_is_seen_and_restored(root: Root) -> None:
    root.offer(release(NEW))
    bring(root, wanted(NEW))
    root(["apt-mark", "unhold", "nvidia-fabricmanager-550"])
    planned = transaction.plan(wanted(NEW), root.manager())
    assert planned.before["nvidia-fabricmanager-550"] == (f"{NEW}-1", False)
    assert planned.after["nvidia-fabricmanager-550"] == (f"{NEW}-1", True)
    root.ran.clear()
    bring(root, wanted(NEW))
    assert root.installed() == everything(NEW)
    assert root.calls("apt-get", "install") == []


def test_what_an_upgrade_moved_is_seen_and_taken_back(root: Root) -> None:
    root.offer([*release(OLD), *release(NEW)])
    bring(root, wanted(OLD))
    root(["apt-mark", "unhold", *everything(OLD)])
    (root.path / "etc/apt/preferences.d/60-moefleet-driver").unlink()
    root.apt("upgrade")
    assert root.installed() == everything(NEW, held=False)
    planned = bring(root, wanted(OLD, allow_downgrade=True))
    assert planned.before["libnvidia-compute-550"] == (f"{NEW}-1", False)
    assert root.installed() == everything(OLD)


def test_edited_pins_are_seen(root: Root) -> None:
    root.offer(release(NEW))
    bring(root, wanted(NEW))
    pins = root.path / "etc/apt/preferences.d/60-moefleet-driver"
    text = pins.read_text(encoding="utf-8")
    pins.write_text(text.replace("1000", "1"), encoding="utf-8")
    assert transaction.plan(wanted(NEW), root.manager()).changed
    bring(root, wanted(NEW))
    assert pins.read_text(encoding="utf-8") == text


def test_a_failed_transaction_leaves_holds_and_pins_as_they_were(root: Root) -> None:
    root.offer([*release(OLD), *release(NEW)])
    bring(root, wanted(OLD))
    pins = root.manager().pins()
    (root.repository / f"nvidia-driver-550_{NEW}-1_all.deb").write_bytes(b"damaged")
    planned = transaction.plan(wanted(NEW), root.manager())
    with pytest.raises(PackageError, match=r"install .* failed"):
        transaction.carry_out(wanted(NEW), root.manager(), planned)
    assert root.installed() == everything(OLD)
    assert root.manager().pins() == pins


def test_removal_takes_the_set_its_libraries_and_its_pins(root: Root) -> None:
    root.offer([*release(OLD), StandIn("bystander", "1")])
    root.apt("install", "bystander")
    bring(root, wanted(OLD))
    bring(root, wanted(OLD, present=False))
    assert root.installed() == {"bystander": "1"}
    assert root.manager().pins() is None


def test_nothing_outside_the_set_is_removed(root: Root) -> None:
    root.offer([*release("535.274.02", "535"), *release(NEW), StandIn("dashboard", "1", depends="nvidia-driver-535")])
    root.apt("install", "dashboard")
    before = root.installed()
    with pytest.raises(PackageError, match="would also remove dashboard"):
        transaction.plan(wanted(NEW, absent=("*nvidia*-535",)), root.manager())
    assert root.installed() == before


def test_somebody_elses_hold_is_respected(root: Root) -> None:
    new = [replace(package, depends="ofed (>= 2)") for package in release(NEW)]
    root.offer([*new, StandIn("ofed", "1"), StandIn("ofed", "2")])
    root.apt("install", "ofed=1")
    root(["apt-mark", "hold", "ofed"])
    with pytest.raises(PackageError, match=r"nothing was changed: .*Somebody else holds ofed: .*apt-mark unhold"):
        transaction.plan(wanted(NEW), root.manager())
    assert root.installed() == {"ofed": "1 held"}


def test_an_interrupted_installation_is_named_with_its_fix(root: Root) -> None:
    root.offer(release(NEW))
    root.apt("install", "nvidia-driver-550")
    status = root.path / "var/lib/dpkg/status"
    text = status.read_text(encoding="utf-8").replace("install ok installed", "install ok half-configured", 1)
    status.write_text(text, encoding="utf-8")
    with pytest.raises(PackageError, match=r"550.144.03-1 is half configured.*dpkg --configure -a"):
        transaction.plan(wanted(NEW), root.manager())


def test_any_version_will_do_where_none_is_asked_for(root: Root) -> None:
    root.offer([*release(OLD), *release(NEW)])
    root.apt("install", f"nvidia-driver-550={OLD}-1", f"libnvidia-compute-550={OLD}-1")
    bring(root, wanted(None))
    assert root.installed() == {
        "nvidia-driver-550": f"{OLD}-1 held",
        "libnvidia-compute-550": f"{OLD}-1 held",
        "nvidia-fabricmanager-550": f"{NEW}-1 held",
    }


def test_a_set_comes_from_one_vendor_where_it_can(root: Root) -> None:
    """A revision that sorts higher is not taken when the rest of the set has it in another."""
    theirs = release(NEW, revision="-1")
    distribution = StandIn("nvidia-fabricmanager-550", f"{NEW}-5ubuntu1")
    root.offer([*theirs, distribution])
    bring(root, wanted(NEW))
    assert root.installed() == everything(NEW)


def test_a_busy_package_manager_is_waited_for_and_then_named(root: Root) -> None:
    lock = root.path / "var/lib/dpkg/lock-frontend"
    lock.touch()
    holder = """
import fcntl, sys
handle = open(sys.argv[1], "r+b")
fcntl.lockf(handle, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        manager = root.manager()
        manager._lock_timeout_s = 0
        with pytest.raises(PackageError, match="another package manager runs"):
            manager.installed()
        assert other.stdin is not None
        other.stdin.close()
    assert manager.installed() == {}
    with lock.open("r+b") as handle:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_transaction_that_did_something_else_is_an_error(root: Root) -> None:
    """What counts is what is there afterwards, not the exit status."""
    root.offer([*release(OLD), *release(NEW)])
    bring(root, wanted(OLD))

    class Lazy(Root):
        def __call__(self, argv: Sequence[str], timeout_s: float = model.READ_TIMEOUT_S) -> commands.Result:
            if argv[0] == "apt-get" and "--simulate" not in argv:
                return commands.Result(0)
            return super().__call__(argv, timeout_s)

    lazy = Lazy(root.path, root.repository)
    planned = transaction.plan(wanted(NEW), lazy.manager())
    with pytest.raises(PackageError, match=r"not as asked: .*-driver-550 is 550.127.05-1, asked for is 550.144.03"):
        transaction.carry_out(wanted(NEW), lazy.manager(), planned)
    assert root.installed() == everything(OLD)
