/** The style of pages that are printed: slips for A4, black on white in every colour scheme. */
export const printStyle = `
header, main, footer { max-width: 62rem; }
.about p { max-width: 42rem; }
.about ul { margin: 0; }
#print { margin-bottom: 1rem; }
.sheet { margin-top: 1.5rem; background: #fff; color: #000; color-scheme: light; }
.sheet h2.of { margin: 0; padding: .5rem 1rem; font-size: 1.125rem; }
.row { display: flex; border: 1px dashed #000; margin-top: -1px; }
.slip {
  flex: 0 0 50%; min-width: 0; padding: 1rem; display: grid; grid-template-columns: 1fr 8.5rem; gap: .5rem .75rem; align-content: start;
}
.slip + .slip { border-left: 1px dashed #000; }
.slip:only-child { border-right: 1px dashed #000; }
.slip p, .slip h2, .slip ol { margin: 0; }
.slip .school { font-size: .75rem; line-height: 1.3; }
.slip h2 { font-size: 1.125rem; line-height: 1.25; margin-top: .25rem; }
.slip .class { font-weight: 600; }
.slip .until { font-size: .8125rem; margin-top: .5rem; }
.slip .code svg { display: block; width: 100%; height: auto; }
.slip ol, .slip .url { grid-column: 1 / -1; }
.slip ol { padding-left: 1.1rem; font-size: .8125rem; line-height: 1.35; }
.slip .url {
  font: .75rem/1.35 ui-monospace, "DejaVu Sans Mono", Consolas, monospace; word-break: break-all; text-wrap: balance;
}
@media screen and (max-width: 46rem) {
  .row { display: block; }
  .slip + .slip { border-left: 0; border-top: 1px dashed #000; }
  .slip:only-child { border-right: 0; }
}
@media screen and (max-width: 26rem) { .slip { grid-template-columns: 1fr 7rem; } }
@page { size: A4 portrait; margin: 10mm; }
@media print {
  :root { color-scheme: light; }
  body { display: block; min-height: 0; background: #fff; color: #000; }
  header, footer, .about { display: none; }
  main { max-width: none; padding: 0; margin: 0; }
  .sheet { margin: 0; padding-top: 1px; }
  .sheet + .sheet { break-before: page; }
  .sheet h2.of { display: none; }
  .row { break-inside: avoid; }
  .slip { padding: 2.5mm 4mm; gap: 1mm 3mm; grid-template-columns: 1fr 29mm; min-height: 54mm; break-inside: avoid; }
  .slip .school {
    font-size: 7.5pt; line-height: 1.2; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden;
  }
  .slip h2 { font-size: 11.5pt; line-height: 1.2; margin-top: .5mm; }
  .slip h2.long { font-size: 9pt; line-height: 1.15; }
  .slip .class { font-size: 10pt; line-height: 1.2; }
  .slip .until { font-size: 7.5pt; line-height: 1.3; margin-top: 1mm; }
  .slip ol { font-size: 7.5pt; line-height: 1.3; padding-left: 3.5mm; }
  .slip .url { font-size: 7pt; line-height: 1.25; }
}
`;

/** A script that shows the print button and opens the print dialog. Without scripts the button stays hidden. */
export const printScript = `'use strict';
(() => {
  const button = document.getElementById('print');
  if (!button) return;
  button.hidden = false;
  button.addEventListener('click', () => window.print());
})();
`;
