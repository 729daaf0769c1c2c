// node classify.mjs MODEL.onnx IMAGE.png...: classifies pictures; the model was exported with --embed-preprocessing.
// onnxruntime-node has no way to register an operator library, so the file's own functions run: the portable path.
import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import { PNG } from 'pngjs';

// ONNX's own files are protobuf; field 14 of the model holds key and value of each metadata entry.
function readMetadata(bytes) {
  const number = (at) => {
    let value = 0, scale = 1, byte;
    do { byte = bytes[at++]; value += (byte & 127) * scale; scale *= 128; } while (byte > 127);
    return [value, at];
  };
  const fields = (at, end) => {
    const found = [];
    while (at < end) {
      let tag, value;
      [tag, at] = number(at);
      [value, at] = number(at);
      if (tag % 8 === 2) { found.push([tag >> 3, at, at + value]); at += value; }
    }
    return found;
  };
  const text = ([, from, to]) => bytes.toString('utf8', from, to);
  const entries = fields(0, bytes.length).filter(([field]) => field === 14);
  return Object.fromEntries(entries.map(([, from, to]) => fields(from, to).map(text)));
}

async function main(model, paths) {
  const bytes = readFileSync(model);
  const classes = JSON.parse(readMetadata(bytes)['edgenet.classes'] ?? 'null');
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  for (const path of paths) {
    const { data, width, height } = PNG.sync.read(readFileSync(path));  // RGBA
    const image = new ort.Tensor('uint8', new Uint8Array(data), [1, height, width, 4]);
    const start = performance.now();
    const { logits } = await session.run({ image });
    const took = performance.now() - start;
    const best = logits.data.indexOf(Math.max(...logits.data));
    console.log(`${path}: ${classes?.[best] ?? best} (${took.toFixed(2)} ms)`);
  }
  console.log('portable path: onnxruntime-node registers no operator libraries');
}

const [model, ...paths] = process.argv.slice(2);
if (paths.length === 0) {
  console.error('usage: node classify.mjs MODEL.onnx IMAGE.png...');
  process.exit(2);
}
main(model, paths).catch((error) => {
  console.error(`classify: ${error.message.split('\n')[0]}`);
  process.exit(1);
});
