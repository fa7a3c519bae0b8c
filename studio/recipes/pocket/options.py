"""What the stages of the pocket models have in common: folders, numbers of clips and steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studio.recipes.references import sonic_pi
from studio.recipes.speech.voices import Voice, both_voices
from studio.recipes.text.phrases import dictionary
from studio.recipes.text.sentence_encoder import MiniLm, SentenceEncoder
from studio.training.loop import LoopOptions

STEPS: Mapping[str, int] = {
    "vae": 1800, "vocoder": 8700, "clap_audio": 700, "clap_head": 1000, "clap_text": 19000,
    "clap_scenes": 25500, "unet": 49000, "guidance": 8000, "judge": 3000, "t5": 9000, "audioldm2": 12000,
    "encodec": 4000, "audiogen": 2500, "tango": 1700, "dcldm": 2950,
    "ldm_ag": 2950, "ldm_ag_vae": 2950,
    "extension": 1500, "voice_content": 6400, "voice_tower": 1200, "voice_listener": 700, "voiceldm": 10000,
    "voice_vocoder": 6800,
}  # fmt: skip
FEWEST_CLIPS = 64  # however small the scale
FIRST_STATE = "began.json"


@dataclass(frozen=True)
class Amounts:
    """How much the recipes render, read and draft; `clip_s` is the length of a clip and of a draft."""

    clips: int = 2800
    scenes: int = 2000
    classifier_clips: int = 1120
    classifier_scenes: int = 1680
    phrases: int = 50_000  # what the towers read besides captions
    drafted_clips: int = 1280
    sentences: int = 4000  # that each voice reads aloud
    spoken_clips: int = 300  # that the voices' vocoder hears
    wide_clips: int = 480  # at 48 kHz, of 4 s
    clip_s: float = 10.0


@dataclass(frozen=True)
class PocketOptions:
    """`runs` holds corpora and resumable states (outside git); `out` is `assets/pocket`.

    `scale` stretches every recipe's steps: more for better weights, less to try the path. What knows English,
    and who speaks it, are asked only by the stages that need them.
    """

    runs: Path
    out: Path
    device: str = "cpu"
    max_minutes: float | None = None
    scale: float = 1.0
    amounts: Amounts = field(default_factory=Amounts)
    sentence_encoder: Callable[[], SentenceEncoder] = MiniLm
    dictionary: Callable[[], list[str]] = dictionary
    voices: Callable[[], Sequence[Voice]] = both_voices
    recordings: Callable[[], Sequence[Path]] = sonic_pi

    def loop(self, recipe: str, folder: str = "") -> LoopOptions:
        return LoopOptions(self.runs / (folder or recipe), self.steps(recipe), max_minutes=self.max_minutes)

    def steps(self, recipe: str) -> int:
        return max(1, round(STEPS[recipe] * self.scale))

    def clips(self, count: int) -> int:
        return max(min(count, FEWEST_CLIPS), round(count * min(1.0, self.scale)))

    @property
    def audioldm(self) -> Path:
        return self.out / "audioldm"

    @property
    def audioldm2(self) -> Path:
        return self.out / "audioldm2"

    @property
    def tango(self) -> Path:
        return self.out / "tango"

    @property
    def dcldm(self) -> Path:
        return self.out / "dcldm"

    @property
    def voiceldm(self) -> Path:
        return self.out / "voiceldm"

    @property
    def audiogen(self) -> Path:
        return self.out / "audiogen"

    @property
    def extension(self) -> Path:
        """The extension to 48 kHz, of every model with AudioLDM's log-mel."""
        return self.out / "extension"

    @property
    def t5(self) -> Path:
        """Encoder and tokenizer, where audiocraft looks for them; AudioLDM2 and TANGO read them there too."""
        return self.audiogen / "t5"

    def begin_with(self, recipe: str, folder: Path) -> Path | None:
        """A shipped part that a run goes on from; None for a run that began, or begins, from nothing.

        A run is noted when it begins: what it writes when its time is up is no reason for it to go on
        otherwise than it began.
        """
        note = self.runs / recipe / FIRST_STATE
        if not note.exists():
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(json.dumps({"from_shipped": (folder / "config.json").exists()}) + "\n")
        begun = json.loads(note.read_text())["from_shipped"]
        return folder if begun and (folder / "config.json").exists() else None
