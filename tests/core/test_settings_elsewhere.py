"""Settings on their way to another machine."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from studio.core import settings as module
from studio.core.settings import Settings


def test_what_ships_is_looked_for_where_they_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = pickle.dumps(Settings(outputs=Path("/shared/takes"), device="cpu"))
    monkeypatch.setattr(
        module, "_SHIPPED", {"assets": Path("/other/assets"), "presets": Path("/other/presets")}
    )
    arrived = pickle.loads(sent)
    assert arrived.assets == Path("/other/assets")
    assert arrived.presets == Path("/other/presets")
    assert (arrived.outputs, arrived.device, arrived.queue) == (Path("/shared/takes"), "cpu", None)


def test_a_folder_that_was_chosen_stays_so() -> None:
    chosen = Settings(assets=Path("/own/assets"))
    assert pickle.loads(pickle.dumps(chosen)) == chosen
