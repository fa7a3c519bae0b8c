"""Each checkpoint once, none taken from under who uses it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from studio.core.errors import InvalidRequestError
from studio.core.request import ModelChoice
from studio.pipeline.model_cache import ModelCache


class Loader:
    """Makes backends and keeps book of what is loaded."""

    def __init__(self) -> None:
        self.loads: list[str] = []
        self.held: list[str] = []

    def __call__(self, choice: ModelChoice) -> Any:
        name = f"{choice.id} on {choice.device} in {choice.dtype}"
        self.loads.append(name)
        self.held.append(name)
        return SimpleNamespace(name=name, device=choice.device, unload=lambda: self.held.remove(name))


def resolve(choice: ModelChoice) -> ModelChoice:
    usual = {"device": "cpu", "dtype": "bfloat16"}
    return choice.model_copy(update={k: v for k, v in usual.items() if getattr(choice, k) == "auto"})


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def cache(loader: Loader) -> ModelCache:
    return ModelCache(loader, capacity=2, resolve=resolve)


def choose(name: str, **more: str) -> ModelChoice:
    return ModelChoice.model_validate({"id": name, **more})


def test_a_checkpoint_is_one_however_its_device_and_dtype_are_named(
    cache: ModelCache, loader: Loader
) -> None:
    asked = [choose("a"), choose("a", device="cpu"), choose("a", dtype="bfloat16")]
    assert len({id(cache.get(choice)) for choice in asked}) == 1
    assert loader.loads == ["a on cpu in bfloat16"]
    cache.note_work(asked[0], 5.0)
    assert cache.work_mb(asked[1]) == 5.0
    assert all(cache.holds(choice) for choice in asked)
    cache.get(choose("a", dtype="float32"))
    assert len(loader.loads) == 2, "another dtype is another"


def test_what_is_used_stays_however_many_are_wanted(cache: ModelCache, loader: Loader) -> None:
    with cache.lease(choose("a")), cache.lease(choose("b")), cache.lease(choose("c")):
        assert [name[0] for name in loader.held] == ["a", "b", "c"]
    cache.get(choose("d"))
    assert [name[0] for name in loader.held] == ["c", "d"], "then they go, the oldest first"


def test_a_used_one_is_passed_over(cache: ModelCache, loader: Loader) -> None:
    with cache.lease(choose("a")):
        cache.get(choose("b"))
        cache.get(choose("c"))
        assert [name[0] for name in loader.held] == ["a", "c"]


def test_nothing_is_unloaded_under_anybody(cache: ModelCache, loader: Loader) -> None:
    asked = []
    with cache.lease(choose("a")):
        with cache.lease(choose("a")):
            pass
        with pytest.raises(InvalidRequestError, match="stop it"):
            cache.unload(lambda: asked.append("drafts"))
        assert loader.held
        assert not asked
    cache.unload(lambda: asked.append("drafts"))
    assert not loader.held
    assert asked == ["drafts"]


def test_a_load_that_fails_is_no_lease(loader: Loader) -> None:
    def create(choice: ModelChoice) -> Any:
        if not loader.loads:
            loader.loads.append("failed")
            raise MemoryError
        return loader(choice)

    cache = ModelCache(create)
    with pytest.raises(MemoryError), cache.lease(choose("a")):
        pass
    assert cache.unload() >= 0
    assert cache.get(choose("a")).name


def test_what_others_let_go_of_is_counted(cache: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    held = {"bytes": 900}
    monkeypatch.setattr("studio.pipeline.model_cache._held_bytes", lambda devices: held["bytes"])
    assert cache.unload(lambda: held.update(bytes=200)) == 700
