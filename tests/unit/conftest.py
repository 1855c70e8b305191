"""Settings of every unit test."""

from __future__ import annotations

import os

from hypothesis import settings

# The machines that run these are shared: how long one example takes says nothing. Where nobody looks for new examples
# (CI in the environment), they are the same each time: a run that fails is then the change's doing.
settings.register_profile("shared-machine", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("shared-machine")
