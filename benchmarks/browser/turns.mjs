// node turns.mjs OPTIONS-AS-JSON: runs .onnx and .wasm files in turns; prints the milliseconds of a run, file by file, round
// by round. Options: runtime (folder of onnxruntime-web), shape, rounds, block (milliseconds), files.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { CompiledNetwork } from './wasm.mjs';

const { runtime, shape, rounds, block, files } = JSON.parse(process.argv[2]);
const folder = pathToFileURL(`${runtime}/`).href;
const ort = await import(`${folder}ort.wasm.min.mjs`);
ort.env.wasm.wasmPaths = folder;
ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

const numbers = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i));
const best = (scores) => scores.indexOf(Math.max(...scores));

async function opened(file) {
  if (file.endsWith('.wasm')) {
    const network = await CompiledNetwork.load(readFileSync(file));
    return () => network.run({ input: numbers }).logits;
  }
  const session = await ort.InferenceSession.create(readFileSync(file), { executionProviders: ['wasm'] });
  const feeds = { input: new ort.Tensor('float32', numbers, shape) };
  return async () => (await session.run(feeds)).logits.data;
}

const runs = [], counts = [], times = files.map(() => []);
for (const [index, file] of files.entries()) {
  const run = await opened(file);
  const answer = best(await run());
  if (file.endsWith('.wasm') && answer !== best(await runs[index - 1]())) throw new Error(`${file} gives another class`);
  for (let i = 0; i < 5; i++) await run();  // the engine compiles once more what runs often
  const start = performance.now();
  await run();
  counts.push(Math.max(1, Math.round(block / (performance.now() - start))));
  runs.push(run);
}
for (let round = 0; round < rounds; round++) {
  for (const [index, run] of runs.entries()) {
    const start = performance.now();
    for (let i = 0; i < counts[index]; i++) await run();
    times[index].push((performance.now() - start) / counts[index]);
  }
}
console.log(JSON.stringify(times));
