import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

/** The system's Chromium, for the tests of test/browser. */

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const isInstalled = existsSync(executablePath);

/** Returns the title of a group of tests. The title says why the tests are skipped if there is no Chromium. */
export const titleOf = (title: string): string =>
  isInstalled ? title : `${title}: skipped, there is no Chromium at ${executablePath}; set CHROMIUM to its path`;

export const launchChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
