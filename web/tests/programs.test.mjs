// The page served by the real response, with a real gateway, Postfix and Dovecot behind it: sign in, paste, see, remove, receipt.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {createInterface} from 'node:readline';
import {after, before, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {accessibility, csp, launch, open, shownText, violations} from './harness.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
let stack, lab, browser;

before(async () => {
  lab = spawn('/usr/bin/python3', ['-m', 'lab.stack', '--users', '4', '--campaign'], {
    cwd: root, env: {...process.env, PYTHONPATH: `${root}tools`, PYTHONDONTWRITEBYTECODE: '1'}, stdio: ['pipe', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({input: lab.stdout})) {
    stack = JSON.parse(line);
    break;
  }
  browser = await launch();
});
after(async () => {
  await browser?.close();
  if (lab) {
    lab.stdin.end();
    await new Promise((done) => lab.on('exit', done));
  }
});

async function signIn(page) {
  await page.locator('#user').fill(stack.user);
  await page.locator('#password').fill(stack.password);
  await page.locator('mr-sign-in button').click();
  await page.locator('textarea#content').waitFor();
}

test('the policy that response sends is the one the page was tested under', async () => {
  const page = await open(browser, stack.url);
  const response = await page.goto(stack.url);
  const sent = response.headers()['content-security-policy'].split(';').map((s) => s.trim()).sort();
  for (const directive of csp.split(';').map((s) => s.trim())) assert.ok(sent.includes(directive), `${directive} in ${sent}`);
  assert.equal(response.headers()['x-content-type-options'], 'nosniff');
  await page.context().close();
});

for (const locale of ['en-US', 'zh-CN']) {
  test(`investigates the campaign in ${locale}`, async () => {
    const page = await open(browser, stack.url, {locale});
    await signIn(page);
    await page.locator('textarea#content').fill('hxxps://login[.]parcel-redelivery[.]example/verify?case=84213');
    await page.locator('mr-investigate button[type=submit]').click();
    await page.locator('mr-graph').waitFor();
    assert.equal(await page.locator('mr-investigate td.subject').count(), 2);
    const shown = await shownText(page.locator('mr-investigate'));
    assert.match(shown, /gateway-1/);
    assert.match(shown, locale === 'zh-CN' ? /2 个模块中 2 个已答复/ : /2 of 2 modules answered/);
    for (const user of stack.users.slice(0, 3)) assert.ok(shown.includes(user), user);
    await page.locator('td.subject button').first().click();
    await page.locator('mr-message tbody tr').first().waitFor();
    assert.match(await shownText(page.locator('mr-message')), locale === 'zh-CN' ? /已投递/ : /Delivered/);
    assert.deepEqual(await accessibility(page), []);
    await page.locator('nav a').nth(1).click();
    await page.locator('mr-devices tbody tr').first().waitFor();
    assert.match(await shownText(page.locator('mr-devices')), locale === 'zh-CN' ? /已连接/ : /Connected/);
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
}

test('forwards and deletes, with a receipt for each recipient', async () => {
  const page = await open(browser, stack.url);
  await signIn(page);
  await page.locator('textarea#content').fill('parcel-redelivery.example');
  await page.locator('mr-investigate button[type=submit]').click();
  await page.locator('mr-graph').waitFor();
  await page.getByRole('checkbox', {name: 'Select all messages'}).check();
  await page.locator('.actions').getByRole('button', {name: 'Forward and delete'}).click();
  await page.getByRole('button', {name: 'Forward and delete from 4 mailboxes'}).click();
  await page.getByText('Ended. This is the receipt.').waitFor({timeout: 60000});
  assert.equal(await page.locator('mr-remediation tbody tr').count(), 4);
  const tally = await page.locator('.tally').innerText();
  assert.match(tally, /Removed: 3/);
  assert.match(tally, /followed and removed: 1/);
  await page.reload();
  await page.locator('textarea#content').waitFor();  // The cookie goes on with the session.
  assert.deepEqual(await violations(page), []);
  await page.context().close();
});
