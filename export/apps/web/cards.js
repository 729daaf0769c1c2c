// A card a network: its answer, its bytes, its milliseconds, and how they compare with the full network's.
import { best, softmax } from './networks.js';

const ABOUT = {
  full: '32-bit weights',
  bwn: '1-bit weights',
  xnor: '1-bit weights and activations',
};

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function bytesText(bytes) {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(bytes < 1e5 ? 1 : 0)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

function ratioText(full, own, more, less) {
  const ratio = full / own;
  return ratio >= 1 ? `${ratio.toFixed(ratio < 10 ? 1 : 0)}x ${more}` : `${(1 / ratio).toFixed(1)}x ${less}`;
}

export class Card {
  constructor(network, full, classes) {
    Object.assign(this, { network, full: full === network ? null : full, classes });
    this.answer = element('p', { class: 'answer' }, '–');
    this.list = element('ol');
    this.said = element('p', { class: 'said' });
    this.said.hidden = true;
    this.size = element('dd', {}, bytesText(network.bytes));
    this.time = element('dd', {}, '–');
    if (this.full) this.size.append(element('small', {}, ` ${ratioText(this.full.bytes, network.bytes, 'smaller', 'larger')}`));
    this.root = element('article', { 'data-scheme': network.scheme, 'data-label': network.label },
      element('h2', {}, network.label), element('p', { class: 'what' }, ABOUT[network.scheme] ?? ''),
      this.answer, this.list, this.said,
      element('dl', {}, element('dt', {}, 'file'), this.size, element('dt', {}, 'time'), this.time));
  }

  name(index) {
    return this.classes?.[index] ?? String(index);
  }

  showScores(scores) {
    this.said.hidden = true;
    this.list.hidden = false;
    this.answer.textContent = this.name(best(scores));
    const shares = softmax(scores);
    const order = shares.map((share, index) => [share, index]).sort((a, b) => b[0] - a[0]).slice(0, 3);
    this.list.replaceChildren(...order.map(([share, index]) => {
      const item = element('li', {}, element('span', {}, this.name(index)), element('span', {}, `${(100 * share).toFixed(0)} %`));
      item.style.setProperty('--share', `${100 * share}%`);
      return item;
    }));
  }

  // Labels that were said one after the other; equal neighbours count once.
  showSaid(labels) {
    this.said.hidden = false;
    this.list.hidden = true;
    this.answer.textContent = labels.length ? this.name(labels[labels.length - 1]) : '–';
    const changes = labels.filter((label, at) => at === 0 || label !== labels[at - 1]);
    this.said.textContent = changes.slice(-40).map((label) => this.name(label)).join(' · ');
    this.said.scrollTop = this.said.scrollHeight;
  }

  showTime(unit) {
    const own = this.network.milliseconds, other = this.full?.milliseconds;
    if (own === null) return;
    this.time.textContent = `${own < 10 ? own.toFixed(2) : own.toFixed(1)} ms${unit}`;
    if (other && own > 0 && other > 0) this.time.append(element('small', {}, ` ${ratioText(other, own, 'faster', 'slower')}`));
  }
}
