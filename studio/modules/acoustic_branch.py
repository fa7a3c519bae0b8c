"""DC-LDM's second condition (Wang et al. 2024): transformers that attend to acoustic frames after the text's.

After each transformer that reads the text, in the blocks that are named, stands another that reads the
acoustic encoding; its residual is the paper's skip connection. Its last projection begins at zero, so a
freshly attached branch changes nothing: the model is the TANGO it is made from, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from studio.core.errors import InvalidRequestError
from studio.modules.blocks import transformers

ACOUSTIC_WIDTH = 128  # of both encodings: EnCodec's latents, and VAE latents as 8 · 16
PLACEMENTS = ("down1", "mid", "up1", "down1+up1")  # the paper's Table 1
ENCODINGS = ("AG", "AG_VAE")  # a draft as EnCodec's latents, or as the VAE's of its sound
See = Callable[[str, Tensor], None]
"""Told of a block's name and how its frames attend to the acoustic ones: [frames, L], rows summing to 1."""
_NAME = "acoustic"  # of the transformer that is attached to a text's


class HearsDraft:
    """Keeps what is heard while a U-Net is called."""

    _states: Tensor | None = None
    _mask: Tensor | None = None

    @contextmanager
    def hearing(self, states: Tensor, mask: Tensor | None = None) -> Iterator[None]:
        """The acoustic encoding [B, L, width] of the U-Net's calls, of which those count where mask is 1."""
        before = self._states, self._mask
        self._states, self._mask = states, mask
        try:
            yield
        finally:
            self._states, self._mask = before


class AcousticBranch(HearsDraft, ModelMixin, ConfigMixin):
    """The extra transformers of a DC-LDM, a checkpoint component of their own.

    Attached to a U-Net they are its submodules: patches of its attention find them there.
    """

    @register_to_config
    def __init__(
        self,
        placement: str = "down1+up1",
        channels: Sequence[Sequence[int]] = (),
        heads: Sequence[int] = (),
        acoustic_width: int = ACOUSTIC_WIDTH,
        norm_num_groups: int = 32,
        use_linear_projection: bool = False,
        upcast_attention: bool = False,
        encoding: str = "AG",
    ) -> None:
        """As `for_unet` reads it off a U-Net.

        Args:
            placement: the blocks' names, joined by "+".
            channels: of each block's transformers.
            heads: of each block's attentions.
            acoustic_width: of the encoding's frames.
            encoding: which one it was trained on, of `ENCODINGS`.
        """
        super().__init__()
        options: dict[str, Any] = {
            "cross_attention_dim": acoustic_width,
            "norm_num_groups": norm_num_groups,
            "use_linear_projection": use_linear_projection,
            "upcast_attention": upcast_attention,
        }
        self.blocks = nn.ModuleDict(
            {
                name: nn.ModuleList(
                    Transformer2DModel(count, width // count, in_channels=width, **options)
                    for width in widths
                )
                for name, widths, count in zip(placement.split("+"), channels, heads, strict=True)
            }
        )
        for transformer in self.blocks.modules():
            if isinstance(transformer, Transformer2DModel):
                for parameter in transformer.proj_out.parameters():
                    nn.init.zeros_(parameter)

    @classmethod
    def for_unet(
        cls,
        unet: Any,
        placement: str = "down1+up1",
        acoustic_width: int = ACOUSTIC_WIDTH,
        encoding: str = "AG",
    ) -> AcousticBranch:
        """A fresh branch that fits a TANGO-type U-Net, which it leaves alone.

        Raises:
            InvalidRequestError: the U-Net has no transformer that reads text in one of the blocks.
        """
        chosen = [_text_transformers(unet, name) for name in placement.split("+")]
        config = unet.config
        return cls(
            placement=placement,
            channels=[[transformer.config.in_channels for transformer in block] for block in chosen],
            heads=[block[0].config.num_attention_heads for block in chosen],
            acoustic_width=acoustic_width,
            norm_num_groups=config.norm_num_groups,
            use_linear_projection=config.use_linear_projection,
            upcast_attention=bool(config.upcast_attention),
            encoding=encoding,
        )

    @contextmanager
    def attached(self, unet: nn.Module) -> Iterator[nn.Module]:
        """Let the U-Net's transformers be followed by this branch's; afterwards it is what it was.

        Raises:
            InvalidRequestError: the U-Net lacks a block, or has other transformers there.
        """
        with ExitStack() as undo:
            for name, block in self.blocks.items():
                own: list[Any] = list(block.children())
                theirs = _text_transformers(unet, name)
                _require_fit(name, own, theirs)
                for text, acoustic in zip(theirs, own, strict=True):
                    undo.callback(text.register_forward_hook(self._after_text).remove)
                    text.add_module(_NAME, acoustic)
                    undo.callback(delattr, text, _NAME)
            yield unet

    @contextmanager
    def watched(self, see: See) -> Iterator[None]:
        """Tell `see` of each block's attention to the acoustic frames; what it gives stays the same."""
        with ExitStack() as undo:
            for name, block in self.blocks.items():
                for transformer in block.children():
                    undo.enter_context(watch_transformer(transformer, partial(see, name)))
            yield

    def _after_text(self, text: nn.Module, _: Any, output: Any) -> Any:
        """The text transformer's output, gone through the acoustic one; as it is where nothing is heard."""
        if self._states is None:
            return output
        hidden = output[0] if isinstance(output, tuple) else output.sample
        acoustic = text.get_submodule(_NAME)
        heard = acoustic(
            hidden,
            encoder_hidden_states=self._states.to(hidden.dtype),
            encoder_attention_mask=self._mask,
            return_dict=False,
        )
        return heard if isinstance(output, tuple) else type(output)(sample=heard[0])


def _require_fit(block: str, own: Sequence[Any], theirs: Sequence[Any]) -> None:
    if len(own) != len(theirs):
        raise InvalidRequestError(
            f"The acoustic branch has {len(own)} transformers for {block}, and this U-Net has {len(theirs)}."
        )
    for number, (acoustic, text) in enumerate(zip(own, theirs, strict=True)):
        width, wanted = acoustic.config.in_channels, text.config.in_channels
        if width != wanted:
            raise InvalidRequestError(
                f"The acoustic branch's blocks.{block}.{number}.norm.weight is [{width}], "
                f"and this U-Net's {block} asks for [{wanted}]."
            )


@contextmanager
def watch_transformer(transformer: nn.Module, see: Callable[[Tensor], None]) -> Iterator[None]:
    """Tell `see` how the frames of a transformer attend to its context: [frames, L], rows summing to 1."""
    attention: Any = transformer.get_submodule("transformer_blocks.0.attn2")
    watch = partial(_tell, transformer, attention, see)
    with ExitStack() as undo:
        undo.callback(transformer.register_forward_pre_hook(_note_shape).remove)
        undo.callback(attention.register_forward_pre_hook(watch, with_kwargs=True).remove)
        yield


def _note_shape(transformer: Any, inputs: tuple[Tensor, ...]) -> None:
    transformer.seen_shape = inputs[0].shape


@torch.no_grad()
def _tell(
    transformer: Any,
    attention: Any,
    see: Callable[[Tensor], None],
    _: Any,
    inputs: Any,
    options: dict[str, Any],
) -> None:
    """The weights of the batch's last item: mean over heads and frequency bands."""
    tokens, acoustic = inputs[0][-1:], options["encoder_hidden_states"][-1:]
    query, key = (
        part.unflatten(-1, (attention.heads, -1)).transpose(1, 2).float()
        for part in (attention.to_q(tokens), attention.to_k(acoustic))
    )
    weights = torch.softmax(query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5, dim=-1)
    frames, bands = transformer.seen_shape[-2:]
    see(weights[0].mean(dim=0).view(frames, bands, -1).mean(dim=1))


def _text_transformers(unet: nn.Module, block: str) -> list[Any]:
    """A block's transformers that read text, without those that a branch attached."""
    found = transformers(unet).get(block, [])
    attached = {id(getattr(transformer, _NAME, None)) for transformer in found}
    reading = [t for t in found if id(t) not in attached and t.config.cross_attention_dim]  # type: ignore[union-attr]
    if not reading:
        raise InvalidRequestError(f"This model reads no text in {block}: choose another placement.")
    return reading
