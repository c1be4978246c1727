import {
  canInviteStaff,
  classesToInvite,
  invitationSheetOf,
  invitationSheetsOfClasses,
  invitationSheetsOfStaff,
  type InvitationSheet,
  type InvitationSheets,
} from '../../domain/invitation-sheets.ts';
import type { Context } from '../../domain/context.ts';
import { notFound } from '../../errors.ts';
import { isUuid } from '../../uuid.ts';
import { html } from './html.ts';
import { sendPage, withLanguage } from './layout.ts';
import { pathOf, redirect, type PageParts, type Visit } from './parts.ts';
import { renderSheets } from './slips.ts';
import { loadVisitor, signInPath } from './visitor.ts';
import { say, type TextName } from './texts.ts';

/**
 * Pages to print paper slips; each slip has the invitation of one person. `/classes/<id>/invitations` has the slips of one
 * class, and `/invitations` those of all classes that the visitor may invite. These pages are for class teachers and
 * administrators. `/invitations/staff` has the slips of teachers and of the administration, for administrators. `/classes` has
 * the links to these pages. Regulation 2.1 d, 2.3 b.
 */

/** Returns the context of the visitor; undefined after it has sent an anonymous visitor to sign in. */
async function contextOf(parts: PageParts, visit: Visit): Promise<Context | undefined> {
  const actor = await loadVisitor(parts, visit);
  if (actor !== undefined) return parts.contextFor(visit.req, actor);
  redirect(visit, signInPath(parts, visit.language, visit.url.pathname));
  return undefined;
}

export async function classInvitationsPage(parts: PageParts, visit: Visit, classId: string): Promise<void> {
  const ctx = await contextOf(parts, visit);
  if (ctx === undefined) return;
  if (!isUuid(classId)) throw notFound();
  const sheet = await invitationSheetOf(ctx, classId);
  const title = `${say(visit.language, 'slipsTitle')} ${sheet.className}`;
  await sendSheets(parts, visit, { title, about: ['slipsAbout'], none: 'slipsNone', sheets: [sheet], isCut: false });
}

/** `/invitations`: the slips of all classes. In print, each class begins on a new page. */
export async function invitationsPage(parts: PageParts, visit: Visit): Promise<void> {
  const ctx = await contextOf(parts, visit);
  if (ctx === undefined) return;
  const sheets = await invitationSheetsOfClasses(ctx);
  const title = say(visit.language, 'allSlipsTitle');
  await sendSheets(parts, visit, { title, about: ['slipsAbout', 'allSlipsAbout'], none: 'allSlipsNone', ...sheets });
}

/** `/invitations/staff`: the slips of teachers and of the administration. */
export async function staffInvitationsPage(parts: PageParts, visit: Visit): Promise<void> {
  const ctx = await contextOf(parts, visit);
  if (ctx === undefined) return;
  const sheets = await invitationSheetsOfStaff(ctx);
  const title = say(visit.language, 'staffSlipsTitle');
  await sendSheets(parts, visit, { title, about: ['staffSlipsAbout'], none: 'staffSlipsNone', ...sheets });
}

interface Sheets extends InvitationSheets {
  title: string;
  about: readonly TextName[];
  /** What the page says if everybody has joined. */
  none: TextName;
}

const countSlips = (sheets: readonly InvitationSheet[]): number => sheets.reduce((sum, { slips }) => sum + slips.length, 0);

async function sendSheets(parts: PageParts, visit: Visit, { title, about, none, sheets, isCut }: Sheets): Promise<void> {
  const { res, language } = visit;
  const schoolNames = [...new Set(sheets.map(({ schoolName }) => schoolName))];
  const withoutLink = sheets.filter(({ namesWithoutLink }) => namesWithoutLink.length > 0);
  const slipCount = countSlips(sheets);
  const peopleCount = withoutLink.reduce((sum, { namesWithoutLink }) => sum + namesWithoutLink.length, slipCount);
  const body = html`<section class="about">
<h1>${title}</h1>
${schoolNames.map((name) => html`<p class="soft">${name}</p>`)}
${slipCount > 0 && isLocal(parts) && html`<p class="alert">${say(language, 'slipsLocal')}</p>`}
${isCut && html`<p class="alert">${say(language, 'slipsCut')}</p>`}
${slipCount > 0 && about.map((name) => html`<p>${say(language, name)}</p>`)}
${
  slipCount > 0 &&
  html`<p class="count">${say(language, 'slipsLeft')}: <strong>${peopleCount}</strong></p>
<button id="print" type="button" hidden>${say(language, 'slipsPrint')}</button>`
}
${peopleCount === 0 && html`<p role="status">${say(language, none)}</p>`}
${withoutLink.length > 0 && html`<p>${say(language, 'slipsWithoutLink')}</p>`}
${withoutLink.map(
  ({ className, namesWithoutLink }) => html`${sheets.length > 1 && className !== null && html`<h2>${className}</h2>`}
<ul>${namesWithoutLink.map((name) => html`<li>${name}</li>`)}</ul>`,
)}
</section>
${await renderSheets(language, sheets)}`;
  sendPage(res, 200, { language, title, body, here: pathOf(visit), isPrinted: true });
}

/**
 * `/classes`: lists the classes whose slips the visitor may print. Also links to the slips of all these classes together, and
 * to the slips of staff.
 */
export async function classesPage(parts: PageParts, visit: Visit): Promise<void> {
  const { res, language } = visit;
  const ctx = await contextOf(parts, visit);
  if (ctx === undefined) return;
  const classes = await classesToInvite(ctx);
  const schools = [...new Set(classes.map(({ schoolName }) => schoolName))];
  const title = say(language, 'classesTitle');
  const link = (path: string, name: string) => html`<a href="${withLanguage(path, language)}">${name}</a>`;
  const notJoined = classes.reduce((sum, each) => sum + each.notJoined, 0);
  const body = html`<section>
<h1>${title}</h1>
<p class="soft">${say(language, classes.length === 0 ? 'classesNone' : 'classesAbout')}</p>
${
  (classes.length > 1 || canInviteStaff(ctx)) &&
  html`<ul class="ways">
${
  classes.length > 1 &&
  html`<li>${link('/invitations', say(language, 'allSlips'))}
<p class="small soft">${notJoinedText(visit, notJoined)}</p></li>`
}
${
  canInviteStaff(ctx) &&
  html`<li>${link('/invitations/staff', say(language, 'staffSlips'))}
<p class="small soft">${say(language, 'staffSlipsFor')}</p></li>`
}
</ul>`
}
${schools.map(
  (schoolName) => html`<h2>${schoolName}</h2>
<ul class="ways">${classes
    .filter((each) => each.schoolName === schoolName)
    .map(
      (each) => html`<li>${link(`/classes/${each.id}/invitations`, each.name)}
<p class="small soft">${notJoinedText(visit, each.notJoined)}</p></li>`,
    )}</ul>`,
)}
</section>`;
  sendPage(res, 200, { language, title, body, here: pathOf(visit) });
}

const notJoinedText = ({ language }: Visit, count: number): string =>
  count === 0 ? say(language, 'classJoined') : `${say(language, 'slipsLeft')}: ${count}`;

/** Whether PUBLIC_URL is an address that other devices cannot open. */
const isLocal = ({ config }: PageParts): boolean => /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(config.publicUrl).hostname);
