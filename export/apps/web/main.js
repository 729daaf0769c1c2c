// Loads the networks of a run and lets each answer what the chosen source gives.
import { Card, element } from './cards.js';
import { best, load, prepare } from './networks.js';
import { Camera, Drawing, File, Samples } from './pictures.js';
import { Microphone, WaveFile } from './sound.js';

const at = (id) => document.getElementById(id);
const MOST_THREADS = 4;
const MOST_LABELS = 3000;  // frames of sound that are remembered, half a minute
const ROUNDS = 20;  // over one picture, in turns, for a time to be relied on ...
const PATIENCE = 800;  // ... if that takes no more milliseconds

function problem(message) {
  at('problem').textContent = message;
  at('problem').hidden = !message;
}

async function open() {
  const description = await (await fetch('run.json')).json();
  const { name, data } = description;
  document.title = `${name} · edgenet`;
  at('title').textContent = name;
  at('subtitle').textContent = `${data ? `trained on ${data}, ` : ''}running in this browser`;

  const possible = window.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;
  const wanted = Number(new URLSearchParams(location.search).get('threads')) || 1;
  const threads = Math.min(possible, Math.max(1, wanted));
  prepare(threads);
  tellPath(threads, possible, description.networks.some((network) => network.compiled));
  return description;
}

// The networks appear, and answer, one after the other: the first answer waits for none but the first.
async function loadAll(description, cards, answerAgain) {
  let full = null;
  for (const described of description.networks) {
    const network = await load(described);
    if (network.scheme === 'full' && !network.compiled) full = network;
    const card = new Card(network, full, description.classes);
    cards.push(card);
    at('networks').append(card.root);
    await answerAgain();
  }
}

function tellPath(threads, possible, compiled) {
  const choose = element('select', { 'aria-label': 'threads', onchange: () => { location.search = `?threads=${choose.value}`; } },
    ...Array.from({ length: possible }, (_, i) => element('option', { value: i + 1 }, String(i + 1))));
  choose.value = String(threads);
  at('note').replaceChildren(
    'The portable path: binary layers run as ONNX Runtime’s own WebAssembly operators; edgenet’s native kernels are for devices. '
    + (compiled ? 'Compiled: WebAssembly of its own, on one thread, that needs ONNX Runtime only for the preprocessing. ' : '')
    + 'Sizes are those of the files, times the median of the last runs. Threads: ', choose);
}

// Pictures that come while one is being answered wait, and only the last of them counts.
function answerPictures(cards, expected) {
  let waiting = null, busy = null, last = null;
  const answer = async () => {
    while (waiting) {
      const picture = waiting, start = performance.now();
      last = picture;
      waiting = null;
      const rounds = cards.length < expected ? 1 : ROUNDS;
      for (let round = 0; round < rounds && !waiting && (!round || performance.now() - start < PATIENCE); round++) {
        for (const card of cards) {
          const scores = await card.network.classify(picture);
          if (!round) card.showScores(scores);
        }
        if (!round) await new Promise((resolve) => { setTimeout(resolve); });  // lets the page show it
        document.body.dataset.first ??= String(Math.round(performance.now()));
      }
      for (const card of cards) card.showTime('');
    }
    busy = null;
  };
  return (picture) => {
    waiting = picture ?? waiting ?? last;
    if (!cards.length) return null;
    busy ??= answer();
    return busy;
  };
}

function answerSound(cards) {
  const labels = [];
  return async (piece) => {
    for (const [index, card] of cards.entries()) {
      if (piece === null) {
        card.network.forget();
        labels[index] = [];
        card.showSaid([]);
        continue;
      }
      const scores = await card.network.hear(piece);
      if (card.network.state) {
        labels[index] = [...(labels[index] ?? []).slice(-MOST_LABELS), ...scores.map(best)];
        card.showSaid(labels[index]);
      } else {
        card.showScores(scores[0]);
      }
      card.showTime(card.network.state ? ' a piece' : '');
    }
  };
}

function offerSources(description, kinds, answer) {
  let current = null;
  const sources = kinds.map((Kind) => new Kind(description, answer, problem));
  const tabs = sources.map((source) => element('button', {
    role: 'tab', 'aria-selected': 'false', onclick: () => select(source),
  }, source.constructor.title));
  const select = async (source) => {
    current?.stop?.();
    current = source;
    problem('');
    tabs.forEach((tab, index) => tab.setAttribute('aria-selected', String(sources[index] === source)));
    at('hint').textContent = source.hint;
    await source.start(at('stage'), at('controls'));
  };
  at('tabs').replaceChildren(...tabs);
  const taking = sources.find((source) => source.take);
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', async (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (!file) return;
    await select(taking);
    await taking.take(file);
  });
  return select(sources[0]);
}

try {
  const description = await open();
  const isSound = description.kind === 'sound', cards = [];
  at('stage').classList.toggle('sound', isSound);
  const kinds = isSound ? [WaveFile, ...(description.streams ? [Microphone] : [])]
    : [...(description.samples ? [Samples] : []), ...(description.channels === 1 ? [Drawing] : []), File, Camera];
  const answer = isSound ? answerSound(cards) : answerPictures(cards, description.networks.length);
  window.edgenet = { cards, idle: isSound ? () => null : () => answer(null) };  // for the curious, and for tests
  await offerSources(description, kinds, answer);
  await loadAll(description, cards, isSound ? () => {} : () => answer(null));
  document.body.dataset.ready = String(Math.round(performance.now()));
} catch (error) {
  problem(`This page cannot run: ${error.message}`);
}
