"""The fitted efficiencies against published services: how well they foretell, and that no bound is ever passed."""

from __future__ import annotations

import importlib.util
import math
import statistics
import sys
from dataclasses import astuple, fields, replace
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.performance.calibration import FITTED, Efficiency


def _script() -> ModuleType:
    path = Path(__file__).resolve().parents[3] / "scripts/calibrate.py"
    spec = importlib.util.spec_from_file_location("calibrate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibrate"] = module
    spec.loader.exec_module(module)
    return module


calibrate = _script()
POINTS = calibrate.read_points()
PREPARED = calibrate.prepare(POINTS)


def test_every_published_row_is_used() -> None:
    assert len(POINTS) == 23
    assert {point.name for point in POINTS if not point.complete} == {"T02", "T55", "T66"}


@pytest.mark.parametrize("point", POINTS, ids=[point.name for point in POINTS])
def test_the_bound_is_never_below_what_was_measured(point: object) -> None:
    bound = point.tokens_s(lambda terms: terms.bound_s)  # type: ignore[attr-defined]
    assert math.isfinite(bound)
    assert bound >= point.measured  # type: ignore[attr-defined]


def test_there_are_few_fitted_numbers() -> None:
    assert len(fields(Efficiency)) <= 6
    assert all(value > 0 for value in astuple(FITTED))
    assert FITTED.hbm <= 1
    assert FITTED.compute <= 1


def test_the_numbers_in_place_are_the_fitted_ones() -> None:
    """A refit from them gains next to nothing."""
    order = calibrate.orderings(POINTS)
    fitted = calibrate.fit(PREPARED, order, rounds=1500)
    in_place = calibrate._loss(PREPARED, order, FITTED)
    assert in_place <= calibrate._loss(PREPARED, order, fitted) * 1.03


def test_points_left_out_of_the_fit_are_foretold() -> None:
    found = calibrate.leave_one_out(PREPARED, calibrate.orderings(POINTS), rounds=1200)
    assert len(found) == len(PREPARED) == 20
    assert statistics.median(abs(error) for error in found.values()) <= 0.25


def test_rows_that_state_everything_themselves_are_foretold_as_well() -> None:
    """Without those that have their lengths from another row of their series."""
    own = [item for item in PREPARED if item[0].name not in ("T13", "T15", "T16")]
    errors = [abs(calibrate.foretell(item, FITTED) / item[0].measured - 1) for item in own]
    assert statistics.median(errors) <= 0.25


@pytest.mark.parametrize(("sequences", "faster"), [(32.0, "T15"), (8.0, "T16")])
def test_published_orderings_hold(sequences: float, faster: str) -> None:
    """On H20 EP=16 (T15) is ahead at 32 sequences a device, EP=32 (T16) at 8."""
    by_name = {point.name: replace(point, sequences=sequences) for point in POINTS if point.name in ("T15", "T16")}
    likely = {name: point.tokens_s(lambda terms: terms.likely_s(FITTED)) for name, point in by_name.items()}
    assert max(likely, key=likely.__getitem__) == faster
