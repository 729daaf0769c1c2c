// Where sound comes from: a WAV file or the microphone, at the rate of the recordings that the networks learned from.
import { element } from './cards.js';

const PIECE = 0.1;  // seconds that go in at once

function drawWave(canvas, samples) {
  const context = canvas.getContext('2d'), { width, height } = canvas;
  context.fillStyle = '#000';
  context.fillRect(0, 0, width, height);
  context.fillStyle = '#6cc4a9';
  for (let x = 0; x < width; x++) {
    const part = samples.subarray(Math.floor((x * samples.length) / width), Math.ceil(((x + 1) * samples.length) / width));
    let top = 0;
    for (const value of part) top = Math.max(top, Math.abs(value));
    context.fillRect(x, (height / 2) * (1 - top), 1, Math.max(1, height * top));
  }
}

export class WaveFile {
  static title = 'WAV file';
  hint = 'Choose a recording, or drop one anywhere on the page. It goes in piece by piece, as from a microphone.';

  constructor(description, hear, problem) {
    Object.assign(this, { rate: description.rate, streams: description.streams, hear, problem });
    if (!this.streams) this.hint = 'Choose a recording, or drop one anywhere on the page.';
    this.canvas = element('canvas', { width: 640, height: 160, 'aria-label': 'the sound' });
    this.input = element('input', { type: 'file', accept: 'audio/*', onchange: () => this.take(this.input.files[0]) });
  }

  async take(file) {
    if (!file) return;
    let sound;
    try {
      // An offline context decodes to its own rate.
      const context = new OfflineAudioContext(1, 1, this.rate);
      const decoded = await context.decodeAudioData(await file.arrayBuffer());
      sound = decoded.getChannelData(0);
      for (let c = 1; c < decoded.numberOfChannels; c++) {
        const other = decoded.getChannelData(c);
        sound = sound.map((value, i) => (value * c + other[i]) / (c + 1));
      }
    } catch {
      this.problem(`${file.name} is no recording that this browser reads.`);
      return;
    }
    drawWave(this.canvas, sound);
    this.stage.replaceChildren(this.canvas);
    const piece = this.streams ? Math.round(this.rate * PIECE) : sound.length;
    await this.hear(null);
    for (let at = 0, count; at < sound.length; at += count) {
      count = sound.length - at < 2 * piece ? sound.length - at : piece;
      await this.hear(sound.slice(at, at + count));
    }
  }

  start(stage, controls) {
    this.stage = stage;
    stage.replaceChildren(element('p', {}, 'No sound yet'));
    controls.replaceChildren(element('label', { class: 'file' }, 'Choose a WAV file', this.input));
  }
}

export class Microphone {
  static title = 'Microphone';
  hint = 'Speak; each network carries its state from piece to piece.';

  constructor(description, hear, problem) {
    Object.assign(this, { rate: description.rate, hear, problem });
    this.canvas = element('canvas', { width: 640, height: 160, 'aria-label': 'the sound' });
  }

  async start(stage, controls) {
    await this.hear(null);
    stage.replaceChildren(element('p', {}, 'Waiting for the microphone…'));
    controls.replaceChildren();
    if (!navigator.mediaDevices) {
      this.problem('Browsers give the microphone only to pages of localhost or https.');
      return;
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      this.context = new AudioContext({ sampleRate: this.rate });
      await this.context.audioWorklet.addModule('capture.js');
      this.node = new AudioWorkletNode(this.context, 'capture', { processorOptions: { size: Math.round(this.rate * PIECE) } });
      this.context.createMediaStreamSource(this.stream).connect(this.node);
    } catch (error) {
      this.problem(`The microphone cannot be used at ${this.rate} samples a second: ${error.message}`);
      this.stop();
      return;
    }
    stage.replaceChildren(this.canvas);
    const pieces = [], recent = new Float32Array(this.rate * 3);
    let busy = false;
    this.node.port.onmessage = async ({ data }) => {
      recent.copyWithin(0, data.length);
      recent.set(data, recent.length - data.length);
      drawWave(this.canvas, recent);
      pieces.push(data);
      if (busy) return;
      busy = true;
      while (pieces.length) await this.hear(pieces.shift());
      busy = false;
    };
  }

  stop() {
    this.node?.port.close();
    this.context?.close();
    this.stream?.getTracks().forEach((track) => track.stop());
    this.node = this.context = this.stream = null;
  }
}
