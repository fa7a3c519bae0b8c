// How wide a sound of two channels is heard: its middle, and as much of its side as is wanted.

const SMOOTH_S = 0.02;

export class Width {
  #context;
  #from;
  #to;
  #own = null; // the gains of each channel's share in itself, …
  #other = null; // … and in the other one
  #width = 1;

  /** Between two nodes, which it connects. */
  constructor(context, from, to) {
    this.#context = context;
    this.#from = from;
    this.#to = to;
    from.connect(to); // what is heard as it was made goes through nothing
  }

  /** From 0, both channels' mean in both, to 1, as they are. */
  get value() {
    return this.#width;
  }

  set value(width) {
    const within = Math.min(1, Math.max(0, width));
    if (within === this.#width) return;
    this.#width = within;
    if (!this.#own) this.#build();
    const now = this.#context.currentTime;
    for (const { gain } of this.#own) gain.setTargetAtTime((1 + within) / 2, now, SMOOTH_S);
    for (const { gain } of this.#other) gain.setTargetAtTime((1 - within) / 2, now, SMOOTH_S);
  }

  /** As it is at first: left is all of the left, and nothing of the right. */
  #build() {
    const context = this.#context;
    const both = new GainNode(context, { channelCount: 2, channelCountMode: 'explicit' }); // of one channel, twice it
    const split = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
    const merge = new ChannelMergerNode(context, { numberOfInputs: 2 });
    this.#own = [0, 1].map((channel) => this.#share(split, merge, channel, channel, 1));
    this.#other = [0, 1].map((channel) => this.#share(split, merge, channel, 1 - channel, 0));
    this.#from.disconnect(this.#to);
    this.#from.connect(both).connect(split);
    merge.connect(this.#to);
  }

  #share(split, merge, from, to, share) {
    const gain = new GainNode(this.#context, { gain: share });
    split.connect(gain, from);
    gain.connect(merge, 0, to);
    return gain;
  }
}
