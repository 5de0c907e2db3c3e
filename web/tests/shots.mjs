// Takes pictures of the page with the fake response: node tests/shots.mjs FOLDER
import {mkdir} from 'node:fs/promises';
import {fakeResponse} from './fixtures.mjs';
import {launch, open, serve} from './harness.mjs';

const folder = process.argv[2] ?? 'shots';
await mkdir(folder, {recursive: true});
const browser = await launch();
for (const [locale, scheme] of [['en-US', 'light'], ['zh-CN', 'light'], ['en-US', 'dark']]) {
  const fake = fakeResponse();
  const server = await serve(fake.answer);
  const page = await open(browser, server.url, {locale, colorScheme: scheme});
  const shot = (name) => page.screenshot({path: `${folder}/${locale}-${scheme}-${name}.png`, fullPage: true});
  await page.locator('#user').waitFor();
  await shot('1-sign-in');
  await page.locator('#user').fill('admin');
  await page.locator('#password').fill('right');
  await page.locator('mr-sign-in button[type=submit]').click();
  await page.locator('#content').last().fill('hxxps://login[.]example/verify from parcel[.]example');
  await page.locator('mr-investigate button[type=submit]').click();
  await page.locator('mr-graph').waitFor();
  await page.locator('td.subject button').first().click();
  await page.locator('mr-message dl').waitFor();
  await page.locator('thead input[type=checkbox]').check();
  await page.waitForTimeout(200);
  await shot('2-investigate');
  await page.locator('.actions button').nth(2).click();
  await page.locator('mr-remediation button.danger').waitFor();
  await page.screenshot({path: `${folder}/${locale}-${scheme}-3-confirm.png`});
  await page.locator('mr-remediation button.danger').click();
  await page.locator('mr-remediation .removed').first().waitFor();
  await page.waitForTimeout(300);
  await shot('4-receipt');
  await page.locator('nav a').nth(1).click();
  await page.locator('mr-devices table').waitFor();
  await page.locator('mr-devices button.primary').click();
  await page.locator('mr-devices code').waitFor();
  await shot('5-devices');
  if (page.complaints.length) console.log(page.complaints);
  await server.close();
}
await browser.close();
