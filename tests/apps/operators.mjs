// node operators.mjs OPTIONS-AS-JSON: runs the files of one operator that test_operators.py serves, in onnxruntime-node or,
// where Chromium is named, in onnxruntime-web, and prints their outputs as JSON, in place of them what went wrong.
// Options: address, node (folder of the app for Node), or modules (folder of node_modules) and chromium.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const options = JSON.parse(process.argv[2]);

// The browser gets the text of this, so it names nothing outside.
async function runAll({ address, runtime }) {
  const ort = await import(runtime);
  ort.env.wasm.numThreads = 1;
  const types = { 1: ['float32', Float32Array], 2: ['uint8', Uint8Array] };  // by ONNX's numbers
  const numbers = { float32: 1, uint8: 2 };
  const fetched = async (file) => (await fetch(`${address}/${file}`)).arrayBuffer();
  const asTensor = (content, { type, shape, offset }) => {
    const [name, Values] = types[type];
    return new ort.Tensor(name, new Values(content, offset, shape.reduce((product, size) => product * size, 1)), shape);
  };
  const described = ({ type, dims, data }) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return { type: numbers[type], shape: dims, data: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')) };
  };
  const run = async (file, feeds) => {
    const session = await ort.InferenceSession.create(new Uint8Array(await fetched(`models/${file}`)), { intraOpNumThreads: 1 });
    const outputs = await session.run(feeds);
    const all = session.outputNames.map((name) => described(outputs[name]));
    await session.release();
    return all;
  };
  const content = await fetched('models/feeds'), said = {};
  for (const [file, tensors] of Object.entries(JSON.parse(new TextDecoder().decode(await fetched('run.json'))))) {
    const feeds = Object.fromEntries(tensors.map((tensor) => [tensor.name, asTensor(content, tensor)]));
    said[file] = await run(file, feeds).catch((error) => String(error));
  }
  return said;
}

async function inBrowser() {
  const { chromium } = createRequire(`${options.modules}/`)('playwright-core');
  const browser = await chromium.launch({ executablePath: options.chromium, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    await page.goto(options.address);
    return await page.evaluate(runAll, { address: options.address, runtime: `${options.address}/runtime/ort.wasm.min.mjs` });
  } finally {
    await browser.close();
  }
}

function inNode() {
  const runtime = createRequire(`${options.node}/`).resolve('onnxruntime-node');
  return runAll({ address: options.address, runtime: pathToFileURL(runtime).href });
}

console.log(JSON.stringify(await (options.chromium ? inBrowser() : inNode())));
