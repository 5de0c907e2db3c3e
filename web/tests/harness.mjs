// Serves web/dist under the Content-Security-Policy that response sends, and opens it in Debian's Chromium.
import {createServer} from 'node:http';
import {readFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {extname, join, normalize} from 'node:path';
import {fileURLToPath} from 'node:url';
import {chromium} from 'playwright-core';

export const dist = fileURLToPath(new URL('../dist/', import.meta.url));
export const csp =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html";
const types = {'.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml'};

// `api(method, path, body)` answers {status, body} for what is not a file.
export async function serve(api) {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://x').pathname;
    let body = '';
    for await (const chunk of request) body += chunk;
    const file = path === '/' ? 'index.html' : normalize(path).replace(/^\/+/, '');
    try {
      const bytes = await readFile(join(dist, file));
      response.writeHead(200, {'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': csp});
      response.end(bytes);
      return;
    } catch {
      // Not a file: an API call.
    }
    const answer = await api(request.method, path, body ? JSON.parse(body) : undefined, request.headers);
    response.writeHead(answer.status ?? 200, {'Content-Type': 'application/json', 'X-Request-Id': 'request-1'});
    response.end(answer.body === undefined ? '' : JSON.stringify(answer.body));
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {url: `http://127.0.0.1:${server.address().port}/`, close: () => new Promise((done) => server.close(done))};
}

export function launch() {
  return chromium.launch({
    executablePath: process.env.MAILREEVE_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
}

// A page that records violations of the policy and errors of scripts.
export async function open(browser, url, {locale = 'en-US', colorScheme = 'light', viewport = {width: 1280, height: 900}} = {}) {
  const context = await browser.newContext({locale, colorScheme, viewport, ignoreHTTPSErrors: true, timezoneId: 'UTC'});
  const page = await context.newPage();
  page.complaints = [];
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (e) => window.violations.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sample}`));
  });
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  page.on('console', (message) => {
    // A refused refresh at the first visit is how the page learns that nobody is signed in.
    if (message.type() === 'error' && !message.text().includes('401')) page.complaints.push(message.text());
  });
  await page.goto(url);
  return page;
}

export async function violations(page) {
  return page.evaluate(() => window.violations);
}

// Findings of axe-core, through open shadow roots. Run by the debugger, which the policy does not touch.
export async function accessibility(page) {
  const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  await page.evaluate(source);
  const result = await page.evaluate(() => window.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  return result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.flat().join(' ')).join(', ')}`);
}

// The text that a reader sees in an element and in its shadow roots, hidden parts left out.
export function shownText(locator) {
  return locator.evaluate((root) => {
    const walk = (node) => {
      if (node.nodeType === Node.TEXT_NODE) return node.data;
      if (node instanceof Element && (node.hidden || node.matches('style, script, dialog:not([open])'))) return '';
      const children = [...(node.shadowRoot ?? node).childNodes].map(walk).join('');
      const inline = node instanceof Element && getComputedStyle(node).display.startsWith('inline');
      return inline ? children : `${children}\n`;
    };
    return walk(root).replace(/[ \t]+/g, ' ');
  });
}
