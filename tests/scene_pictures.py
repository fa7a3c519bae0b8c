"""The pictures of the scenes that ship, drawn from their mixes.

    python -m tests.scene_pictures MIXES OUTPUTS

MIXES holds a sound for each scene, as `longwave mix NAME --outputs OUTPUTS --out MIXES/NAME.flac` makes it.
A picture is the mix's spectrogram, and below it a bar for each layer where it is heard.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from studio.core.scene import SCENES
from studio.core.settings import Settings
from studio.dsp.spectrogram import columns_png
from studio.service.layers.mix import Mix
from studio.service.layers.scenes import find_scene
from studio.service.layers.takes import Takes, found_all
from studio.service.takes.library import Library, picture_of

WIDTH, HEIGHT, LANE, GAP = 480, 192, 7, 3
DARK, COLOURS = (13, 8, 26), ((252, 165, 94), (240, 96, 93), (183, 55, 121), (122, 88, 214), (86, 156, 224))


def draw(sound: Path, outputs: Path) -> Image.Image:
    """A mix's picture; its takes lie in `outputs`."""
    scene = find_scene(str(sound), Settings().presets)
    image = Image.new("RGB", (WIDTH, HEIGHT), DARK)
    lanes = len(scene.layers) * (LANE + GAP) + 2 * GAP
    columns = picture_of(sound, WIDTH)
    bright = np.clip(columns.astype(np.float32) * 1.15, 0, 255).astype(np.uint8)
    spectrogram = Image.open(BytesIO(columns_png(bright))).convert("RGB")
    image.paste(spectrogram.resize((WIDTH, HEIGHT - lanes), Image.Resampling.BICUBIC), (0, 0))
    pen = ImageDraw.Draw(image)
    with Mix(scene, found_all(scene, Takes(Library(outputs)).find)) as mix:
        for index, layer in enumerate(mix.layers):
            left, right = (round(WIDTH * place / mix.frames) for place in (layer.offset, layer.end))
            top = HEIGHT - lanes + 2 * GAP + index * (LANE + GAP)
            colour = COLOURS[index % len(COLOURS)]
            pen.rounded_rectangle((left, top, max(right - 2, left + 4), top + LANE - 1), 3, fill=colour)
            for turn in range(layer.offset + layer.once, layer.end, max(1, layer.once)):
                place = round(WIDTH * turn / mix.frames)
                pen.line((place, top, place, top + LANE - 1), fill=DARK, width=2)
    return image


def main(mixes: Path, outputs: Path) -> None:
    for sound in sorted(mixes.glob("*.flac")):
        draw(sound, outputs).save(Settings().presets / SCENES / f"{sound.stem}.webp", quality=82, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
