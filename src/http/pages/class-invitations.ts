import { toString as renderCode } from 'qrcode';
import { classesToInvite, invitationSheetOf, type InvitationSheet } from '../../domain/personal-invitations.ts';
import { notFound, type Language } from '../../errors.ts';
import { isUuid } from '../../uuid.ts';
import { Html, html } from './html.ts';
import { sendPage, withLanguage } from './layout.ts';
import { pathOf, redirect, type PageParts, type Visit } from './parts.ts';
import { loadVisitor, signInPath } from './visitor.ts';
import { say } from './texts.ts';

/**
 * `/classes/<id>/invitations`: the slips with the personal invitations of a class, for its class teacher and the
 * administrators to print; `/classes` lists the classes. Regulation 2.3 b.
 */

/** Slips in a row of the sheet. Printed pages break between rows. */
const slipsInRow = 2;

export async function classInvitationsPage(parts: PageParts, visit: Visit, classId: string): Promise<void> {
  const { req, res, language, url } = visit;
  const actor = await loadVisitor(parts, visit);
  if (actor === undefined) return redirect(visit, signInPath(parts, language, url.pathname));
  if (!isUuid(classId)) throw notFound();
  const sheet = await invitationSheetOf(parts.contextFor(req, actor), classId);
  const { className, schoolName, slips, namesWithoutLink } = sheet;
  const title = `${say(language, 'slipsTitle')} ${className}`;
  const body = html`<section class="about">
<h1>${title}</h1>
<p class="soft">${schoolName}</p>
${slips.length > 0 && isLocal(parts) && html`<p class="alert">${say(language, 'slipsLocal')}</p>`}
${slips.length > 0 && html`<p>${say(language, 'slipsAbout')}</p>`}
${
  slips.length > 0 &&
  html`<p class="count">${say(language, 'slipsLeft')}: <strong>${slips.length + namesWithoutLink.length}</strong></p>
<button id="print" type="button" hidden>${say(language, 'slipsPrint')}</button>`
}
${slips.length + namesWithoutLink.length === 0 && html`<p role="status">${say(language, 'slipsNone')}</p>`}
${
  namesWithoutLink.length > 0 &&
  html`<p>${say(language, 'slipsWithoutLink')}</p>
<ul>${namesWithoutLink.map((name) => html`<li>${name}</li>`)}</ul>`
}
</section>
${slips.length > 0 && html`<div class="sheet">${await rowsOf(language, sheet)}</div>`}`;
  sendPage(res, 200, { language, title, body, here: pathOf(visit), isPrinted: true });
}

/** `/classes`: the classes whose slips the visitor may print. */
export async function classesPage(parts: PageParts, visit: Visit): Promise<void> {
  const { req, res, language, url } = visit;
  const actor = await loadVisitor(parts, visit);
  if (actor === undefined) return redirect(visit, signInPath(parts, language, url.pathname));
  const classes = await classesToInvite(parts.contextFor(req, actor));
  const schools = [...new Set(classes.map(({ schoolName }) => schoolName))];
  const title = say(language, 'classesTitle');
  const body = html`<section>
<h1>${title}</h1>
<p class="soft">${say(language, classes.length === 0 ? 'classesNone' : 'classesAbout')}</p>
${schools.map(
  (schoolName) => html`<h2>${schoolName}</h2>
<ul class="ways">${classes
    .filter((each) => each.schoolName === schoolName)
    .map(
      ({ id, name, notJoined }) => html`<li><a href="${withLanguage(`/classes/${id}/invitations`, language)}">${name}</a>
<p class="small soft">${notJoined === 0 ? say(language, 'classJoined') : `${say(language, 'slipsLeft')}: ${notJoined}`}</p></li>`,
    )}</ul>`,
)}
</section>`;
  sendPage(res, 200, { language, title, body, here: pathOf(visit) });
}

async function rowsOf(language: Language, sheet: InvitationSheet): Promise<Html[]> {
  const slips = await Promise.all(sheet.slips.map((slip) => renderSlip(language, sheet, slip)));
  const rows = Array.from({ length: Math.ceil(slips.length / slipsInRow) }, (_, n) => slips.slice(n * slipsInRow, (n + 1) * slipsInRow));
  return rows.map((row) => html`<div class="row">${row}</div>`);
}

async function renderSlip(language: Language, sheet: InvitationSheet, slip: InvitationSheet['slips'][number]): Promise<Html> {
  const { schoolName, className, timeZone } = sheet;
  // Uses the short date in Russian, because the long date takes two lines of a slip.
  const until = new Intl.DateTimeFormat(language === 'ru' ? 'ru-RU' : 'en-GB', {
    timeZone,
    ...(language === 'ru' ? { day: '2-digit', month: '2-digit', year: 'numeric' } : { dateStyle: 'long' }),
  }).format(slip.expiresAt);
  const code = await renderCode(slip.link, { type: 'svg', errorCorrectionLevel: 'M', margin: 2 });
  return html`<article class="slip">
<div class="whose">
<p class="school">${schoolName}</p>
<h2>${slip.name}</h2>
<p class="class">${say(language, 'class')} ${className}</p>
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

/** Whether PUBLIC_URL is an address that other devices cannot open. */
const isLocal = ({ config }: PageParts): boolean => /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(config.publicUrl).hostname);
