"""LAION's own file of a CLAP → transformers' `ClapModel`: the same network under other names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from studio.backends.boundary import weights_errors
from studio.core.errors import WeightsError
from studio.evaluation.embedders.weights import read_state

REPOSITORY = "lukewys/laion_clap"
FILE = "music_speech_audioset_epoch_15_esc_89.98.pt"
_UNUSED = (
    "audio_branch.spectrogram_extractor.", "audio_branch.logmel_extractor.", "audio_branch.tscam_conv.",
    "audio_branch.head.", "audio_transform.", "text_transform.",
)  # fmt: skip
_AUDIO = {
    ".norm1.": ".layernorm_before.",
    ".norm2.": ".layernorm_after.",
    ".attn.proj.": ".attention.output.dense.",
    ".attn.": ".attention.self.",
    ".mlp.fc1.": ".intermediate.dense.",
    ".mlp.fc2.": ".output.dense.",
    "audio_branch.bn0.": "audio_branch.batch_norm.",
}
_PARTS = {"audio_branch.": "audio_model.audio_encoder.", "text_branch.": "text_model."}
_COMPUTED = ("position_ids", "token_type_ids", "relative_position_index")  # buffers, of the sizes alone
_HEAD = 64  # a head's width in RoBERTa
_ROBERTA_EPSILON = 1e-5  # of its norms; no shape tells it


def load_laion(path: Path) -> Any:
    """The `ClapModel` of LAION's file, of whichever size, on the CPU.

    Raises:
        WeightsError: it is damaged, fused, or no CLAP's.
    """
    from transformers import ClapModel

    state = {name.removeprefix("module."): value for name, value in read_state(path, ("state_dict",)).items()}
    if any("mel_conv2d" in name or "fusion_model" in name for name in state):
        raise WeightsError(f"{path.name} is a fused CLAP's: take clap-fused, with laion/clap-htsat-fused.")
    with weights_errors(path.name, lambda _: "it is no CLAP in LAION's layout"):
        model = ClapModel(config_of(state))
        given = renamed(state)
        wanted = model.state_dict()
        for name, value in wanted.items():
            if name not in given and not name.endswith(_COMPUTED):
                raise WeightsError(f"{path.name} is not CLAP's: it has no {name}; give LAION's own file.")
            if name in given and given[name].shape != value.shape:
                raise WeightsError(f"{path.name} is not CLAP's: {name} has another shape; give LAION's file.")
        model.load_state_dict({**wanted, **{name: given[name] for name in wanted if name in given}})
    return model.float().eval().requires_grad_(False)


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """LAION's tensors under transformers' names; queries, keys and values apart."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.startswith(_UNUSED) or name.endswith("attn_mask"):
            continue
        if name.startswith("audio_branch."):
            for theirs, ours in _AUDIO.items():
                name = name.replace(theirs, ours)
        name = re.sub(r"_projection\.([02])\.", lambda at: f"_projection.linear{int(at[1]) // 2 + 1}.", name)
        for theirs, ours in _PARTS.items():
            if name.startswith(theirs):
                name = ours + name.removeprefix(theirs)
        if ".qkv." in name:
            for part, rows in zip(("query", "key", "value"), value.chunk(3), strict=True):
                found[name.replace(".qkv.", f".{part}.")] = rows
        else:
            found[name] = value
    return found


def config_of(state: Mapping[str, Tensor]) -> Any:
    """The sizes that a state's shapes tell. Raises `KeyError` and the like where it is no CLAP's."""
    from transformers import ClapConfig

    width, words = (
        state["audio_branch.patch_embed.proj.weight"].shape[0],
        state["text_branch.embeddings.word_embeddings.weight"],
    )
    levels = _count(state, r"audio_branch\.layers\.(\d+)\.")
    depths = [_count(state, rf"audio_branch\.layers\.{i}\.blocks\.(\d+)\.") for i in range(levels)]
    table = "audio_branch.layers.{}.blocks.0.attn.relative_position_bias_table"
    heads = [int(state[table.format(i)].shape[1]) for i in range(levels)]
    joint = int(state["audio_projection.2.weight"].shape[0])
    audio = {
        "patch_embeds_hidden_size": int(width), "hidden_size": int(width) * 2 ** (levels - 1),
        "depths": depths, "num_attention_heads": heads, "num_hidden_layers": levels,
        "window_size": (round(state[table.format(0)].shape[0] ** 0.5) + 1) // 2, "projection_dim": joint,
    }  # fmt: skip
    text = {
        "vocab_size": int(words.shape[0]), "hidden_size": int(words.shape[1]),
        "num_hidden_layers": _count(state, r"text_branch\.encoder\.layer\.(\d+)\."),
        "num_attention_heads": max(1, int(words.shape[1]) // _HEAD),
        "intermediate_size": int(state["text_branch.encoder.layer.0.intermediate.dense.weight"].shape[0]),
        "max_position_embeddings": int(state["text_branch.embeddings.position_embeddings.weight"].shape[0]),
        "type_vocab_size": int(state["text_branch.embeddings.token_type_embeddings.weight"].shape[0]),
        "projection_dim": joint, "layer_norm_eps": _ROBERTA_EPSILON,
    }  # fmt: skip
    return ClapConfig(text_config=text, audio_config=audio, projection_dim=joint)


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    numbers = [int(found[1]) for name in state if (found := re.match(pattern, name))]
    return max(numbers) + 1
