"""Getting checkpoints from a Hub on this machine: whole, broken off, damaged, refused."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.backends import catalog
from studio.backends.companions import needed
from studio.backends.hub import download, plan
from studio.core.errors import ModelNotFoundError, OutOfResourcesError, WeightsError
from studio.core.settings import Settings
from tests.backends.fake_hub import FakeHub, serving

ID = "cvssp/audioldm-s-full-v2"
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def hub(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub with one model, with files beside it that nobody needs."""
    folder = shutil.copytree(tiny_folder, tmp_path / "repository")
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"pickled")
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"half")
    (folder / "README.md").write_text("# A model")
    with serving(FakeHub({ID: folder})) as hub:
        point_at(hub.url, tmp_path / "cache", monkeypatch)
        yield hub


def point_at(url: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_ENDPOINT and HF_HUB_CACHE set before the library is imported."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("studio.backends.hub._wait", lambda seconds, on_bytes: on_bytes())
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setenv("HF_TOKEN", "")


def test_a_model_is_told_got_checked_and_found(hub: FakeHub, tmp_path: Path) -> None:
    wanted = plan(ID)
    names = {file.name for file in wanted.files}
    assert WEIGHTS in names
    assert not {name for name in names if name.endswith((".bin", ".md")) or "fp16" in name}
    assert wanted.licence == "cc-by-nc-sa-4.0"
    assert wanted.here == 0 < wanted.size < wanted.free
    told: list[tuple[int, int]] = []
    folder = download(wanted, lambda here, total: told.append((here, total)))
    assert told[-1] == (wanted.size, wanted.size)
    assert [here for here, _ in told] == sorted(here for here, _ in told)
    assert catalog.verify(folder) == []
    assert plan(ID).here == wanted.size
    hub.always = (500, {})  # from here on nothing is asked for
    assert catalog.resolve(ID, Settings(assets=tmp_path), download=False) == folder
    assert catalog.resolve(ID, Settings(assets=tmp_path)) == folder


def test_a_broken_line_is_taken_up_where_it_broke(hub: FakeHub) -> None:
    hub.break_after, hub.breaks = 5000, 3
    folder = download(plan(ID))
    assert catalog.verify(folder) == []
    assert hub.breaks == 0
    assert {span for method, _, span in hub.asked if method == "GET"} > {"", "bytes=5000-"}


def test_what_was_stopped_goes_on_from_there(hub: FakeHub) -> None:
    hub.break_after = 20_000  # so that a large file comes in pieces

    def stop(here: int, total: int) -> None:
        if here > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(plan(ID), stop)
    hub.break_after = None
    again = plan(ID)
    assert again.size // 2 < again.here < again.size
    hub.asked.clear()
    assert catalog.verify(download(again)) == []
    spans = [int(span[6:-1]) for _, _, span in hub.asked if span]
    assert len(spans) == 1
    assert spans[0] > 0


def test_a_line_that_always_breaks_ends_in_a_sentence_and_keeps_what_came(hub: FakeHub) -> None:
    hub.break_after = 0
    with pytest.raises(ModelNotFoundError, match="can't be reached"):
        download(plan(ID))
    hub.break_after = None
    assert catalog.verify(download(plan(ID))) == []


@pytest.mark.parametrize("name", [WEIGHTS, "vae/config.json"])
def test_a_wrong_digest_is_refused_and_not_kept(hub: FakeHub, name: str) -> None:
    hub.damaged = name
    with pytest.raises(WeightsError, match="came damaged"):
        download(plan(ID))
    wanted = next(file for file in plan(ID).files if file.name == name)
    assert wanted.here == 0
    hub.damaged = ""
    assert catalog.verify(download(plan(ID))) == []


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (401, {}, "HF_TOKEN"),
        (401, {"X-Error-Code": "GatedRepo"}, "agree to its terms"),
        (403, {}, "ask for access"),
        (403, {"X-Error-Code": "GatedRepo"}, "agree to its terms"),
        (404, {"X-Error-Code": "RepoNotFound"}, "There is no model"),
        (429, {"Retry-After": "77"}, "in 77 seconds"),
        (429, {}, "in some minutes"),
        (500, {}, "error 500"),
        (503, {}, "error 503"),
    ],
)
@pytest.mark.parametrize("when", ["asking", "getting"])
def test_what_the_hub_refuses_is_one_sentence(
    hub: FakeHub, status: int, headers: dict[str, str], says: str, when: str
) -> None:
    wanted = plan(ID) if when == "getting" else None
    hub.always = (status, headers)
    with pytest.raises(ModelNotFoundError, match=says) as caught:
        download(wanted or plan(ID))
    assert str(caught.value).isprintable()
    assert str(caught.value).endswith(".")


def test_being_asked_to_wait_is_waited_for(hub: FakeHub) -> None:
    wanted = plan(ID)
    hub.refusals = [(429, {"Retry-After": "1"})]
    assert catalog.verify(download(wanted)) == []


def test_a_token_opens_what_asks_for_one(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = "secret"
    with pytest.raises(ModelNotFoundError, match="agree to its terms"):
        plan(ID)
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert catalog.verify(download(plan(ID))) == []


def test_without_a_network_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        point_at(f"http://127.0.0.1:{taken.getsockname()[1]}", tmp_path / "cache", monkeypatch)
        with pytest.raises(ModelNotFoundError, match="can't be reached"):
            catalog.resolve(ID, Settings(assets=tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFoundError, match="can't be reached"):
        catalog.resolve(ID, Settings(assets=tmp_path))


def test_a_full_disk_is_told_before(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    wanted = plan(ID)
    with pytest.raises(OutOfResourcesError, match="make room"):
        download(wanted)
    assert wanted.here == 0


def test_a_disk_that_fills_up_on_the_way_keeps_what_came(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    wanted = plan(ID)
    with monkeypatch.context() as patch:
        patch.setattr("studio.backends.hub._rest", full)
        with pytest.raises(OutOfResourcesError, match="The disk is full"):
            download(wanted)
    assert catalog.verify(download(wanted)) == []


def test_what_is_no_model_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "README.md").write_text("nothing")
    (tmp_path / "texts" / "config.json").write_text("{}")
    hub.repositories["some/texts"] = tmp_path / "texts"
    with pytest.raises(WeightsError, match="no weights"):
        plan("some/texts")


def test_only_what_a_checkpoint_is_opened_from_is_needed() -> None:
    names = [
        "model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/config.json", "vae/diffusion_pytorch_model-00001-of-00002.bin",
        "vae/diffusion_pytorch_model-00002-of-00002.bin", "vae/diffusion_pytorch_model.bin.index.json",
        "tokenizer/merges.txt", "spiece.model", "README.md", "samples/a.wav", "a/b/model.safetensors",
        "../model.safetensors", ".cache/model.safetensors", "flax_model.msgpack", "pytorch_model_main.bin",
        "state_dict.bin", "evil.bin", "script.py",
    ]  # fmt: skip
    assert set(names) - set(needed(names)) == {
        "unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.fp16.safetensors", "README.md",
        "samples/a.wav", "a/b/model.safetensors", "../model.safetensors", ".cache/model.safetensors",
        "flax_model.msgpack", "evil.bin", "script.py",
    }  # fmt: skip


def test_the_command_line_gets_a_model_from_a_mirror(hub: FakeHub, tmp_path: Path) -> None:
    environment = {
        **os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "",
        "HF_HUB_CACHE": str(tmp_path / "cli"), "HF_HUB_OFFLINE": "0",
    }  # fmt: skip
    command = [sys.executable, "-m", "studio.app", "models", "download", ID]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    folder = Path(done.stdout.strip())
    assert catalog.verify(folder) == []
    for word in ("CC-BY-NC-SA-4.0", "free", "MB"):
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    hub.always = (503, {})
    (folder / WEIGHTS).resolve().unlink()
    failed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert len(failed.stderr.strip().splitlines()) == 1, failed.stderr
    assert "error 503" in failed.stderr
