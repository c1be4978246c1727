import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { headerElements, languageOf } from '../../../src/http/request-info.ts';
import { prefersPage } from '../../../src/http/responses.ts';
import { translate } from '../../../src/http/translation.ts';
import { cpuMsOf } from '../../support/cpu-time.ts';

const accepting = (accept: string) => prefersPage({ url: '/', headers: { accept } } as IncomingMessage);

describe('headers that a client makes large', () => {
  it('are parsed as values with parameters', () => {
    expect(headerElements('text/HTML, a/b ; q=0.5;level=1,')).toEqual([['text/html'], ['a/b', 'q=0.5', 'level=1'], ['']]);
  });

  it('of a browser are parsed completely', () => {
    expect(
      accepting(
        'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7',
      ),
    ).toBe(true);
    expect(accepting('application/json, text/html;q=0.9')).toBe(false);
    expect(languageOf('de-DE,de;q=0.9,fr;q=0.8,ru;q=0.3 , en-US ; q=0.7')).toBe('en');
  });

  it('are parsed only up to the length of real ones', () => {
    expect(languageOf(`${'de,'.repeat(19)}en`)).toBe('en');
    expect(languageOf(`${'de,'.repeat(20)}en`)).toBe('ru');
    expect(languageOf(`${' '.repeat(600)}en`)).toBe('ru');
    expect(headerElements('a;b,'.repeat(8000)).length).toBeLessThanOrEqual(20);
  });

  it('take no time quadratic in their length', () => {
    const used = cpuMsOf(() => {
      for (let n = 0; n < 100; n += 1) {
        accepting(`a${' '.repeat(30_000)}b`);
        languageOf(`${' ;'.repeat(30_000)}en`);
      }
      translate(`Syntax Error: Expected Name, found String "${'cannot represent '.repeat(30_000)}".`);
    });
    expect(used).toBeLessThan(1000);
  });
});
