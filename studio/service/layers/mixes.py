"""The scenes of a studio: their takes looked up and made, their mixes written, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import gettempdir

from studio.core.defaults import DefaultsOf
from studio.core.errors import InvalidRequestError
from studio.core.files import disk_error
from studio.core.scene import Scene
from studio.pipeline.cancel import CancelToken
from studio.service.jobs.errands import Errand, Errands, Stage, Tell
from studio.service.layers.mix import Mix
from studio.service.layers.takes import MakeTake, Takes, found_all, with_takes
from studio.service.layers.write import Mixed, require_zip, write_mix, write_stems
from studio.service.takes.export import checked_suffix
from studio.service.takes.files.coding import AS_IT_IS, Coding
from studio.service.takes.library import Library
from studio.service.takes.naming import free_stem, slug
from studio.service.takes.place import Place, claimed
from studio.service.takes.scratch import Scratch
from studio.service.takes.shelf import id_of

FORMAT = ".flac"
STEMS = "mixes"  # the folder of the ZIPs, below that of takes
GONE = "That mix is not known any more: make it again."
CROWDED = "Mixes are waiting already: stop one, or try again later."
MAKING_SHARE = 0.7  # of the work, where takes are to be made first


class Mixes:
    """Mixes scenes of the Library's takes. Any thread may ask."""

    def __init__(
        self,
        outputs: Path,
        library: Library,
        make: MakeTake,
        defaults_of: DefaultsOf,
        require_place: Callable[[str], None] = lambda client: None,
    ) -> None:
        """`make` makes a request a take, whose id or path it gives; `defaults_of` are what a model's takes
        begin with; `require_place` raises where a client has as much under way as anybody may.
        """
        self._outputs, self._library = outputs, library
        self._make, self._defaults_of, self._require_place = make, defaults_of, require_place
        self._errands: Errands[Mixed | Scene] = Errands("mixes", gone=GONE, crowded=CROWDED)

    def open(self, scene: Scene, *, paths: bool = False) -> Mix:
        """A scene whose takes are all there, to be read; `paths`: they may be named by their paths too.

        Raises:
            InvalidRequestError: one is not there, or the scene can't be laid out with them.
        """
        return Mix(scene, found_all(scene, Takes(self._library, paths=paths).find))

    def missing(self, scene: Scene, *, paths: bool = False) -> list[int]:
        """The places of the layers whose takes are to be made first. Raises as `open`."""
        find = Takes(self._library, paths=paths).find
        return [index for index, layer in enumerate(scene.layers) if find(layer, index + 1) is None]

    def complete(
        self,
        scene: Scene,
        *,
        cancel: CancelToken,
        tell: Tell = lambda stage: None,
        paths: bool = False,
    ) -> Scene:
        """The scene once its takes are there; those that are missing become takes of the Library. Raises as
        `takes.with_takes`.
        """

        find = Takes(self._library, paths=paths).find
        return with_takes(scene, find, self._make, self._defaults_of, cancel, tell)

    def mix(
        self,
        scene: Scene,
        out: Path | None = None,
        *,
        suffix: str = FORMAT,
        coding: Coding = AS_IT_IS,
        stems: Path | bool = False,
        cancel: CancelToken | None = None,
        tell: Tell = lambda stage: None,
        paths: bool = False,
    ) -> Mixed:
        """Make a mix while the caller waits: first the takes that are missing, then its file.

        Args:
            out: exactly this file; None is one of the Library's, of the format that `suffix` names.
            stems: a ZIP of the layers too: at this path, or where the studio keeps those.
            paths: the scene's takes may be named by their paths: for who owns the disk alone.

        Raises:
            CancelledError: `cancel` was set; takes that were made till then stay.
            InvalidRequestError: the scene can't be mixed, or not written there.
            OutOfResourcesError: the disk is full.
            StudioError: a take can't be made.
        """
        cancel = cancel or CancelToken()
        coding.check(checked_suffix(out or Path(f"mix{suffix}")))
        if isinstance(stems, Path):
            require_zip(stems)
        if out is not None and not out.parent.is_dir():
            raise InvalidRequestError(f"There is no folder {out.parent}: choose another, or make it first.")
        claim = claimed(out) if out is not None else None
        try:
            share = MAKING_SHARE if self.missing(scene, paths=paths) else 0.0
            whole = self.complete(scene, cancel=cancel, tell=_part(tell, 0.0, share), paths=paths)
            return self._written(
                whole, self._place(scene, out, suffix), self._stems(scene, stems), coding,
                cancel=cancel, tell=_part(tell, share, 1.0), paths=paths, listed=out is None,
            )  # fmt: skip
        finally:
            if claim is not None:
                claim.release()

    def begin_mix(self, scene: Scene, *, suffix: str, coding: Coding, stems: bool, client: str = "") -> str:
        """Make a mix of the Library's as soon as those before it are made; its id. Raises `StudioError`.

        With all takes that it has to make first it takes one of its `client`'s places.
        """
        coding.check(suffix)

        def work(cancel: CancelToken, tell: Tell) -> Mixed:
            return self.mix(scene, suffix=suffix, coding=coding, stems=stems, cancel=cancel, tell=tell)

        self.missing(scene)  # what is wrong is told at once
        self._require_place(client)
        return self._errands.begin(scene.name, work, client)

    def begin_takes(self, scene: Scene, client: str = "") -> str:
        """Make the takes that a scene lacks; the errand's id. Raises `StudioError`."""

        def work(cancel: CancelToken, tell: Tell) -> Scene:
            return self.complete(scene, cancel=cancel, tell=tell)

        self.missing(scene)
        self._require_place(client)
        return self._errands.begin(scene.name, work, client)

    def look(self, errand_id: str) -> Errand[Mixed | Scene]:
        """How one stands. Raises `InvalidRequestError` for one that is not, or no longer, known."""
        return self._errands.look(errand_id)

    def stop(self, errand_id: str) -> None:
        """End one: of a mix nothing is left. Raises `InvalidRequestError` as `look`."""
        self._errands.stop(errand_id)

    def under_way(self, client: str) -> int:
        """How many of a client's are made or wait."""
        return self._errands.under_way(client)

    def running(self) -> list[Errand[Mixed | Scene]]:
        """Those that are made or wait."""
        return self._errands.running()

    def close(self) -> None:
        """End all of them."""
        self._errands.close()

    def _place(self, scene: Scene, out: Path | None, suffix: str) -> Place:
        if out is not None:
            return Place(out, True)
        now = datetime.now()
        folder = self._outputs / f"{now:%Y-%m-%d}"
        _made_folder(folder)
        stem = free_stem(folder, f"{now:%Y-%m-%d_%H-%M-%S}__mix__{slug(scene.name)}")
        return Place(folder / f"{stem}{suffix}", False)

    def _stems(self, scene: Scene, stems: Path | bool) -> Path | None:
        if isinstance(stems, Path) or not stems:
            return stems or None
        folder = self._outputs / STEMS
        _made_folder(folder)
        return folder / f"{datetime.now():%Y-%m-%d_%H-%M-%S}__{slug(scene.name, 60)}__stems.zip"

    def _written(
        self,
        scene: Scene,
        place: Place,
        stems: Path | None,
        coding: Coding,
        *,
        cancel: CancelToken,
        tell: Tell,
        paths: bool,
        listed: bool,
    ) -> Mixed:
        scratch = _scratch()
        try:
            with self.open(scene, paths=paths) as mix:
                share = 0.5 if stems is not None else 0.0
                if stems is not None:
                    write_stems(mix, stems, scratch.path, cancel, _part(tell, 0.0, share))
                made = write_mix(
                    mix, place, scratch.path, coding=coding, cancel=cancel, tell=_part(tell, share, 1.0)
                )
        except BaseException:
            if stems is not None:
                stems.unlink(missing_ok=True)
            raise
        finally:
            scratch.remove()
        take = id_of(made.path.with_suffix(".json")) if listed else ""
        return replace(made, take=take, stems=stems)


def _made_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, folder) from error


def _scratch() -> Scratch:
    try:
        return Scratch()
    except OSError as error:
        raise disk_error(error, Path(gettempdir()) / "mix") from error


def _part(tell: Tell, begin: float, end: float) -> Tell:
    """What tells of a part of the work, as of all of it."""

    def told(stage: Stage) -> None:
        tell(Stage(begin + (end - begin) * min(stage.share, 1.0), stage.said))

    return told
