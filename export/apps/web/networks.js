// The exported files in ONNX Runtime's WebAssembly build, and those compiled to WebAssembly: loading, running, and what
// it costs.
import * as ort from './runtime/ort.wasm.min.mjs';
import { CompiledNetwork } from './wasm.js';

const KEPT = 25;  // times of which the median is shown
const WARM_UP = 5;  // first runs, in which the browser still compiles
const ENOUGH = 5;

export function prepare(threads) {
  ort.env.wasm.wasmPaths = new URL('./runtime/', import.meta.url).href;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = 'error';
}

function asTensor({ pixels, height, width, channels }) {
  return new ort.Tensor('uint8', pixels, [1, height, width, channels]);
}

async function fetched(file) {
  const answer = await fetch(`models/${file}`);
  if (!answer.ok) throw new Error(`${file} cannot be loaded (${answer.status})`);
  return new Uint8Array(await answer.arrayBuffer());
}

async function opened(file) {
  return ort.InferenceSession.create(await fetched(file), { executionProviders: ['wasm'] });
}

export function load(description) {
  return description.compiled ? Compiled.load(description) : Network.load(description);
}

class Timed {
  constructor(description) {
    Object.assign(this, description);
    this.times = [];
    this.runs = 0;
  }

  // Median milliseconds of the last runs; null until there are enough.
  get milliseconds() {
    if (this.times.length < ENOUGH) return null;
    const sorted = [...this.times].sort((a, b) => a - b);
    return sorted[sorted.length >> 1];
  }

  async timed(work) {
    const start = performance.now();
    const results = await work();
    if (this.runs++ >= WARM_UP) this.times.push(performance.now() - start);
    if (this.times.length > KEPT) this.times.shift();
    return results;
  }
}

// An .onnx file in ONNX Runtime.
class Network extends Timed {
  constructor(description, session) {
    super(description);
    this.session = session;
    this.forget();
  }

  static async load(description) {
    return new Network(description, await opened(description.file));
  }

  run(feeds) {
    return this.timed(() => this.session.run(feeds));
  }

  // picture: its height, width, 1 to 4 channels, and their bytes, row by row -> a score for each class.
  async classify(picture) {
    return (await this.run({ image: asTensor(picture) })).logits.data;
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

// A network that is WebAssembly of its own; what makes its samples of pictures is a graph that ONNX Runtime runs.
class Compiled extends Timed {
  constructor(description, preprocessing, network) {
    super(description);
    Object.assign(this, { preprocessing, network });
  }

  static async load(description) {
    const [preprocessing, bytes] = await Promise.all([opened(description.preprocessing), fetched(description.file)]);
    return new Compiled(description, preprocessing, await CompiledNetwork.load(bytes));
  }

  classify(picture) {
    return this.timed(async () => {
      const { sample } = await this.preprocessing.run({ image: asTensor(picture) });
      return this.network.run({ [this.network.inputs[0].name]: sample.data }).logits;
    });
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
