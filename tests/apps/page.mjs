// node page.mjs OPTIONS-AS-JSON: opens the page of `edgenet serve` in Chromium, uses it, and prints what it saw as JSON.
// Options: modules (folder of node_modules), chromium, url, phone, draw, picture, sound, microphone, samples, screenshot.
import { createRequire } from 'node:module';

const options = JSON.parse(process.argv[2]);
const { chromium } = createRequire(`${options.modules}/`)('playwright-core');

const fake = ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'];
if (options.microphone) fake.push(`--use-file-for-fake-audio-capture=${options.microphone}`);
const browser = await chromium.launch({ executablePath: options.chromium, args: ['--no-sandbox', ...fake] });
try {
  const viewport = options.phone ? { width: 360, height: 740 } : { width: 1180, height: 760 };
  const context = await browser.newContext({
    viewport, deviceScaleFactor: options.phone ? 2 : 1, hasTouch: Boolean(options.phone), isMobile: Boolean(options.phone),
    permissions: ['camera', 'microphone'], colorScheme: options.dark ? 'dark' : 'light',
  });
  const page = await context.newPage();
  const seen = { console: [], failed: [] };
  page.on('console', (message) => { if (message.type() !== 'log') seen.console.push(`${message.type()}: ${message.text()}`); });
  page.on('pageerror', (error) => seen.console.push(`error: ${error.message}`));
  page.on('response', (response) => { if (response.status() >= 400) seen.failed.push(response.url()); });
  await page.goto(options.url);
  await page.waitForFunction(() => document.body.dataset.ready || !document.getElementById('problem').hidden, null, { timeout: 90000 });

  const cards = () => page.evaluate(() => Object.fromEntries([...document.querySelectorAll('article')].map((card) => [
    card.dataset.label,
    {
      answer: card.querySelector('.answer').textContent,
      said: card.querySelector('.said').textContent,
      numbers: [...card.querySelectorAll('dd')].map((cell) => cell.textContent),
    },
  ])));
  // Answers that stay as they are while the page has nothing left to do; a busy machine takes its time.
  const settled = async () => {
    let last = '', same = 0;
    for (let i = 0; same < 4 && i < 200; i++) {
      await page.evaluate(() => window.edgenet.idle());
      const now = JSON.stringify(Object.values(await cards()).map(({ answer, said }) => [answer, said]));
      same = now === last && !now.includes('–') ? same + 1 : 0;
      last = now;
      await page.waitForTimeout(250);
    }
  };
  const open = (title) => page.getByRole('tab', { name: title }).click();

  const cdp = await context.newCDPSession(page);
  await cdp.send('Performance.enable');
  const { metrics } = await cdp.send('Performance.getMetrics');
  seen.processorTime = 1e3 * metrics.find(({ name }) => name === 'ProcessTime').value;
  seen.problem = await page.textContent('#problem');
  seen.firstAnswer = Number(await page.evaluate(() => document.body.dataset.first ?? document.body.dataset.ready));
  seen.isolated = await page.evaluate(() => crossOriginIsolated);
  seen.wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  seen.tabs = await page.getByRole('tab').allTextContents();
  if (seen.tabs.includes('Samples')) await settled();
  seen.first = await cards();
  if (options.samples) {
    seen.classes = await page.evaluate(async () => {
      const { samples: { shape: [count, height, width, channels] } } = await (await fetch('run.json')).json();
      const all = new Uint8Array(await (await fetch('samples.bin')).arrayBuffer()), size = height * width * channels;
      const answers = {};
      for (const { network } of window.edgenet.cards) {
        answers[network.label] = [];
        for (let i = 0; i < count; i++) {
          const pixels = all.slice(i * size, (i + 1) * size);
          const scores = await network.classify({ pixels, height, width, channels });
          answers[network.label].push(scores.indexOf(Math.max(...scores)));
        }
      }
      return answers;
    });
  }
  if (options.draw) {  // a one: a line from top to bottom
    await open('Draw');
    const box = await page.locator('canvas.draw').boundingBox();
    await page.mouse.move(box.x + box.width * 0.52, box.y + box.height * 0.2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.48, box.y + box.height * 0.8, { steps: 12 });
    await page.mouse.up();
    await settled();
    seen.drawn = await cards();
  }
  if (options.picture) {
    await open('Image');
    await page.setInputFiles('input[type=file]', options.picture);
    await page.waitForSelector('#stage canvas[aria-label="the chosen picture"]');
    await settled();
    seen.picture = await cards();
    await open('Camera');
    await page.waitForSelector('#stage video');
    seen.camera = await page.evaluate(() => document.querySelector('video').videoWidth);
    await open('Samples');
  }
  if (options.sound) {
    await page.setInputFiles('input[type=file]', options.sound);
    await settled();
    seen.sound = await cards();
  }
  if (options.microphone) {
    await open('Microphone');
    await page.waitForFunction(() => document.querySelector('.said').textContent.split('·').length > 3, null, { timeout: 90000 });
    await page.waitForFunction(() => document.querySelector('dd:last-child').textContent.includes('ms'), null, { timeout: 90000 });
    seen.microphone = await cards();
  }
  seen.problemAfter = await page.textContent('#problem');
  if (options.screenshot) await page.screenshot({ path: options.screenshot, fullPage: true });
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
