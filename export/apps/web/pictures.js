// Where pictures come from: held-out samples, a drawing, a file, the camera. Each hands over the pixels as they are.
import { element } from './cards.js';

const DRAWN = 20 / 28;  // how much of its frame a digit of MNIST takes

function pixelsOf(canvas, invert = false) {
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  if (invert) for (let i = 0; i < data.length; i++) if (i % 4 !== 3) data[i] = 255 - data[i];
  return { pixels: new Uint8Array(data.buffer), width, height, channels: 4 };
}

export class Samples {
  static title = 'Samples';
  hint = 'Held-out samples of the run, which no network has seen in training.';

  constructor(description, show) {
    Object.assign(this, { description, show, index: -1 });
    this.canvas = element('canvas', { 'aria-label': 'a held-out sample' });
    this.label = element('span');
  }

  async start(stage, controls) {
    const { shape, targets } = this.description.samples;
    this.all ??= new Uint8Array(await (await fetch('samples.bin')).arrayBuffer());
    const [count, height, width, channels] = shape;
    const step = (by) => {
      this.index = (this.index + by + count) % count;
      const size = height * width * channels;
      const pixels = this.all.slice(this.index * size, (this.index + 1) * size);
      Object.assign(this.canvas, { width, height });
      const image = new ImageData(width, height);
      for (let i = 0; i < width * height; i++) {
        for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[i * channels + (channels === 1 ? 0 : c)];
        image.data[4 * i + 3] = 255;
      }
      this.canvas.getContext('2d').putImageData(image, 0, 0);
      const target = targets[this.index];
      this.label.textContent = `is ${this.description.classes?.[target] ?? target}`;
      return this.show({ pixels, height, width, channels });
    };
    stage.replaceChildren(this.canvas);
    controls.replaceChildren(
      element('button', { onclick: () => step(-1) }, 'Back'), element('button', { onclick: () => step(1) }, 'Next'), this.label);
    await step(this.index < 0 ? 1 : 0);
  }
}

export class Drawing {
  static title = 'Draw';
  hint = 'Draw with finger or mouse; what you draw is set into the middle, as the digits of the training are.';

  constructor(description, show) {
    this.show = show;
    this.canvas = element('canvas', { class: 'draw', width: 280, height: 280, 'aria-label': 'drawing area' });
    this.context = this.canvas.getContext('2d', { willReadFrequently: true });
    this.context.lineWidth = 20;
    this.context.lineCap = this.context.lineJoin = 'round';
    this.context.strokeStyle = '#fff';
    this.clear();
    this.canvas.addEventListener('pointerdown', (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.last = this.place(event);
      this.line(this.last);
    });
    this.canvas.addEventListener('pointermove', (event) => {
      if (this.last) this.line(this.place(event));
    });
    for (const kind of ['pointerup', 'pointercancel']) this.canvas.addEventListener(kind, () => { this.last = null; });
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = 280 / Math.min(box.width, box.height);  // object-fit may leave room at the sides
    return [
      (event.clientX - box.left - (box.width - 280 / scale) / 2) * scale,
      (event.clientY - box.top - (box.height - 280 / scale) / 2) * scale,
    ];
  }

  line([x, y]) {
    this.context.beginPath();
    this.context.moveTo(...this.last);
    this.context.lineTo(x, y);
    this.context.stroke();
    this.last = [x, y];
    this.show(this.centred());
  }

  clear() {
    this.context.fillStyle = '#000';
    this.context.fillRect(0, 0, 280, 280);
  }

  centred() {
    const { data } = this.context.getImageData(0, 0, 280, 280);
    let [left, top, right, bottom] = [280, 280, -1, -1];
    for (let y = 0; y < 280; y++) {
      for (let x = 0; x < 280; x++) {
        if (data[4 * (y * 280 + x)] > 64) {
          [left, right] = [Math.min(left, x), Math.max(right, x)];
          [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
        }
      }
    }
    const frame = element('canvas', { width: 280, height: 280 });
    const context = frame.getContext('2d');
    context.fillRect(0, 0, 280, 280);
    if (right < 0) return pixelsOf(frame);
    const [width, height] = [right - left + 1, bottom - top + 1];
    const scale = (280 * DRAWN) / Math.max(width, height);
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.canvas, left, top, width, height,
      140 - (width * scale) / 2, 140 - (height * scale) / 2, width * scale, height * scale);
    return pixelsOf(frame);
  }

  start(stage, controls) {
    stage.replaceChildren(this.canvas);
    const clear = () => { this.clear(); this.show(this.centred()); };
    controls.replaceChildren(element('button', { onclick: clear }, 'Clear'));
    this.show(this.centred());
  }
}

// Networks of grey pictures learned white on black from the digits; a photograph of ink is the other way round.
function inverter(description, again) {
  if (description.channels !== 1) return [null, []];
  const box = element('input', { type: 'checkbox', onchange: again });
  return [box, [element('label', {}, box, 'invert')]];
}

export class File {
  static title = 'Image';
  hint = 'Choose a picture, or drop one anywhere on the page.';

  constructor(description, show, problem) {
    Object.assign(this, { show, problem });
    [this.invert, this.further] = inverter(description, () => this.again());
    this.canvas = element('canvas', { 'aria-label': 'the chosen picture' });
    this.input = element('input', { type: 'file', accept: 'image/*', onchange: () => this.take(this.input.files[0]) });
  }

  async take(file) {
    if (!file) return;
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      this.problem(`${file.name} is no picture that this browser reads.`);
      return;
    }
    const scale = Math.min(1, 1024 / Math.max(bitmap.width, bitmap.height));
    Object.assign(this.canvas, { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
    this.canvas.getContext('2d').drawImage(bitmap, 0, 0, this.canvas.width, this.canvas.height);
    this.taken = true;
    this.again();
  }

  again() {
    if (!this.taken) return;
    this.stage.replaceChildren(this.canvas);
    this.show(pixelsOf(this.canvas, this.invert?.checked));
  }

  start(stage, controls) {
    this.stage = stage;
    stage.replaceChildren(element('p', {}, 'No picture yet'));
    controls.replaceChildren(element('label', { class: 'file' }, 'Choose a picture', this.input), ...this.further);
    this.again();
  }
}

export class Camera {
  static title = 'Camera';
  hint = 'The middle square of the picture is what the networks see.';

  constructor(description, show, problem) {
    Object.assign(this, { show, problem });
    [this.invert, this.further] = inverter(description, () => {});
    this.video = element('video', { playsinline: '', muted: '' });
    this.canvas = element('canvas', { width: 256, height: 256 });
  }

  async start(stage, controls) {
    stage.replaceChildren(element('p', {}, 'Waiting for the camera…'));
    controls.replaceChildren(...this.further);
    if (!navigator.mediaDevices) {
      this.problem('Browsers give the camera only to pages of localhost or https.');
      return;
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
      this.video.srcObject = stream;
      await this.video.play();
    } catch (error) {
      this.problem(`The camera cannot be used: ${error.message}`);
      return;
    }
    stage.replaceChildren(this.video);
    this.on = true;
    while (this.on) {
      const { videoWidth: width, videoHeight: height } = this.video, side = Math.min(width, height);
      this.canvas.getContext('2d', { willReadFrequently: true })
        .drawImage(this.video, (width - side) / 2, (height - side) / 2, side, side, 0, 0, 256, 256);
      await this.show(pixelsOf(this.canvas, this.invert?.checked));
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
  }

  stop() {
    this.on = false;
    this.video.srcObject?.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
  }
}
