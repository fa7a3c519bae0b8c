"""The tables and figures of the three papers, run again: InfiniteAudio, LiteFocus, DC-LDM."""
