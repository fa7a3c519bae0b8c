"""A mix as a file: at a loudness, below a ceiling, in any format; its stems; and the record beside it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio import __version__
from studio.core.errors import InvalidRequestError
from studio.core.files import disk_error, replacing_path
from studio.core.preset import SYNTHETIC, FileName, Preset, PromptChange, TakeRecord
from studio.core.request import MAX_PROMPT_CHARS, parse_request
from studio.core.scene import Scene
from studio.core.speech import Said
from studio.dsp.true_peak import TruePeakMeter
from studio.pipeline.cancel import CancelToken
from studio.service.jobs.errands import Stage, Tell
from studio.service.layers.mix import BLOCK_FRAMES, CHANNELS, Mix
from studio.service.layers.sounds import Laid, Samples
from studio.service.layers.takes import record_at
from studio.service.takes.export import checked_suffix, export, with_figures
from studio.service.takes.export_range import ExportRange
from studio.service.takes.files.coding import AS_IT_IS, Coding
from studio.service.takes.files.encode import encode
from studio.service.takes.level import MARGIN_DB, Level, Leveller, Plan
from studio.service.takes.naming import portable, slug
from studio.service.takes.place import Place
from studio.service.takes.record import comment_of
from studio.service.takes.sidecar import write_sidecar

FLOATS = Coding(bits=32)
SCENE_FILE = "scene.json"
LIMITED = "Its peaks were turned down by up to {reduction:.1f} dB, to {ceiling} dBTP."
_MAX_STEM_BYTES = 60


@dataclass(frozen=True)
class Mixed:
    """A mix that was made: its file, its scene with the takes that it has by now, and what is to be said.

    `take` is its id where it lies in the Library; `stems` is their ZIP, where they were asked for; `level` is
    what it came to, where a loudness was asked for.
    """

    path: Path
    scene: Scene
    duration_s: float
    note: str = ""
    take: str = ""
    stems: Path | None = None
    level: Level | None = None


def write_mix(
    mix: Mix,
    place: Place,
    scratch: Path,
    *,
    coding: Coding = AS_IT_IS,
    cancel: CancelToken,
    tell: Tell = lambda stage: None,
) -> Mixed:
    """Write a mix, and beside it the record that names its scene; nothing is there before all of it is.

    Args:
        scratch: a folder of one's own with room for the mix in floats, twice where peaks are limited.

    Raises:
        CancelledError: `cancel` was set.
        InvalidRequestError: it can't be written there, or not so.
        OutOfResourcesError: the disk is full.
    """
    coding.check(checked_suffix(place.final))
    raw = scratch / "mix.wav"
    scene = mix.scene
    try:
        peak = _write_raw(mix, raw, cancel, tell)
        ceiling, note = scene.ceiling_dbtp, ""
        if scene.lufs is None and ceiling is not None and peak > 10 ** (ceiling / 20):
            note = _limit(mix, raw, ceiling, cancel)
        tell(Stage(0.9, "Writing the file"))
        cut = ExportRange(lufs=scene.lufs, ceiling_dbtp=0.0 if ceiling is None else ceiling)
        record = _record(mix, place.final.name)
        done = export(raw, place.final, comment_of(record), cut, coding=coding, check=cancel.check)
        if done.level is not None:
            record = Preset.model_validate_json(with_figures(record.to_json(), done.level.figures))
            note = done.level.sentence
        write_sidecar(place.sidecar(), record, sync=True)
    except OSError as error:
        raise disk_error(error, place.final) from error
    finally:
        raw.unlink(missing_ok=True)
    return Mixed(place.final, scene, mix.frames / mix.rate, note, level=done.level)


def _write_raw(mix: Mix, path: Path, cancel: CancelToken, tell: Tell) -> float:
    """Write the mix as floats, before anything limits it; its true peak."""
    meter = TruePeakMeter(mix.rate, CHANNELS)

    def blocks() -> Iterator[Samples]:
        done = 0
        for block in mix.blocks():
            cancel.check()
            meter.push(block)
            yield block
            done += len(block)
            tell(Stage(0.8 * done / mix.frames, "Mixing"))

    _encode(path, mix.rate, blocks())
    return meter.peak()


def _limit(mix: Mix, raw: Path, ceiling: float, cancel: CancelToken) -> str:
    """Turn the peaks of a mix down to a ceiling, in its file; the sentence on that."""
    import soundfile as sf

    limited = raw.with_name("limited.wav")
    with sf.SoundFile(raw) as sound:

        def read() -> Iterator[NDArray[np.float64]]:
            sound.seek(0)
            for block in sound.blocks(BLOCK_FRAMES, dtype="float64", always_2d=True):
                cancel.check()
                yield block

        leveller = Leveller(read, mix.rate, CHANNELS)
        plan = Plan(0.0, ceiling - MARGIN_DB)
        _encode(limited, mix.rate, (block.astype("float32") for block in leveller.made(plan)))
    os.replace(limited, raw)
    shown = f"{ceiling:g}".replace("-", "−")
    return LIMITED.format(reduction=leveller.reduction_db, ceiling=shown)


def _encode(path: Path, rate: int, blocks: Iterable[Samples], comment: str = "") -> None:
    path.unlink(missing_ok=True)
    encode(path, ".wav", rate, CHANNELS, blocks, comment, coding=FLOATS)


def write_stems(
    mix: Mix, out: Path, scratch: Path, cancel: CancelToken, tell: Tell = lambda stage: None
) -> Path:
    """Write a ZIP of the layers that are heard, each as it is in the mix: WAV of floats, all of one length
    and beginning together, whose sum is the mix before anything limits it; and the scene.

    Raises:
        CancelledError: `cancel` was set; nothing is there then.
        InvalidRequestError: it is no ZIP's name, or can't be written.
        OutOfResourcesError: the disk is full.
    """
    require_zip(out)
    heard = mix.heard
    try:
        with (
            replacing_path(out, sync=True) as partial,
            zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive,
        ):
            for place, index in enumerate(heard):
                tell(Stage(place / max(1, len(heard)), f"Writing stem {place + 1} of {len(heard)}"))
                stem = scratch / "stem.wav"
                _encode(stem, mix.rate, _checked(mix.blocks(index), cancel))
                archive.write(stem, stem_name(mix.layers[index], index))
                stem.unlink()
            archive.writestr(SCENE_FILE, mix.scene.to_json())
    except OSError as error:
        raise disk_error(error, out) from error
    return out


def require_zip(out: Path) -> None:
    """Raise `InvalidRequestError` where stems can't be written to a path."""
    if out.suffix.lower() != ".zip":
        raise InvalidRequestError(f"Stems come as a ZIP: end the name {out.name} in .zip.")
    if out.is_dir() or not out.parent.is_dir():
        raise InvalidRequestError(f"Can't write {out}: choose a file in a folder that is there.")


def stem_name(laid: Laid, index: int) -> str:
    """What a layer's stem is called in the ZIP."""
    name = laid.layer.name or laid.sound.found.name
    return portable(f"{index + 1}_{slug(name, _MAX_STEM_BYTES)}.wav")


def _checked(blocks: Iterator[Samples], cancel: CancelToken) -> Iterator[Samples]:
    for block in blocks:
        cancel.check()
        yield block


def _record(mix: Mix, file: FileName) -> Preset:
    """What is recorded of a mix: its scene, what is said in it, and settings that ask for the like."""
    scene, duration_s = mix.scene, mix.frames / mix.rate
    records = {index: record_at(mix.layers[index].sound.found.path) for index in mix.heard}
    known = [record.settings for record in records.values() if record is not None]
    prompts = dict.fromkeys(str(one.get("prompt") or "") for one in known)
    prompt = " + ".join(filter(None, prompts))[:MAX_PROMPT_CHARS] or scene.name
    request = parse_request(
        prompt=prompt, duration_s=duration_s, seed=0, stereo="wide",
        bandwidth="16k" if mix.rate <= 16000 else "48k", model=next((one["model"] for one in known), {}),
    )  # fmt: skip
    said = [
        one
        for index, record in records.items()
        if record is not None and record.take is not None
        for one in _said(mix.layers[index], record.take.said, duration_s)
    ]
    take = TakeRecord(
        file=file,
        created=datetime.now().isoformat(timespec="milliseconds"),
        version=__version__,
        duration_s=duration_s,
        sample_rate=mix.rate,
        cues=(PromptChange(at_s=0.0, prompt=prompt),),
        said=tuple(sorted(said, key=lambda one: one.start_s)),
        mix=scene,
    )
    voices = any(record is not None and record.description == SYNTHETIC for record in records.values())
    about = " ".join(filter(None, [scene.description, SYNTHETIC if said or voices else ""]))
    return Preset(name=scene.name, description=about, settings=request.model_dump(mode="json"), take=take)


def _said(laid: Laid, said: Iterable[Said], duration_s: float) -> Iterator[Said]:
    """The words of a layer at the mix's times; of one that goes round, of its first time."""
    layer, rate = laid.layer, laid.sound.sample_rate
    stop_s = laid.ring.stop / rate
    for one in said:
        start_s, end_s = (time - layer.start_s + layer.offset_s for time in (one.start_s, one.end_s))
        if layer.start_s <= one.start_s and one.end_s <= stop_s and end_s <= duration_s:
            yield one.model_copy(update={"start_s": start_s, "end_s": end_s})
