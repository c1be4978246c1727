import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ReceiptBudget, receiptLimits } from '../../../src/http/body.ts';
import { openSfera, type Sfera } from '../../support/sfera.ts';
import { ask, json } from '../raw-http.ts';

describe('bodies that are received', () => {
  let app: Sfera;
  beforeAll(async () => void (app = await openSfera()));
  afterAll(() => app.close());

  const bodyBytes = 250 * 1024;
  /** Sends all but the last byte of a large body, and collects the server's response. */
  function sendSlowly(): { socket: Socket; said: () => string } {
    const socket = connect(app.port, '127.0.0.1');
    let text = '';
    socket.on('error', () => undefined).on('data', (part) => (text += String(part)));
    socket.write(`POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${bodyBytes}\r\n\r\n`);
    socket.write(' '.repeat(bodyBytes - 1));
    return { socket, said: () => text };
  }

  it('are refused with 503 past the budget of their address; small bodies need no budget, and it is free again afterwards', async () => {
    const fitting = Math.floor(receiptLimits.perAddress / bodyBytes);
    const slow = Array.from({ length: fitting + 20 }, sendSlowly);
    await expect.poll(() => slow.filter(({ said }) => said() !== '').length).toBeGreaterThanOrEqual(10);
    const answered = slow.filter(({ said }) => said() !== '');
    expect(answered.length).toBeLessThan(fitting);
    for (const { said } of answered) {
      expect(said()).toMatch(/^HTTP\/1\.1 503 /);
      expect(said()).toMatch(/retry-after: 2\r\n/i);
      expect(said()).toMatch(/connection: close\r\n/i);
      expect(said()).toContain('"code":"UNAVAILABLE"');
    }
    expect((await app.anonymous.send('{ __typename }')).data).toEqual({ __typename: 'Query' });
    for (const { socket } of slow) socket.destroy();
    const large = { headers: json(''), body: JSON.stringify({ query: `{ __typename }${' '.repeat(bodyBytes - 100)}` }) };
    await expect
      .poll(async () =>
        ask(app.url, large).then(
          ({ status }) => status,
          () => 503,
        ),
      )
      .not.toBe(503);
  });
});

describe('the budget', () => {
  it('counts the memory of small parts too', () => {
    const receipt = new ReceiptBudget().begin(() => 'a');
    const send = (): void => {
      for (let n = 0; n < 256 * 1024; n += 1) receipt.take(1);
    };
    expect(send).toThrow(expect.objectContaining({ extensions: expect.objectContaining({ code: 'UNAVAILABLE' }) as unknown }));
  });

  it('is shared by all addresses, and is zero after all bodies have ended', () => {
    const budget = new ReceiptBudget();
    const receipts = Array.from({ length: receiptLimits.perProcess / (256 * 1024) + 20 }, (_, n) => budget.begin(() => `address ${n}`));
    const sendAll = (): number =>
      receipts.filter((receipt) => {
        try {
          receipt.take(256 * 1024);
          return true;
        } catch {
          return false;
        }
      }).length;
    const taken = sendAll();
    expect(taken).toBeLessThan(receipts.length);
    expect(taken).toBeGreaterThan(200);
    for (const receipt of receipts) receipt.end();
    expect(sendAll()).toBe(taken);
  });
});
