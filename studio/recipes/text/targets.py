"""What words mean in the vectors of a caption tower that is there already, better than it knows them itself.

The tower learned each word bare, from a sentence encoder, and attributes from captions of known words; so it
took a "watchdog" for a dog, but "a watchdog, far off" for a bell. Here a word means what the phrases around
it mean whose families are known, as the sentence encoder sees them; dressed in attributes, it stays what it
is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from studio.recipes.data.clips import Corpus
from studio.recipes.text.clap_head import recall
from studio.recipes.text.duets import Named

Embed = Callable[[Sequence[str]], Tensor]
"""Texts → unit vectors [texts, D]."""

SHARPNESS = 20.0  # of recall: an inverse temperature of sentence vectors' cosines


@dataclass(frozen=True)
class Memory:
    """Texts of single sounds: `keys` [K, W] are their sentence vectors, `values` [K, D] what they mean in the
    tower's vectors, and the `families` [K] that they tell of."""

    keys: Tensor
    values: Tensor
    families: Sequence[str]

    def recall(self, asked: Tensor, wanted: Sequence[str] | None = None) -> Tensor:
        """Sentence vectors [texts, W] → what the texts around them mean [texts, D].

        Each recalls those of its family alone, where families are `wanted`.
        """
        if wanted is None:
            return recall(asked, self.keys, self.values, SHARPNESS)
        out = self.values.new_empty(len(asked), self.values.shape[1])
        for name in set(wanted):
            mine, known = _rows(wanted, name), _rows(self.families, name)
            out[mine] = recall(asked[mine], self.keys[known], self.values[known], SHARPNESS)
        return out

    def directions(self) -> Tensor:
        """An orthonormal basis [D, families] of what tells the families apart."""
        means = [self.values[_rows(self.families, name)].mean(0) for name in sorted(set(self.families))]
        return torch.linalg.qr(torch.stack(means).T)[0]


def _rows(names: Sequence[str], name: str) -> Tensor:
    """Which of `names` are this one [len(names)]."""
    return torch.tensor([own == name for own in names])


@dataclass(frozen=True)
class WordTargets:
    """Of words: `phrases` are those of families, with what they mean; the tower `read`s as it was."""

    phrases: Memory
    known: Mapping[str, int]
    read: Embed
    listen: Embed

    @classmethod
    def of(
        cls,
        corpus: Corpus,
        clips: Tensor,
        read: Embed,
        listen: Embed,
        families: Mapping[str, Sequence[str]],
    ) -> WordTargets:
        """Phrases of `families` mean what is said of the `clips` [clips, D] whose captions are like them."""
        single = [i for i, heard in enumerate(corpus.labels) if len(heard) == 1]
        told = [text for i in single for text in corpus.captions[i]]
        each = len(told) // len(single)
        heard = [corpus.labels[i][0] for i in single for _ in range(each)]
        captions = Memory(listen(told), clips[single].repeat_interleave(each, dim=0), heard)
        owners = [name for name, phrases in families.items() for _ in phrases]
        texts = [phrase for phrases in families.values() for phrase in phrases]
        keys = listen(texts)
        known = {phrase: i for i, phrase in enumerate(texts)}
        return cls(Memory(keys, captions.recall(keys, owners), owners), known, read, listen)

    def sounds(self, words: Sequence[str]) -> Tensor:
        """What bare words mean [words, D]: a known phrase its own, others what phrases around them do."""
        recalled = self.phrases.recall(self.listen(words))
        for row, word in enumerate(words):
            if word in self.known:
                recalled[row] = self.phrases.values[self.known[word]]
        return recalled

    def named(self, phrases: Sequence[Named]) -> Tensor:
        """What phrases mean that name one sound [phrases, D]: what it is, of the bare word; how it is, of its
        dress, as the tower reads it, less what that says of families."""
        what = self._table({phrase.sound for phrase in phrases}, self.sounds)
        seen = self._table({text for phrase in phrases for text in (phrase.look, phrase.sound)}, self.read)
        dress = torch.stack([seen[phrase.look] - seen[phrase.sound] for phrase in phrases])
        basis = self.phrases.directions()
        bare = torch.stack([what[phrase.sound] for phrase in phrases])
        return F.normalize(bare + dress - dress @ basis @ basis.T, dim=-1)

    @staticmethod
    def _table(texts: set[str], embed: Embed) -> dict[str, Tensor]:
        """Each text's vector."""
        ordered = sorted(texts)
        return dict(zip(ordered, embed(ordered), strict=True))
