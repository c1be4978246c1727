/** Shows the current stage of a command and its seconds so far on standard error, if that is a terminal. */
export class Progress {
  readonly #isShown = process.stderr.isTTY;
  #timer: NodeJS.Timeout | undefined;

  show(stage: string): void {
    this.end();
    if (!this.#isShown) return;
    const start = Date.now();
    const draw = () => process.stderr.write(`\r${stage} … ${((Date.now() - start) / 1000).toFixed(1)} s`);
    draw();
    this.#timer = setInterval(draw, 100);
  }

  end(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    process.stderr.write('\r\u001b[K');
  }
}
