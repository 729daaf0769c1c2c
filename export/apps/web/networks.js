// The exported files in ONNX Runtime's WebAssembly build: loading, running, and what it costs.
import * as ort from './runtime/ort.wasm.min.mjs';

const KEPT = 25;  // times of which the median is shown
const WARM_UP = 5;  // first runs, in which the browser still compiles
const ENOUGH = 5;

export function prepare(threads) {
  ort.env.wasm.wasmPaths = new URL('./runtime/', import.meta.url).href;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = 'error';
}

export class Network {
  constructor(description, session) {
    Object.assign(this, description);
    this.session = session;
    this.times = [];
    this.runs = 0;
    this.forget();
  }

  static async load(description) {
    const answer = await fetch(`models/${description.file}`);
    if (!answer.ok) throw new Error(`${description.file} cannot be loaded (${answer.status})`);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const session = await ort.InferenceSession.create(bytes, { executionProviders: ['wasm'] });
    return new Network(description, session);
  }

  // Median milliseconds of the last runs; null until there are enough.
  get milliseconds() {
    if (this.times.length < ENOUGH) return null;
    const sorted = [...this.times].sort((a, b) => a - b);
    return sorted[sorted.length >> 1];
  }

  async run(feeds) {
    const start = performance.now();
    const results = await this.session.run(feeds);
    if (this.runs++ >= WARM_UP) this.times.push(performance.now() - start);
    if (this.times.length > KEPT) this.times.shift();
    return results;
  }

  // pixels: bytes of a picture, row by row, 1 to 4 channels -> a score for each class.
  async classify({ pixels, height, width, channels }) {
    const image = new ort.Tensor('uint8', pixels, [1, height, width, channels]);
    return (await this.run({ image })).logits.data;
  }

  // What streaming carries: zeros and nothing before the first piece.
  forget() {
    if (!this.state) return;
    const size = this.state.reduce((product, axis) => product * axis, 1);
    this.carried = {
      state: new ort.Tensor('float32', new Float32Array(size), this.state),
      tail: new ort.Tensor('float32', new Float32Array(0), [1, 0]),
    };
  }

  // samples: a piece of sound, at least a frame's window -> scores of the classes for each frame.
  async hear(samples) {
    const sound = new ort.Tensor('float32', samples, [1, samples.length]);
    const results = await this.run({ sound, ...this.carried });
    if (this.state) this.carried = { state: results.final_state, tail: results.final_tail };
    const { data, dims } = results.logits;
    const classes = dims[dims.length - 1];
    return Array.from({ length: data.length / classes }, (_, frame) => data.subarray(frame * classes, (frame + 1) * classes));
  }
}

export function best(scores) {
  let index = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i] > scores[index]) index = i;
  return index;
}

export function softmax(scores) {
  const top = Math.max(...scores);
  const powers = Array.from(scores, (score) => Math.exp(score - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
