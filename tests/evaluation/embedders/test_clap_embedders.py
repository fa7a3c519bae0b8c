"""LAION's CLAP by transformers, tiny: from a folder, and from LAION's own file under LAION's own names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

from studio.core.errors import ModelNotFoundError, WeightsError
from studio.evaluation.embedders import clap
from studio.evaluation.embedders.base import knows_classes, reads_text
from studio.evaluation.embedders.clap import spread_windows
from studio.evaluation.embedders.laion import config_of, load_laion, renamed
from studio.evaluation.embedders.registry import load_embedder
from studio.evaluation.metrics.pairs import cosine

ASSETS = Path(__file__).resolve().parents[3] / "assets"
# What LAION's file has none of, or has in one piece with the queries.
LEFT = ("position_ids", "token_type_ids", "key.weight", "key.bias", "value.weight", "value.bias")
WORDS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "r", "a", "i", "n", "w", "d", "Ġ"]


def tiny(fused: bool = False) -> ClapModel:
    torch.manual_seed(0)
    audio = {
        "patch_embeds_hidden_size": 8, "hidden_size": 64, "depths": [2, 1, 1, 1],
        "num_attention_heads": [1, 1, 2, 2],
        "enable_fusion": fused, "fusion_type": "aff_2d" if fused else None,
    }  # fmt: skip
    text = {
        "vocab_size": len(WORDS), "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1,
        "intermediate_size": 16, "layer_norm_eps": 1e-5,
    }  # fmt: skip
    model = ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=6)).eval()
    for name, value in model.named_parameters():
        if name.endswith(("bias", "bias_table")):  # which begin as nothing
            torch.nn.init.normal_(value, std=0.1)
    return model


def write_vocabulary(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(WORDS)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    about = {"tokenizer_class": "RobertaTokenizer", "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta"}))


def sound(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(48000 * seconds)).astype(np.float32)


def as_laion_names(model: ClapModel) -> dict[str, torch.Tensor]:
    """By hand, as LAION's `htsat.py` and `model.py` name their layers."""
    state, found = dict(model.state_dict()), {}
    for name, value in state.items():
        if name.endswith(LEFT) and "text_model.encoder" not in name:
            continue
        if name.startswith("audio_model.audio_encoder."):
            path = name.removeprefix("audio_model.audio_encoder.").split(".")
            place = ".".join(path[:4]) if path[0] == "layers" and path[2] == "blocks" else ""
            rest = name.removeprefix(f"audio_model.audio_encoder.{place}.") if place else ".".join(path)
            if rest.startswith("attention.self.query"):
                stem, kind = name.rsplit("query.", 1)
                value = torch.cat([state[f"{stem}{part}.{kind}"] for part in ("query", "key", "value")])
                rest = f"attn.qkv.{kind}"
            pairs = {
                "layernorm_before": "norm1", "layernorm_after": "norm2", "batch_norm": "bn0",
                "attention.output.dense": "attn.proj", "attention.self": "attn",
                "intermediate.dense": "mlp.fc1", "output.dense": "mlp.fc2",
            }  # fmt: skip
            for ours, theirs in pairs.items():
                if rest.startswith(ours):
                    rest = theirs + rest.removeprefix(ours)
            found["audio_branch." + (f"{place}." if place else "") + rest] = value
        elif name.startswith("text_model."):
            found["text_branch." + name.removeprefix("text_model.")] = value
        else:
            found[name.replace("linear1", "0").replace("linear2", "2")] = value
    return found


def write_laion(path: Path, **more: Any) -> None:
    state = {f"module.{name}": value for name, value in as_laion_names(tiny()).items()}
    state |= {
        "module.audio_branch.layers.0.blocks.1.attn_mask": torch.zeros(2),
        "module.audio_branch.spectrogram_extractor.stft.conv_real.weight": torch.zeros(2),
        "module.audio_branch.head.weight": torch.zeros(2),
        "module.text_transform.sequential.0.weight": torch.zeros(2),
        **more,
    }
    torch.save({"epoch": 15, "best": np.float64(0.9), "state_dict": state}, path)


@pytest.mark.parametrize("fused", [False, True])
def test_a_folder_is_heard_as_transformers_does(tmp_path: Path, fused: bool) -> None:
    model = tiny(fused)
    write_vocabulary(tmp_path)
    model.save_pretrained(tmp_path)
    name = "clap-fused" if fused else "clap"
    ours = load_embedder(name, weights=str(tmp_path), assets=tmp_path)
    assert reads_text(ours)
    assert not knows_classes(ours)
    samples = sound(3.0)
    features = ClapFeatureExtractor(
        frequency_min=50, frequency_max=14000, truncation="fusion" if fused else "rand_trunc"
    )([samples], sampling_rate=48000, return_tensors="pt")
    with torch.inference_mode():
        wanted = model.get_audio_features(
            features.input_features.float(), is_longer=torch.zeros(1, 1, dtype=torch.bool)
        ).pooler_output
    vectors = ours.embed(samples)
    assert vectors.shape == (1, ours.width) == (1, 6)
    assert cosine(vectors, wanted.numpy()) == pytest.approx(1.0, abs=1e-6)
    texts = ours.embed_text(["rain", "wind and rain", "rain"])
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(texts[0], texts[2], atol=1e-6)  # whoever is beside it


def test_laions_file_is_the_same_network(tmp_path: Path) -> None:
    write_laion(tmp_path / "music.pt")
    loaded, model = load_laion(tmp_path / "music.pt"), tiny()
    assert loaded.config.audio_config.depths == [2, 1, 1, 1]
    state = loaded.state_dict()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(state[name], value, msg=name)
    write_vocabulary(tmp_path)
    ours = load_embedder("clap-music", weights=str(tmp_path / "music.pt"), assets=tmp_path)
    assert ours.embed(sound(1.0)).shape == (1, 6)
    assert ours.source == "lukewys/laion_clap"


def test_the_published_sizes_are_told_by_shapes() -> None:
    """HTSAT-base, as LAION's `HTSAT-base.json` and `create_htsat_model` have it, beside RoBERTa-base."""
    audio = {
        "patch_embeds_hidden_size": 128, "hidden_size": 1024, "depths": [2, 2, 12, 2],
        "num_attention_heads": [4, 8, 16, 32],
    }  # fmt: skip
    with torch.device("meta"):
        model = ClapModel(ClapConfig(audio_config=audio))
        config = config_of(as_laion_names(model))
        again = ClapModel(config)
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    assert {name: value.shape for name, value in again.state_dict().items()} == shapes
    assert config.text_config.num_attention_heads == 12
    missing = set(shapes) - set(renamed(as_laion_names(model)))
    assert missing == {"text_model.embeddings.position_ids", "text_model.embeddings.token_type_ids"}


def test_windows_are_spread_over_a_long_clip() -> None:
    samples = np.arange(25.0)
    assert [w[0] for w in spread_windows(samples, 10)] == [0, 15]
    assert [len(w) for w in spread_windows(samples, 10)] == [10, 10]
    assert [len(w) for w in spread_windows(samples[:7], 10)] == [7]


def test_what_is_not_its_weights_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clap.Companion, "place", lambda self: None)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(ModelNotFoundError, match="laion/clap-htsat-unfused, or name a folder"):
        load_embedder("clap", assets=tmp_path)
    with pytest.raises(ModelNotFoundError, match="lukewys/laion_clap"):
        load_embedder("clap-music", assets=tmp_path)
    file = tmp_path / "a.pt"
    write_laion(file)
    with pytest.raises(ModelNotFoundError, match=r"put vocab\.json and merges\.txt"):
        load_embedder("clap-music", weights=str(file), assets=tmp_path)
    write_vocabulary(tmp_path)
    write_laion(file, **{"module.audio_branch.patch_embed.mel_conv2d.weight": torch.zeros(1)})
    with pytest.raises(WeightsError, match="fused"):
        load_embedder("clap-music", weights=str(file), assets=tmp_path)
    write_laion(file, **{"module.audio_branch.norm.weight": torch.zeros(3)})
    with pytest.raises(WeightsError, match=r"audio_encoder\.norm\.weight has another shape"):
        load_embedder("clap-music", weights=str(file), assets=tmp_path)
    torch.save({"state_dict": {"conv.weight": torch.zeros(1)}}, file)
    with pytest.raises(WeightsError, match="no CLAP in LAION's layout"):
        load_embedder("clap-music", weights=str(file), assets=tmp_path)
    with pytest.raises(WeightsError):
        load_embedder("clap", weights=str(tmp_path), assets=tmp_path)  # a folder of a vocabulary alone


def test_the_pocket_models_own_clap_follows_captions() -> None:
    ours = load_embedder("clap-pocket", assets=ASSETS)
    noise = np.random.default_rng(0).normal(0, 0.05, 6 * 16000).astype(np.float32)
    vectors = ours.embed(noise)
    assert vectors.shape == (2, ours.width)
    assert ours.embed(noise[:8000]).shape == (1, ours.width)
    assert reads_text(ours)
    rain, dog = ours.embed_text(["heavy rain", "a dog barks"])
    assert vectors.mean(0) @ rain > vectors.mean(0) @ dog
