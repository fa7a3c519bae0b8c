"""Getting a checkpoint from the Hub: told before, stopped and gone on with at will, checked behind.

The Hub's own library lists the files and keeps the cache. The files are fetched here, since it throws away
what came of one before a break.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from studio.backends import checkpoint
from studio.backends.companions import COMPANIONS, SMALL, Companion, needed
from studio.core.errors import ModelNotFoundError, OutOfResourcesError, StudioError, WeightsError

OnBytes = Callable[[int, int], None]
"""Told (bytes here, bytes in all); may raise to stop, and the next download goes on from there."""

_PART = ".part"  # of a file that is not here as a whole yet
_CHUNK = 1 << 20
_TIMEOUT_S = 30.0
_PASSING = (408, 429, 500, 502, 503, 504)  # answers that may be others in a while
_PARTIAL = 206
_TRIES, _MOST_WAIT_S = 5, 60.0
_SPARE_BYTES = 64 << 20  # that stay free on the disk


@dataclass(frozen=True)
class HubFile:
    """A file to be got. `digest` is the Hub's own: SHA-256 for large files, git's SHA-1 for the others."""

    repository: str
    revision: str
    name: str
    size: int
    digest: str

    @property
    def blob(self) -> Path:
        """Where the Hub's library keeps its content."""
        from huggingface_hub import constants
        from huggingface_hub.file_download import repo_folder_name

        folder = repo_folder_name(repo_id=self.repository, repo_type="model")
        return Path(constants.HF_HUB_CACHE) / folder / "blobs" / self.digest

    @property
    def part(self) -> Path:
        """Where what has come of it waits for the rest."""
        return self.blob.with_name(self.digest + _PART)

    @property
    def here(self) -> int:
        """How many of its bytes have come already."""
        for place in (self.blob, self.part):
            if place.is_file():
                return min(self.size, place.stat().st_size)
        return 0


@dataclass(frozen=True)
class Plan:
    """What getting a model takes."""

    model_id: str
    files: tuple[HubFile, ...]
    licence: str

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)

    @property
    def here(self) -> int:
        """Bytes of them that have come already."""
        return sum(file.here for file in self.files)

    @property
    def free(self) -> int:
        """Bytes that the disk of the Hub's cache has left."""
        from huggingface_hub import constants

        place = Path(constants.HF_HUB_CACHE).absolute()
        while not place.exists():
            place = place.parent
        return shutil.disk_usage(place).free

    def require_room(self) -> None:
        """Raise `OutOfResourcesError` where the disk can't take the rest."""
        wanted = self.size - self.here + _SPARE_BYTES
        if self.free < wanted:
            raise OutOfResourcesError(
                f"{self.model_id} needs {wanted / 1e9:.1f} GB more and the disk has {self.free / 1e9:.1f} GB "
                "left: make room, or let HF_HOME name a folder on another disk."
            )


def plan(model_id: str, licence: str = "") -> Plan:
    """Ask the Hub what getting a model takes: its needed files alone, safetensors rather than pickles.

    Raises:
        ModelNotFoundError: there is no such model, it is not open to this user, or the Hub can't be reached.
        WeightsError: what is there is no model that the studio knows.
    """
    with hub_errors(model_id):
        files, said = _listed(Companion(model_id, ()))
        if all(file.name.endswith(SMALL) for file in files):
            raise WeightsError(f"{model_id} holds no weights that the studio knows; choose another model.")
        beside = [file for companion in COMPANIONS.get(model_id, ()) for file in _listed(companion)[0]]
    licence = licence or said
    if licence.lower() != said.lower():
        licence += f" (its page states: {said})"
    return Plan(model_id, (*files, *beside), licence)


def companion_folder(companion: Companion) -> Path:
    """Where a repository that checkpoints need lies in the Hub's cache: got now, if it was not yet.

    Raises as `plan` and `download`.
    """
    if here := companion.place():
        return here
    with hub_errors(companion.repository):
        files, licence = _listed(companion)
    return _get(Plan(companion.repository, tuple(files), licence), lambda here, total: None)


def _listed(companion: Companion) -> tuple[list[HubFile], str]:
    """What is needed of a repository, and the licence that its card states."""
    from huggingface_hub import HfApi

    about = HfApi().model_info(companion.repository, files_metadata=True, timeout=30)
    siblings = {file.rfilename: file for file in about.siblings or ()}
    files = [
        _hub_file(companion.repository, str(about.sha), name, siblings[name])
        for name in needed(list(siblings))
        if companion.takes(name)
    ]
    return files, str(getattr(about.card_data, "license", None) or "not stated")


def download(wanted: Plan, on_bytes: OnBytes = lambda here, total: None) -> Path:
    """Get what a plan names into the Hub's cache; the model's folder there.

    What came before a break or a stop is kept and gone on with. Each file is checked by the Hub's digest.

    Raises:
        ModelNotFoundError: as `plan`.
        WeightsError: a file came damaged, or all came and it is no whole checkpoint.
        OutOfResourcesError: the disk is full; what has come is kept.
        Exception: what `on_bytes` raises.
    """
    folder = _get(wanted, on_bytes)
    checkpoint.require(folder)
    return folder


def _get(wanted: Plan, on_bytes: OnBytes) -> Path:
    """As `download`, of what is no checkpoint by itself."""
    from huggingface_hub import snapshot_download

    wanted.require_room()
    done = 0
    for file in wanted.files:
        _fetch(file, partial(_tell, on_bytes, done, wanted.size))
        done += file.size
    folders = {}
    with hub_errors(wanted.model_id):
        for repository in dict.fromkeys(file.repository for file in wanted.files):
            names = [file.name for file in wanted.files if file.repository == repository]
            folders[repository] = Path(
                snapshot_download(repository, allow_patterns=names, tqdm_class=_silent())
            )
    return folders[wanted.model_id]


@contextmanager
def hub_errors(model_id: str) -> Iterator[None]:
    """Turn what the Hub's library raises into a sentence.

    Raises:
        ModelNotFoundError: the Hub said no, or can't be reached.
        OutOfResourcesError: the disk is full.
    """
    from huggingface_hub.errors import HFValidationError, HTTPError, LocalEntryNotFoundError

    try:
        yield
    except StudioError:
        raise
    except (HFValidationError, LocalEntryNotFoundError, HTTPError, OSError) as error:
        if getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}:
            raise OutOfResourcesError(
                f"The disk is full: make room and get {model_id} again, which goes on from here."
            ) from error
        raise ModelNotFoundError(_sentence(model_id, error)) from error


def _sentence(model_id: str, error: BaseException) -> str:
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    response = getattr(error, "response", None)
    status = getattr(response, "status_code", 0)
    token = "give a token by HF_TOKEN or `hf auth login`"
    if isinstance(error, GatedRepoError):
        return f"{model_id} asks for consent: agree to its terms on its page on the Hub, then {token}."
    if status == 401:
        return f"The Hub knows no model {model_id} that is open to everybody: see to its name, or {token}."
    if isinstance(error, RepositoryNotFoundError | HFValidationError) or status == 404:
        return f"There is no model '{model_id}', neither here nor on the Hub; see 'longwave models list'."
    if status == 403:
        return f"The Hub does not let this account get {model_id}: ask for access on its page there."
    if status == 429:
        after = str(response.headers.get("Retry-After", "")) if response is not None else ""
        when = f"in {after} seconds" if after.isdigit() else "in some minutes"
        return f"The Hub is asked too often from here: try again {when}, or {token}."
    if status:
        return f"The Hub answers with error {status}: try again later; what has come is kept."
    return (
        f"The model '{model_id}' is not here and the Hub can't be reached; "
        "connect to the internet, or give a folder that holds it."
    )


def _tell(on_bytes: OnBytes, before: int, total: int, here: int) -> None:
    on_bytes(before + here, total)


def _fetch(file: HubFile, on_bytes: Callable[[int], None]) -> None:
    """One file's content into the Hub's cache, going on from what is there."""
    if file.blob.is_file() and file.blob.stat().st_size == file.size:
        on_bytes(file.size)
        return
    with hub_errors(file.repository):
        file.part.parent.mkdir(parents=True, exist_ok=True)
        if file.here > file.size - 1:  # whole, or more than that: the digest tells
            on_bytes(file.here)
        else:
            _patiently(file, on_bytes)
    if _digest(file) != file.digest:
        file.part.unlink()
        raise WeightsError(f"{file.name} of {file.repository} came damaged: get the model again.")
    os.replace(file.part, file.blob)


def _patiently(file: HubFile, on_bytes: Callable[[int], None]) -> None:
    """Take the rest of a file, however often the line breaks, as long as some of it comes at each try."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    tries = 0
    while True:
        begun = file.here
        try:
            _rest(file, on_bytes)
            return
        except (HTTPError, OSError) as error:
            status = error.response.status_code if isinstance(error, HfHubHTTPError) else 0
            passing = status in _PASSING if status else isinstance(error, HTTPError)
            tries = 1 if file.here > begun else tries + 1
            if not passing or tries >= _TRIES:
                raise
            _wait(_asked_to_wait(error) or 2.0**tries, lambda: on_bytes(file.here))


def _rest(file: HubFile, on_bytes: Callable[[int], None]) -> None:
    """Ask for what is missing of a file and write it down as it comes."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    url = hf_hub_url(file.repository, file.name, revision=file.revision)
    location = get_hf_file_metadata(url, timeout=_TIMEOUT_S).location
    # A store elsewhere has its own permission in the address, and is not to see the user's token.
    own = urlsplit(location).netloc == urlsplit(url).netloc
    begun = file.here
    headers = {**build_hf_headers(token=None if own else False), "Accept-Encoding": "identity"}
    if begun:
        headers["Range"] = f"bytes={begun}-"
    with get_session().stream("GET", location, headers=headers, timeout=_TIMEOUT_S) as answer:
        hf_raise_for_status(answer)
        begun = begun if answer.status_code == _PARTIAL else 0  # it may not know how to go on
        with file.part.open("r+b" if begun else "wb") as stream:
            stream.seek(begun)
            for chunk in answer.iter_bytes():
                if begun + len(chunk) > file.size:
                    return  # more than there is: the digest will not fit either
                stream.write(chunk)
                stream.flush()
                begun += len(chunk)
                on_bytes(begun)


def _asked_to_wait(error: BaseException) -> float:
    """The seconds that the Hub asks to be left alone, as far as one may be kept waiting; 0 if it doesn't."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    said = str(headers.get("Retry-After", ""))
    return min(float(said), _MOST_WAIT_S) if said.isdigit() else 0.0


def _wait(seconds: float, on_bytes: Callable[[], None]) -> None:
    """Wait, asking now and then whether to stop."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        on_bytes()
        time.sleep(min(left, 0.5))


def _digest(file: HubFile) -> str:
    """What the Hub calls a content of this kind."""
    large = len(file.digest) == 64
    digest = hashlib.sha256() if large else hashlib.sha1(b"blob %d\0" % file.part.stat().st_size)
    with file.part.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _hub_file(repository: str, revision: str, name: str, about: Any) -> HubFile:
    digest = str(about.lfs.sha256 if about.lfs else about.blob_id)
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", digest) or not isinstance(about.size, int):
        raise ModelNotFoundError(f"The Hub does not say what {repository} consists of: try again later.")
    return HubFile(repository, revision, name, about.size, digest)


def _silent() -> Any:
    """A progress bar that shows nothing: progress is told in the studio's own words."""
    from huggingface_hub.utils import tqdm

    class Silent(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})

    return Silent
