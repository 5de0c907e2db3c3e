// The page against a fake response (fixtures.mjs) in Chromium: every control once, both languages, accessibility, no
// violation of the Content-Security-Policy. The page against the real programs: tests/console.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {fakeResponse, hostile} from './fixtures.mjs';
import {accessibility, launch, open, serve, shownText, violations} from './harness.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

async function visit(t, options = {}, view = {}) {
  const fake = fakeResponse({signedIn: true, ...options});
  const server = await serve(fake.answer);
  const page = await open(browser, server.url, view);
  t.after(async () => {
    await page.context().close();
    await server.close();
  });
  return {fake, page, server};
}

async function clean(page) {
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(page.complaints, []);
}

async function investigate(page, content = 'hxxps://login[.]example/verify') {
  await page.locator('textarea#content').fill(content);
  await page.locator('mr-investigate button[type=submit]').click();
  await page.locator('mr-investigate [aria-labelledby=gateways]').waitFor();
}

test('signs in, refuses a wrong password, signs out', async (t) => {
  const {page} = await visit(t, {signedIn: false});
  await page.locator('#user').fill('admin');
  await page.locator('#password').fill('wrong');
  await page.locator('mr-sign-in button').click();
  await page.getByText('User name or password is wrong').waitFor();
  assert.deepEqual(await accessibility(page), []);
  await page.locator('#password').fill('right');
  await page.locator('mr-sign-in button').click();
  await page.locator('textarea#content').waitFor();
  assert.equal(await page.evaluate(() => JSON.stringify({...localStorage, ...sessionStorage}).includes('access')), false);
  await page.getByRole('button', {name: 'Sign out'}).click();
  await page.locator('#user').waitFor();
  await clean(page);
});

test('recognises, shows gateways, sightings and graph, and an observable can be taken out', async (t) => {
  const {page, fake} = await visit(t);
  await page.locator('textarea#content').fill('https://login.example/verify');
  await page.locator('textarea#content').press('Control+Enter');
  await page.locator('mr-graph').waitFor();
  await page.locator('.chip').nth(1).waitFor();
  assert.equal(await page.locator('.chip').count(), 2);
  assert.equal(await page.locator('mr-investigate tbody tr').count(), 4);
  assert.match(await shownText(page.locator('mr-investigate')), /2 of 2 modules answered/);
  assert.match(await shownText(page.locator('mr-investigate')), /4 messages\s*·\s*7 mailboxes/);
  assert.match(page.url(), /q=https/);
  await page.getByRole('button', {name: 'Remove parcel.example'}).click();
  await page.waitForFunction(() => document.querySelector('mr-console').shadowRoot.querySelector('mr-investigate').shadowRoot.querySelectorAll('.chip').length === 1);
  assert.equal(fake.state.calls.filter((c) => c.endsWith('observe/observables')).length, 2);
  assert.deepEqual(await accessibility(page), []);
  await clean(page);
});

test('text without observables and a reload with ?q=', async (t) => {
  const {page, server} = await visit(t);
  await page.locator('textarea#content').fill('nothing here');
  await page.locator('mr-investigate button[type=submit]').click();
  await page.getByText('No observable was recognised').waitFor();
  await page.goto(`${server.url}?q=${encodeURIComponent('https://login.example/verify')}`);
  assert.equal(await page.locator('textarea#content').inputValue(), 'https://login.example/verify');
  await clean(page);
});

test('names a gateway that did not answer', async (t) => {
  const {page} = await visit(t, {southDown: true});
  await investigate(page);
  const said = await page.locator('[aria-labelledby=gateways]').innerText();
  assert.match(said, /1 of 2 modules answered/);
  assert.match(said, /timeout: no answer within 20000 ms/);
  assert.match(said, /not a proof of absence/);
  assert.deepEqual(await accessibility(page), []);
  await clean(page);
});

test('shows a message, hostile text stays text', async (t) => {
  const {page} = await visit(t);
  await investigate(page);
  assert.equal(await page.locator('td.subject bdi').nth(1).textContent(), hostile);
  assert.equal(await page.locator('mr-investigate img').count(), 0);
  await page.locator('td.subject button').nth(3).click();
  await page.getByText('hxxps://login[.]example/verify').last().waitFor();
  assert.match(await shownText(page.locator('mr-message')), /Received[\s\S]*Delivered/);
  assert.deepEqual(await accessibility(page), []);
  await page.locator('mr-message').getByRole('button', {name: 'Close'}).click();
  assert.equal(await page.locator('mr-message').count(), 0);
  await page.locator('mr-graph .message').first().click();
  await page.locator('mr-message dl').waitFor();
  await clean(page);
});

test('delete, forward, forward and delete: numbers, cancel, progress, receipt', async (t) => {
  const {page, fake} = await visit(t);
  await investigate(page);
  const act = (name) => page.locator('.actions').getByRole('button', {name, exact: true});
  assert.equal(await act('Delete').isDisabled(), true);
  await page.getByRole('checkbox', {name: 'Select message 52 of gateway-north'}).check();
  await act('Delete').click();
  await page.getByRole('button', {name: 'Delete from 3 mailboxes'}).waitFor();
  assert.match(await page.locator('mr-remediation dialog').innerText(), /3 mailboxes in 1 message/);
  assert.deepEqual(await accessibility(page), []);
  await page.getByRole('button', {name: 'Cancel'}).click();
  assert.equal(fake.state.batches.size, 0);

  await act('Forward').click();
  await page.locator('#to').fill('soc@example.test');
  await page.getByRole('button', {name: 'Forward 1 message'}).click();
  await page.getByText('Ended. This is the receipt.').waitFor();
  assert.equal([...fake.state.batches.values()][0].forward_to, 'soc@example.test');
  await page.getByRole('button', {name: 'Close receipt'}).click();

  await page.getByRole('checkbox', {name: 'Select all messages'}).check();
  await act('Forward and delete').click();
  await page.getByRole('button', {name: 'Forward and delete from 7 mailboxes'}).click();
  await page.getByText('Ended. This is the receipt.').waitFor();
  assert.equal(await page.locator('mr-remediation tbody tr').count(), 7);
  assert.match(await page.locator('.tally').innerText(), /Removed: 5[\s\S]*followed and removed: 2/);
  assert.equal(new Set([...fake.state.batches.values()].map((b) => b.key)).size, 3);
  await page.locator('mr-remediation details summary').first().click();
  assert.match(await page.locator('mr-remediation details pre').first().innerText(), /INBOX/);
  assert.deepEqual(await accessibility(page), []);

  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', {name: 'Download CSV'}).click()]);
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  const csv = Buffer.concat(chunks).toString();
  assert.equal(csv.split('\r\n').length, 9);
  for (const cell of csv.replace(/^\ufeff/, '').split('\r\n').flatMap((row) => row.match(/"(?:[^"]|"")*"/g) ?? [])) {
    assert.doesNotMatch(cell, /^"[=+\-@]/);
  }
  await clean(page);
});

test('devices: list, token, copy, remove', async (t) => {
  const {page} = await visit(t);
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.getByRole('link', {name: 'Devices'}).click();
  await page.locator('mr-devices tbody tr').nth(1).waitFor();
  await page.getByRole('button', {name: 'Make registration token'}).click();
  await page.getByText('one-time-token-value').waitFor();
  await page.getByRole('button', {name: 'Copy command'}).click();
  await page.getByText('Copied').waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^mailreeve register --server http.* --token one-time-token-value$/);
  assert.deepEqual(await accessibility(page), []);
  await page.getByRole('button', {name: 'Remove gateway-south'}).click();
  await page.getByRole('button', {name: 'Cancel'}).click();
  assert.equal(await page.locator('mr-devices tbody tr').count(), 2);
  await page.getByRole('button', {name: 'Remove gateway-south'}).click();
  await page.getByRole('button', {name: 'Remove device'}).click();
  await page.waitForFunction(() => document.querySelector('mr-console').shadowRoot.querySelector('mr-devices').shadowRoot.querySelectorAll('tbody tr').length === 1);
  await page.getByRole('button', {name: 'Refresh'}).click();
  await clean(page);
});

test('a session that ends keeps what was typed', async (t) => {
  const {page, fake} = await visit(t);
  await page.locator('textarea#content').fill('login draft');
  fake.state.signedIn = false;
  const answer = fake.answer;
  await page.route('**/iroh-inspect/inspect', (route) => route.fulfill({status: 401, contentType: 'application/json', body: '{"error":"jwt_expired","error_description":"expired"}'}));
  await page.locator('mr-investigate button[type=submit]').click();
  await page.getByText('Your session has ended').waitFor();
  await page.unroute('**/iroh-inspect/inspect');
  await page.locator('#user').fill('admin');
  await page.locator('#password').fill('right');
  await page.locator('mr-sign-in button').click();
  assert.equal(await page.locator('textarea#content').inputValue(), 'login draft');
  assert.ok(answer);
});

for (const [locale, colorScheme] of [['en-US', 'light'], ['zh-CN', 'light'], ['en-US', 'dark'], ['zh-CN', 'dark']]) {
  test(`accessible and complete in ${locale}, ${colorScheme}, and narrow`, async (t) => {
    const {page} = await visit(t, {}, {locale, colorScheme, viewport: {width: 375, height: 800}});
    await investigate(page);
    await page.locator('mr-graph').waitFor();
    assert.deepEqual(await accessibility(page), []);
    const shown = await shownText(page.locator('mr-console'));
    assert.doesNotMatch(shown, /\b(investigate|sightings|gateways|job|confirm|status|event)\.[a-z]+/);
    assert.equal(/调查/.test(shown), locale === 'zh-CN');
    assert.equal(await page.evaluate(() => document.documentElement.lang), locale === 'zh-CN' ? 'zh-CN' : 'en');
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(overflow, 0);
    // The other language, by the switch.
    await page.locator('header select').selectOption(locale === 'zh-CN' ? 'en' : 'zh-CN');
    assert.equal(/调查/.test(await shownText(page.locator('mr-console'))), locale !== 'zh-CN');
    await clean(page);
  });
}
