"""Recipe 9: the AudioGen language model (Kreuk et al. 2022), by audiocraft's own classes.

It reads our T5's states of a caption and predicts the EnCodec's four codebooks in a delay pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F

from studio.backends.acoustic.audiocraft_shim import import_audiocraft
from studio.backends.acoustic.audiogen import texts_read_from
from studio.core.files import replacing, sweep_parts
from studio.recipes.data.clips import Corpus
from studio.recipes.networks.encodec import CODEBOOKS, CODES
from studio.training.loop import LoopOptions, TrainState, run
from studio.training.precision import mixed_precision

BATCH, CROP_FRAMES = 12, 250
LEARNING_RATE = 1e-3
SEGMENT_S = 10
ENCODE_BATCH = 16

# As audiocraft's own checkpoints hold it; `t5.name` is a folder beside the checkpoint's files.
CONFIG: dict[str, Any] = {
    "lm_model": "transformer_lm",
    "device": "cpu",
    "dtype": "float32",
    "transformer_lm": {
        "dim": 192, "num_heads": 6, "num_layers": 6, "hidden_scale": 4, "n_q": CODEBOOKS, "card": CODES,
        "causal": True, "norm_first": True, "memory_efficient": True, "custom": False, "dropout": 0.0,
        "bias_proj": False, "bias_ff": False, "bias_attn": False, "weight_init": "gaussian",
        "depthwise_init": "current", "zero_bias_init": True,
    },
    "codebooks_pattern": {
        "modeling": "delay",
        "delay": {"delays": list(range(CODEBOOKS)), "flatten_first": 0, "empty_initial": 0},
    },
    "attribute_dropout": {},
    "classifier_free_guidance": {"training_dropout": 0.1, "inference_coef": 3.0},
    "fuser": {"sum": [], "prepend": [], "cross": ["description"], "input_interpolate": []},
    "conditioners": {"description": {"model": "t5", "t5": {"name": "t5", "finetune": False}}},
    "dataset": {"segment_duration": SEGMENT_S},
}  # fmt: skip


def build_language_model(folder: Path, config: dict[str, Any] = CONFIG) -> Any:
    """An audiocraft `LMModel` of that config, whose T5 lies in `folder`.

    Raises:
        ModelNotFoundError: audiocraft is not installed.
    """
    import_audiocraft()
    from audiocraft.models import builders
    from omegaconf import OmegaConf

    with texts_read_from(folder):
        model: Any = builders.get_lm_model(OmegaConf.create(config))
    model.cfg = OmegaConf.create(config)
    return model


@torch.inference_mode()
def encode_corpus(codec: Any, corpus: Corpus, path: Path) -> NDArray[np.uint8]:
    """The tokens of all clips [clips, codebooks, frames]; `path` names the EnCodec that they are of."""
    if path.exists():
        return np.load(path, mmap_mode="r")
    parts = []
    for start in track(range(0, len(corpus), ENCODE_BATCH), "Encoding tokens"):
        samples = np.asarray(corpus.audio[start : start + ENCODE_BATCH], np.float32) / 32767.0
        with mixed_precision("cpu"):
            latents = codec.encoder(torch.from_numpy(samples)[:, None])
        parts.append(codec.quantizer.encode(latents.float()).numpy().astype(np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_parts(path.parent, f"{path.stem}.partial.npy")
    with replacing(path) as file:
        np.save(file, np.concatenate(parts))
    return np.load(path, mmap_mode="r")


def train_audiogen(
    model: Any,
    tokens: NDArray[np.uint8],
    captions: Sequence[Sequence[str]],
    options: LoopOptions,
    device: str = "cpu",
) -> Any:
    """Train on crops of tokens [clips, codebooks, frames] with a caption each; returns the averaged model."""
    from audiocraft.modules.conditioners import ConditioningAttributes

    torch.manual_seed(options.seed)
    model.to(device).train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    state = TrainState(model, {"lm": optimizer}, ema_decay=0.995)
    frames = min(CROP_FRAMES, tokens.shape[2])

    def step(number: int, generator: torch.Generator) -> dict[str, float]:
        clips = torch.randint(len(tokens), (BATCH,), generator=generator).tolist()
        starts = torch.randint(tokens.shape[2] - frames + 1, (BATCH,), generator=generator).tolist()
        which = torch.randint(len(captions[0]), (BATCH,), generator=generator).tolist()
        cut = np.stack([tokens[c, :, s : s + frames] for c, s in zip(clips, starts, strict=True)])
        codes = torch.from_numpy(cut.astype(np.int64)).to(device)
        said = [
            ConditioningAttributes(text={"description": captions[c][w]})
            for c, w in zip(clips, which, strict=True)
        ]
        torch.manual_seed(options.seed + number)  # captions are dropped by the global generator
        with mixed_precision(device):
            output = model.compute_predictions(codes, said)
        loss = cross_entropy(output.logits.float(), codes, output.mask)
        optimizer.zero_grad(set_to_none=True)
        loss.mean().backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        return {f"codebook{k}": value.item() for k, value in enumerate(loss)}

    run(state, step, options, "audiogen")
    return state.ema.eval()


def cross_entropy(logits: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
    """Mean loss of each codebook [K], of logits [B, K, T, card] where mask [B, K, T] says there are any."""
    losses = []
    for k in range(codes.shape[1]):
        live = mask[:, k]  # elsewhere audiocraft's logits are NaN
        losses.append(F.cross_entropy(logits[:, k][live], codes[:, k][live]))
    return torch.stack(losses)
