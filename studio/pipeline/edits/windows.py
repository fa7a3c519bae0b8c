"""How a bridge of any length is made by windows of a few seconds."""

from __future__ import annotations

from dataclasses import dataclass

KNOWN_FRAMES = 48  # heard on each side
MOST_FRAMES = 160  # unknown in one window: with what is known about as many as these U-Nets were trained on
PIECE_FRAMES = 128


@dataclass(frozen=True)
class Window:
    """Frames [start, stop) of a bridge, made beside `before` and `after` frames that are known by then.

    `spare` frames more are made and dropped, where too little is known to make the length up that the U-Net
    takes: at the end, or at the beginning where only what follows is known.
    """

    start: int
    stop: int
    before: int
    after: int
    spare: int = 0

    @property
    def frames(self) -> int:
        return self.before + self.stop - self.start + self.after + self.spare


def windows(frames: int, left: int, right: int, frame_multiple: int) -> list[Window]:
    """The windows of a bridge of so many frames, in the order in which they are made.

    From the left on, the last leading to what is known at the right; where that alone is known, from there
    back.

    Args:
        frames: of the bridge.
        left: known frames before it.
        right: known frames after it.
        frame_multiple: what a window's length divides by.
    """
    made = []
    if right and not left:
        stop = frames
        for count in _counts(frames):
            made.append(_fitted(stop - count, stop, 0, right + frames - stop, frame_multiple))
            stop -= count
        return made
    start = 0
    for count in _counts(frames):
        stop = start + count
        made.append(_fitted(start, stop, left + start, right if stop == frames else 0, frame_multiple))
        start = stop
    return made


def _counts(frames: int) -> list[int]:
    counts = []
    while frames > MOST_FRAMES:
        counts.append(PIECE_FRAMES)
        frames -= PIECE_FRAMES
    return [*counts, frames]


def _fitted(start: int, stop: int, before: int, after: int, frame_multiple: int) -> Window:
    before, after = min(before, KNOWN_FRAMES), min(after, KNOWN_FRAMES)
    over = (before + stop - start + after) % frame_multiple
    if over <= before + after:
        from_after = min(over, after) if after >= before else over - min(over, before)
        after -= from_after
        before -= over - from_after
        over = 0
    elif before and after:  # next to nothing: heard by neither, so that something can be added at an end
        before = after = 0
    count = before + stop - start + after
    return Window(start, stop, before, after, -count % frame_multiple)
