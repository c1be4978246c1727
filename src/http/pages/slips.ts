import { setImmediate as nextTurn } from 'node:timers/promises';
import { toString as renderCode } from 'qrcode';
import type { InvitationSheet, Slip } from '../../domain/invitation-sheets.ts';
import type { Language } from '../../errors.ts';
import { Html, html } from './html.ts';
import { say, type TextName } from './texts.ts';

/** Renders personal invitations for printing: a slip for each person. The slips of a class, or of the staff, form a sheet. */

/** Slips in a row of the sheet. Printed pages break between rows. */
const slipsInRow = 2;

/** Names with more characters are printed in a smaller size, so that five rows fit on a page. */
const maxLargeName = 36;

/** Renders sheets. Lets other requests run after each row, since the QR code of a slip takes about a millisecond. */
export async function renderSheets(language: Language, sheets: readonly InvitationSheet[]): Promise<Html[]> {
  const rendered: Html[] = [];
  for (const sheet of sheets) if (sheet.slips.length > 0) rendered.push(await renderSheet(language, sheet, sheets.length > 1));
  return rendered;
}

async function renderSheet(language: Language, sheet: InvitationSheet, hasHeading: boolean): Promise<Html> {
  const rows: Html[] = [];
  for (let at = 0; at < sheet.slips.length; at += slipsInRow) {
    const slips = await Promise.all(sheet.slips.slice(at, at + slipsInRow).map((slip) => renderSlip(language, sheet, slip)));
    rows.push(html`<div class="row">${slips}</div>`);
    await nextTurn();
  }
  return html`<div class="sheet">${hasHeading && html`<h2 class="of">${sheet.className ?? sheet.schoolName}</h2>`}${rows}</div>`;
}

async function renderSlip(language: Language, { schoolName, className, timeZone }: InvitationSheet, slip: Slip): Promise<Html> {
  // Uses the short date in Russian, because the long date takes two lines of a slip.
  const until = new Intl.DateTimeFormat(language === 'ru' ? 'ru-RU' : 'en-GB', {
    timeZone,
    ...(language === 'ru' ? { day: '2-digit', month: '2-digit', year: 'numeric' } : { dateStyle: 'long' }),
  }).format(slip.expiresAt);
  const code = await renderCode(slip.link, { type: 'svg', errorCorrectionLevel: 'M', margin: 2 });
  const [role = '', ...others] = slip.roles.map((held) => say(language, held as TextName));
  const roles = [role, ...others.map((other) => other.toLowerCase())].join(', ');
  return html`<article class="slip">
<div class="whose">
<p class="school">${schoolName}</p>
<h2${slip.name.length > maxLargeName && html` class="long"`}>${slip.name}</h2>
<p class="class">${className === null ? roles : `${say(language, 'class')} ${className}`}</p>
<p class="until">${say(language, 'slipUntil')} ${until}</p>
</div>
<div class="code" role="img" aria-label="${say(language, 'slipCode')} ${slip.name}">${new Html(code)}</div>
<ol>
<li>${say(language, 'slipScan')}</li>
<li>${say(language, 'slipChoose')}</li>
<li>${say(language, 'slipSecret')}</li>
</ol>
<p class="url">${slip.link}</p>
</article>`;
}
