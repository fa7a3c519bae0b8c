"""Prompts → tokens of a caption tower."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

Read = Callable[[Sequence[str]], tuple[Any, Any]]
"""Prompts → states [B, L, D] and their mask [B, L]."""
_LONGEST = 4096  # tokens, where a tokenizer knows no limit


def clap_vectors(tower: Any, tokenizer: Any, prompts: Sequence[str]) -> Any:
    """CLAP's text vectors [B, D] of unit length, by a `ClapTextModelWithProjection` in inference mode."""
    return functional.normalize(clap_projections(tower, tokenizer, prompts), dim=-1)


def clap_projections(tower: Any, tokenizer: Any, prompts: Sequence[str]) -> Any:
    """CLAP's text vectors [B, D] of the length that its projection gives them, as VoiceLDM takes them."""
    # RoBERTa counts positions from its padding index + 1, so two entries of its table are never used.
    limit = tower.config.max_position_embeddings - 2
    tokens = tokenize(tokenizer, prompts, limit).to(tower.device)
    with torch.inference_mode():
        vectors = tower(tokens.input_ids, attention_mask=tokens.attention_mask).text_embeds
    # Cloned out of inference mode, so that callers may change it in place.
    return vectors.clone()


def t5_states(encoder: Any, tokenizer: Any, prompts: Sequence[str]) -> tuple[Any, Any]:
    """T5's states [B, L, D] in inference mode, and which of them count: mask [B, L]."""
    tokens = tokenize(tokenizer, prompts).to(encoder.device)
    with torch.inference_mode():
        states = encoder(tokens.input_ids, attention_mask=tokens.attention_mask).last_hidden_state
    return states, tokens.attention_mask


def alone(read: Read, prompts: Sequence[str]) -> tuple[Any, Any]:
    """What `read` gives of each prompt in a call of its own, padded together: states [B, L, D], mask [B, L].

    Read together, shorter prompts would be padded first, and a network that counts positions reads padding:
    then a long prompt changes what its neighbours mean.
    """
    said = [read([prompt]) for prompt in prompts]
    longest = max(states.shape[1] for states, _ in said)
    return tuple(  # type: ignore[return-value]
        torch.cat(
            [functional.pad(part, (0, 0) * (part.dim() - 2) + (0, longest - part.shape[1])) for part in parts]
        )
        for parts in zip(*said, strict=True)
    )


def tokenize(tokenizer: Any, prompts: Sequence[str], limit: int | None = None) -> Any:
    """Padded `input_ids` and `attention_mask` [B, L], cut at `limit` or at the tokenizer's own length.

    A tokenizer whose config says `do_lower_case` gets lower-case text: `RobertaTokenizer`'s format has no
    place for a normaliser, and the pocket tower reads lower case alone.
    """
    if tokenizer.init_kwargs.get("do_lower_case", False):
        prompts = [prompt.lower() for prompt in prompts]
    length = min(limit or _LONGEST, tokenizer.model_max_length, _LONGEST)
    return tokenizer(list(prompts), padding=True, truncation=True, max_length=length, return_tensors="pt")
