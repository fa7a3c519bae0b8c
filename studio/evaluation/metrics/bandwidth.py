"""How far up a sound reaches, whatever its sample rate claims."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.evaluation.metrics.blocks import Pieces, Sound

N_FFT = 4096
BELOW_DB = 70.0  # under the loudest third of an octave's density: what a limit of band leaves
WIDTH_HZ = 100.0


class BandwidthMeter:
    """The power spectrum of a whole sound, and where it ends."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._rate = sample_rate
        self._pieces = Pieces(N_FFT // 2, N_FFT // 4, channels)
        self._window = np.hanning(N_FFT + 1)[:-1]
        self._power = np.zeros(N_FFT // 2 + 1)
        self._count = 0

    def push(self, sound: Sound) -> None:
        """Take the next samples [n, channels]."""
        for start, piece in self._pieces.push(sound):
            if start:  # the first one begins in silence, and such an edge has all frequencies
                self._add(piece)

    def spectrum(self) -> NDArray[np.float64]:
        """Mean power of each bin [N_FFT / 2 + 1], once all has been pushed."""
        if not self._count:  # too short for a whole one
            for _, piece in self._pieces.flush():
                self._add(piece)
        return self._power / max(1, self._count)

    def bandwidth_hz(self) -> float:
        """The highest frequency less than 70 dB below the loudest, in steps of 100 Hz; 0 for silence."""
        power = self.spectrum()
        bins = max(1, round(WIDTH_HZ / (self._rate / N_FFT)))
        whole = len(power) // bins * bins
        bands = power[:whole].reshape(-1, bins).mean(axis=1)
        if bands.max(initial=0.0) <= 1e-20:
            return 0.0
        heard = np.flatnonzero(bands > bands.max() * 10 ** (-BELOW_DB / 10))
        edge = (heard[-1] + 1) * bins * self._rate / N_FFT
        return float(min(edge, self._rate / 2))

    def _add(self, piece: Sound) -> None:
        spectra = np.fft.rfft(piece * self._window[:, None], axis=0)
        self._power += (np.abs(spectra) ** 2).mean(axis=1)
        self._count += 1
