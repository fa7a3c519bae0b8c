"""Getting a model in the background, from a Hub on this machine."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.backends import catalog
from studio.backends.hub import plan
from studio.core.errors import InvalidRequestError, ModelNotFoundError
from studio.core.settings import Settings
from studio.service.downloads import Downloader, DownloadProgress
from tests.backends.fake_hub import FakeHub, serving
from tests.backends.test_hub import ID, point_at

ASSETS = Settings().assets


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    folder = shutil.copytree(ASSETS / "pocket" / "audioldm", tmp_path / "repository")
    shutil.rmtree(folder / "clap")
    with serving(FakeHub({ID: folder})) as hub:
        point_at(hub.url, tmp_path / "cache", monkeypatch)
        yield hub


def test_a_model_is_got_and_then_known(hub: FakeHub) -> None:
    downloader = Downloader(Settings())
    assert downloader.progress is None
    downloader.start(ID)
    downloader.wait(60)
    ended = downloader.progress
    assert ended is not None
    assert ended.ended
    assert "is here and whole" in ended.said
    assert ended.here == ended.total > 0
    assert {model.id: model.installed for model in catalog.list_models(Settings())}[ID]


def test_it_is_stopped_goes_on_and_there_is_one_at_a_time(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held in the middle of a file, so that there is a middle to stop at."""
    half, go_on = threading.Event(), threading.Event()
    tell = Downloader._tell

    def slowly(self: Downloader, here: int, total: int) -> None:
        if here > total // 2:
            half.set()
            go_on.wait(60)
        tell(self, here, total)

    monkeypatch.setattr(Downloader, "_tell", slowly)
    downloader = Downloader(Settings())
    downloader.start(ID)
    assert half.wait(60)
    with pytest.raises(InvalidRequestError, match="Another model"):
        downloader.start(ID)
    assert downloader.progress is not None
    assert 0 < downloader.progress.here < downloader.progress.total
    downloader.stop()
    go_on.set()
    downloader.wait(60)
    assert downloader.progress.ended
    assert downloader.progress.said == "Stopped: what has come is kept."
    monkeypatch.setattr(Downloader, "_tell", tell)
    assert 0 < plan(ID).here < plan(ID).size
    downloader.start(ID)
    downloader.wait(60)
    assert "is here and whole" in downloader.progress.said


def test_what_goes_wrong_on_the_way_is_said(hub: FakeHub, caplog: pytest.LogCaptureFixture) -> None:
    downloader = Downloader(Settings())
    hub.damaged = "unet/diffusion_pytorch_model.safetensors"
    downloader.start(ID)
    downloader.wait(60)
    assert downloader.progress is not None
    assert "came damaged" in downloader.progress.said
    hub.always = (429, {"Retry-After": "9"})
    with pytest.raises(ModelNotFoundError, match="in 9 seconds"):
        downloader.start(ID)


@pytest.mark.parametrize("name", ["evil/repo", "", "pocket/audioldm", "tone", "../x"])
def test_only_the_catalogs_models_are_got(hub: FakeHub, name: str) -> None:
    with pytest.raises(InvalidRequestError, match="listed here"):
        Downloader(Settings()).start(name)
    assert hub.asked == []


def test_the_time_left_is_known_only_where_it_can_be() -> None:
    assert DownloadProgress("a", 50, 100, 10.0).left_s == 5.0
    assert DownloadProgress("a", 50, 100).left_s is None
    assert DownloadProgress("a", 100, 100, 10.0, ended=True).left_s is None
