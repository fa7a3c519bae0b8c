"""One timestep and one prompt embedding per latent frame, as a reversible patch of diffusers' U-Nets.

FIFO sampling feeds frames at different noise levels in one forward (InfiniteAudio, §2.2.1), but the U-Nets
take one timestep an item. Here every frame's timestep is embedded, the embedding is average-pooled to each
level's frames, and every ResNet block adds it along the time axis. Where AudioLDM concatenates the text's
embedding to the time embedding, the text may differ from frame to frame too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

_CLASS_LABELS_POSITION = 3  # forward(sample, timestep, encoder_hidden_states, class_labels, …) in both U-Nets


@contextmanager
def framewise(unet: nn.Module) -> Iterator[nn.Module]:
    """Let a U-Net take timesteps [B, T] and class labels (pooled prompts) [B, T, D], one for each frame.

    Either may vary along the frames without the other, and plain [B] and [B, D] work as ever. Gradients flow.
    Afterwards the model is what it was. Inside another `framewise` of the same model, this one does nothing.

    Args:
        unet: a `UNet2DConditionModel` or `AudioLDM2UNet2DConditionModel`, for samples [B, C, T, F].

    Yields:
        The same U-Net. Its forward raises ValueError where the timesteps' frames differ from the sample's, or
        don't divide by the U-Net's downsampling.

    Raises:
        ValueError: the U-Net's blocks take their embedding in another way than by adding it.
    """
    if any(isinstance(getattr(hook, "__self__", None), _FrameTimes) for hook in _pre_hooks(unet)):
        yield unet
        return
    blocks = [module for module in unet.modules() if isinstance(module, ResnetBlock2D)]
    if not blocks or any(b.time_embedding_norm != "default" or b.up or b.down for b in blocks):
        raise ValueError("framewise needs a U-Net whose ResNet blocks add the time embedding")
    times = _FrameTimes(unet)
    with ExitStack() as undo:
        for block in blocks:
            undo.callback(_replace_forward(block))
        # Registered last, the call's hooks see what any other hook made of the arguments.
        for handle in times.attach():
            undo.callback(handle.remove)
        yield unet


class _FrameTimes:
    """Carries one call's timesteps [B, T] past the U-Net's own handling, which knows [B] alone."""

    def __init__(self, unet: Any) -> None:
        self.unet = unet
        self.factor = 2**unet.num_upsamplers
        self.timesteps: Tensor | None = None

    def attach(self) -> list[torch.utils.hooks.RemovableHandle]:
        handles = [
            self.unet.register_forward_pre_hook(self.before_call, with_kwargs=True),
            self.unet.time_embedding.register_forward_pre_hook(self.before_time_embedding),
        ]
        if self.unet.class_embedding is not None:
            handles.append(self.unet.class_embedding.register_forward_hook(self.after_class_embedding))
        return handles

    def before_call(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Keep timesteps [B, T] aside and hand the U-Net the first frame's [B]."""
        sample = args[0] if args else kwargs["sample"]
        timestep = args[1] if len(args) > 1 else kwargs["timestep"]
        labels = kwargs.get("class_labels")
        if len(args) > _CLASS_LABELS_POSITION:
            labels = args[_CLASS_LABELS_POSITION]
        batch, frames = sample.shape[0], sample.shape[2]
        self.timesteps = None
        if torch.is_tensor(labels) and labels.ndim == 3:
            self._check(labels.shape[1], frames)
            timestep = torch.as_tensor(timestep, device=sample.device)
            if timestep.ndim < 2:
                timestep = timestep.reshape(-1, 1).expand(batch, frames)
        if not torch.is_tensor(timestep) or timestep.ndim != 2:
            return None
        self._check(timestep.shape[1], frames)
        self.timesteps = timestep.expand(batch, frames)
        plain = self.timesteps[:, 0]
        if len(args) > 1:
            return (args[0], plain, *args[2:]), kwargs
        return args, {**kwargs, "timestep": plain}

    def before_time_embedding(self, _: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Put the embeddings [B, T, D] of all frames in place of the first frame's.

        What else is told beside them, [B, D], is the same for every frame.
        """
        if self.timesteps is None:
            return None
        embedded = self.unet.time_proj(self.timesteps.reshape(-1)).to(args[0].dtype)
        others = (None if other is None else other[:, None] for other in args[1:])
        return (embedded.view(*self.timesteps.shape, -1), *others)

    def after_class_embedding(self, _: nn.Module, args: tuple[Any, ...], embedding: Tensor) -> Tensor | None:
        """Give every frame the same prompt where the prompts are one an item."""
        if self.timesteps is None or embedding.ndim == 3:
            return None
        return embedding[:, None].expand(-1, self.timesteps.shape[1], -1)

    def _check(self, given: int, frames: int) -> None:
        if given != frames:
            raise ValueError(f"{given} timesteps or prompts an item for {frames} frames; give one a frame")
        if frames % self.factor:
            raise ValueError(f"{frames} frames do not divide by the U-Net's downsampling {self.factor}")


def _replace_forward(block: ResnetBlock2D) -> Callable[[], None]:
    """Patch one block; calling the result undoes it."""
    before = vars(block).get("forward")  # an instance's own forward, as offloading hooks leave one
    plain = block.forward

    def forward(input_tensor: Tensor, temb: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if temb is None or temb.ndim != 3:
            return plain(input_tensor, temb, *args, **kwargs)
        return _block_forward(block, input_tensor, temb)

    def undo() -> None:
        if before is None:
            del block.forward
        else:
            block.forward = before

    block.forward = forward
    return undo


def _block_forward(block: ResnetBlock2D, sample: Tensor, embedding: Tensor) -> Tensor:
    """A ResNet block on sample [B, C, T_level, F_level] with one embedding a frame, [B, T, D]."""
    hidden = block.conv1(block.nonlinearity(block.norm1(sample)))
    # Pool first: the projection then runs over the level's frames only.
    pooled = embedding.unflatten(1, (hidden.shape[2], -1)).mean(dim=2)
    if not block.skip_time_act:
        pooled = block.nonlinearity(pooled)
    hidden = hidden + block.time_emb_proj(pooled).transpose(1, 2)[..., None]
    hidden = block.conv2(block.dropout(block.nonlinearity(block.norm2(hidden))))
    if block.conv_shortcut is not None:
        sample = block.conv_shortcut(sample)
    return (sample + hidden) / block.output_scale_factor


def _pre_hooks(module: nn.Module) -> list[Any]:
    return list(module._forward_pre_hooks.values())
