// How layers are heard: the same sums that `studio/dsp/layers.py` makes of a mix, as nodes of Web Audio.

const SMOOTH_S = 0.015;

/** [left to left, right to left, left to right, right to right] of a layer's channels; as in `dsp/layers.py`. */
export function panMatrix(pan, channels) {
  if (channels === 1) {
    if (!pan) return [1, 0, 1, 0];
    const angle = ((pan + 1) * Math.PI) / 4;
    return [Math.SQRT2 * Math.cos(angle), 0, Math.SQRT2 * Math.sin(angle), 0];
  }
  if (!pan) return [1, 0, 0, 1];
  const angle = (Math.abs(pan) * Math.PI) / 2;
  const [stays, moves] = [Math.cos(angle), Math.sin(angle)];
  return pan < 0 ? [1, moves, 0, stays] : [stays, 0, moves, 1];
}

/** Which layers are heard: none that is mute, and where one is solo no others. */
export function audible(layers) {
  const solo = layers.some((layer) => layer.solo);
  return layers.map((layer) => !layer.mute && (Boolean(layer.solo) || !solo));
}

/** Layers by their gain and pan into two channels, which it connects to `out`. */
export class Bus {
  #context;
  #merger;
  #channels;
  #parts;

  /** `channels` are those of each layer's samples. */
  constructor(context, out, channels) {
    this.#context = context;
    this.#channels = channels;
    this.#merger = context.createChannelMerger(2);
    this.#merger.connect(out);
    this.#parts = channels.map((count) => this.#part(count));
  }

  /** Where a layer's samples go in. */
  input(place) {
    return this.#parts[place].input;
  }

  /** Set gains and pans by a scene's layers; gliding there, unless it is `atOnce`. */
  set(layers, atOnce = false) {
    const heard = audible(layers);
    layers.forEach((layer, place) => {
      const gain = heard[place] ? 10 ** ((layer.gain_db ?? 0) / 20) : 0;
      panMatrix(layer.pan ?? 0, this.#channels[place]).forEach((share, index) => {
        const node = this.#parts[place].gains[index];
        if (!node) return;
        if (atOnce) node.gain.value = gain * share;
        else node.gain.setTargetAtTime(gain * share, this.#context.currentTime, SMOOTH_S);
      });
    });
  }

  /** Play a piece of all layers' samples from a time of the context on; the nodes that sound. */
  play(sound, count, rate, at) {
    let place = 0;
    return this.#channels.map((channels, index) => {
      const buffer = this.#context.createBuffer(channels, count, rate);
      for (let channel = 0; channel < channels; channel += 1) {
        const one = buffer.getChannelData(channel);
        for (let sample = 0; sample < count; sample += 1) one[sample] = sound[place + sample * channels + channel];
      }
      place += count * channels;
      const node = new AudioBufferSourceNode(this.#context, { buffer });
      node.connect(this.input(index));
      node.start(at);
      return node;
    });
  }

  close() {
    this.#merger.disconnect();
  }

  #part(count) {
    const gain = () => new GainNode(this.#context, { gain: 0 });
    if (count === 1) {
      const [input, left, right] = [new GainNode(this.#context), gain(), gain()];
      input.connect(left).connect(this.#merger, 0, 0);
      input.connect(right).connect(this.#merger, 0, 1);
      return { input, gains: [left, null, right, null] };
    }
    const input = this.#context.createChannelSplitter(2);
    const gains = [gain(), gain(), gain(), gain()];
    gains.forEach((node, index) => {
      input.connect(node, index % 2);
      node.connect(this.#merger, 0, index < 2 ? 0 : 1);
    });
    return { input, gains };
  }
}
