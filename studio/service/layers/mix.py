"""The mix of a scene: all of its layers added up, block by block, at any length in the same memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType

import numpy as np

from studio.core.errors import InvalidRequestError
from studio.core.scene import MAX_SCENE_S, Scene
from studio.dsp.layers import factor, pan_matrix, placed
from studio.service.layers.sounds import Found, Laid, Samples, TakeSound

BLOCK_FRAMES = 1 << 16
CHANNELS = 2


class Mix:
    """A scene whose takes are there, open to be read from any sample on. Use it as a context."""

    def __init__(self, scene: Scene, found: Sequence[Found]) -> None:
        """`found` are the takes of its layers, in their order.

        Raises:
            InvalidRequestError: a sound that can't be read, a span outside of its take, a scene too long.
        """
        self.scene = scene
        self._sounds: list[TakeSound] = []
        try:
            for one in found:
                self._sounds.append(TakeSound(one))
            self.rate = scene.rate or max(sound.sample_rate for sound in self._sounds)
            laid = [
                Laid(layer, sound, self.rate, number)
                for number, (layer, sound) in enumerate(zip(scene.layers, self._sounds, strict=True), 1)
            ]
            self.frames = _frames(scene, laid, self.rate)
        except BaseException:
            self.close()
            raise
        self.layers = [one.until(self.frames) for one in laid]
        self._placing = [
            (factor(one.layer.gain_db), pan_matrix(one.layer.pan, one.channels)) for one in self.layers
        ]

    def __enter__(self) -> Mix:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for sound in self._sounds:
            sound.close()

    def stem(self, index: int, first: int, count: int) -> Samples:
        """Samples [count, 2] of a layer as it is in the mix, from `first` on, whether it is heard or not."""
        return placed(self.layers[index].read(first, count), *self._placing[index])

    def read(self, first: int, count: int) -> Samples:
        """Samples [count, 2] of the mix from `first` on, before anything limits them: its stems, added up in
        their order.
        """
        mixed = np.zeros((count, CHANNELS), np.float32)
        for index in self.heard:
            mixed += self.stem(index, first, count)
        return mixed

    @property
    def heard(self) -> list[int]:
        """The layers that are heard, by their places."""
        return [index for index, audible in enumerate(self.scene.audible) if audible]

    def blocks(self, stem: int | None = None) -> Iterator[Samples]:
        """The mix, or one stem of it, from its beginning to its end."""
        for first in range(0, self.frames, BLOCK_FRAMES):
            count = min(BLOCK_FRAMES, self.frames - first)
            yield self.read(first, count) if stem is None else self.stem(stem, first, count)


def _frames(scene: Scene, laid: Sequence[Laid], rate: int) -> int:
    if scene.length_s is not None:
        return max(1, round(scene.length_s * rate))
    ending = [one for one in laid if not one.layer.loop] or laid
    frames = max(one.end for one in ending)
    if frames > MAX_SCENE_S * rate:
        raise InvalidRequestError(
            f"This scene is longer than {MAX_SCENE_S / 3600:g} hours: give it a length, or shorten a layer."
        )
    return frames
