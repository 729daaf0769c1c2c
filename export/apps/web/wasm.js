// A network that `edgenet export --format wasm` wrote, in a browser or in Node: no runtime, nothing else to load.
const KINDS = { float32: Float32Array, int32: Int32Array };

export class CompiledNetwork {
  // bytes: the .wasm file, an ArrayBuffer or a typed array of it.
  static async load(bytes) {
    const { instance } = await WebAssembly.instantiate(bytes);
    return new CompiledNetwork(instance.exports);
  }

  constructor(exports) {
    this.exports = exports;
    const memory = exports.memory.buffer, start = exports.description();
    const text = new Uint8Array(memory, start, new Uint8Array(memory, start).indexOf(0));
    Object.assign(this, JSON.parse(new TextDecoder().decode(text)));  // model, scheme, classes, steps, inputs, outputs
    [...this.inputs, ...this.outputs].forEach((value, index) => {
      value.columns = value.shape.reduce((product, size) => (size === 'steps' ? product : product * size), 1);
      value.isSequence = value.shape.includes('steps');
      value.room = new KINDS[value.type](memory, exports.room(index), value.columns * (value.isSequence ? this.steps : 1));
    });
  }

  // feeds: an array of numbers an input, row by row, by name -> a typed array an output, by name.
  run(feeds) {
    let steps = 0;
    for (const { name, columns, isSequence, room } of this.inputs) {
      const numbers = feeds[name];
      const wanted = isSequence ? `up to ${room.length} numbers, ${columns} a step` : `${columns} numbers`;
      if (!numbers || (isSequence ? numbers.length % columns || numbers.length > room.length : numbers.length !== columns)) {
        throw new RangeError(`${name} takes ${wanted}, got ${numbers?.length ?? 'none'}`);
      }
      if (isSequence) steps = numbers.length / columns;
      room.set(numbers);
    }
    if (this.exports.run(steps)) throw new RangeError(`${this.model} takes 1 to ${this.steps} steps, and tokens of its vocabulary`);
    return Object.fromEntries(this.outputs.map(({ name, columns, isSequence, room }) => (
      [name, room.slice(0, columns * (isSequence ? steps : 1))])));
  }
}
