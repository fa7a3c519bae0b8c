"""All who make a set have units of one size: whoever comes first says which."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from studio.core.errors import InvalidRequestError
from studio.service.batch.agreed import FILE, agreed_batch


def never() -> int:
    raise AssertionError("it was agreed on before")


def test_the_first_says_it_and_all_others_keep_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "set"
    assert agreed_batch(folder, None, lambda: 4) == 4
    assert agreed_batch(folder, None, never) == 4
    assert agreed_batch(folder, 4, never) == 4
    with pytest.raises(InvalidRequestError, match="made 4 at a time: leave --batch out"):
        agreed_batch(folder, 8, never)
    assert [path.name for path in folder.iterdir()] == [FILE]


@pytest.mark.parametrize("linked", [True, False])
def test_of_many_at_once_all_have_the_same(
    tmp_path: Path, linked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not linked:

        def refuse(*_: object) -> None:
            raise PermissionError("no hard links here")

        monkeypatch.setattr(os, "link", refuse)
    together, found = threading.Barrier(8), list[int]()

    def come(size: int) -> None:
        def best() -> int:
            together.wait()  # all have looked, and nothing was there
            return size

        found.append(agreed_batch(tmp_path, None, best))

    threads = [threading.Thread(target=come, args=(size,)) for size in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = agreed_batch(tmp_path, None, never)
    assert set(found) == {last} if linked else last in found


@pytest.mark.parametrize("text", ["", "[]", '{"batch": 0}', '{"batch": true}', '{"batch": 65}', "\xff"])
def test_what_can_not_be_read_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="latin-1")
    with pytest.raises(InvalidRequestError, match=r"\.batch\.json"):
        agreed_batch(tmp_path, None, never)


def test_a_folder_that_can_not_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRequestError, match="Can't write"):
        agreed_batch(tmp_path / "file" / "set", 2, never)
