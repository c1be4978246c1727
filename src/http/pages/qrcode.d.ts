/** The part of the package `qrcode` that the pages use. */
declare module 'qrcode' {
  export interface SvgOptions {
    type: 'svg';
    /** How much of a code may be dirty: L 7 %, M 15 %, Q 25 %, H 30 %. */
    errorCorrectionLevel: 'L' | 'M' | 'Q' | 'H';
    /** Width of the empty margin, in modules. */
    margin: number;
  }

  export function toString(text: string, options: SvgOptions): Promise<string>;
}
