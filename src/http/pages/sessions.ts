import type { UserActor } from '../../policy/actor.ts';
import { explorerClient, pagesClient } from '../../auth/provider-configuration.ts';
import { endOtherSessions, endSession, sessionsOf } from '../../domain/sessions.ts';
import type { Session } from '../../domain/entities.ts';
import { Refusal, type Language } from '../../errors.ts';
import { isUuid } from '../../uuid.ts';
import { html } from './html.ts';
import { sendPage, withLanguage } from './layout.ts';
import { pathOf, redirect, type PageParts, type Visit } from './parts.ts';
import { say } from './texts.ts';
import { loadVisitor, signInPath } from './visitor.ts';

/** `/sessions`: lists the person's sessions and ends them. Regulation 2.2 h. */

export async function sessionsPage(parts: PageParts, visit: Visit): Promise<void> {
  const { req, res, url, language } = visit;
  const actor = await loadVisitor(parts, visit);
  if (actor === undefined) return redirect(visit, signInPath(parts, language));
  const ctx = parts.contextFor(req, actor);
  const { edges } = await sessionsOf(ctx, { id: actor.userId }, { first: 100 });
  const sessions = Array.from(edges, ({ node }) => node);
  const names = await clientNames(parts, sessions);
  const formatTime = await timeFormatter(parts, actor, language);
  const rows = sessions.map((session) => {
    const isCurrent = session.id === actor.sessionId;
    return html`<li>
<div class="about">
<h2>${session.device ?? say(language, 'unknownDevice')}</h2>
<p class="small">${names.get(session.clientId) ?? session.clientId}${isCurrent && html` · <span class="here">${say(language, 'thisSession')}</span>`}</p>
<p class="small soft">${say(language, 'lastUsed')}: ${formatTime(session.lastSeenAt)}</p>
<p class="small soft">${say(language, 'begun')}: ${formatTime(session.createdAt)}</p>
</div>
<form method="post" action="${withLanguage('/sessions/end', language)}">${parts.forms.field(req, res)}
<input type="hidden" name="sessionId" value="${session.id}">
<button class="quiet" aria-label="${say(language, 'endSession')}: ${session.device ?? say(language, 'unknownDevice')}, ${formatTime(session.lastSeenAt)}">${say(language, 'endSession')}</button>
</form>
</li>`;
  });
  const body = html`<section>
<h1>${say(language, 'sessionsTitle')}</h1>
<p class="soft">${say(language, 'sessionsAbout')}</p>
${url.searchParams.has('ended') && html`<p class="here" role="status">${say(language, 'ended')}</p>`}
<ul class="sessions">${rows}</ul>
${
  sessions.length > 1 &&
  html`<form method="post" action="${withLanguage('/sessions/end-others', language)}">${parts.forms.field(req, res)}
<button class="wide">${say(language, 'endOthers')}</button></form>`
}
<p class="after small"><a href="${withLanguage('/password', language)}">${say(language, 'changeTitle')}</a> · <a href="/oidc/session/end">${say(language, 'signOut')}</a></p>
</section>`;
  sendPage(res, 200, { language, title: say(language, 'sessionsTitle'), body, here: pathOf(visit) });
}

/** `POST /sessions/end` and `/sessions/end-others`. */
export async function endSessionsForm(parts: PageParts, visit: Visit, which: 'one' | 'others'): Promise<void> {
  const actor = await loadVisitor(parts, visit);
  const form = await parts.forms.read(visit.req);
  if (actor !== undefined) {
    const ctx = parts.contextFor(visit.req, actor);
    try {
      if (which === 'others') await endOtherSessions(ctx);
      else if (isUuid(form.get('sessionId') ?? '')) await endSession(ctx, { sessionId: form.get('sessionId')! });
    } catch (error) {
      // The session has ended since the page was loaded. No error is needed: the next page lists the remaining sessions.
      if (!(error instanceof Refusal && error.code === 'NOT_FOUND')) throw error;
    }
  }
  redirect(visit, withLanguage('/sessions?ended', visit.language));
}

async function clientNames({ db }: PageParts, sessions: readonly Session[]): Promise<Map<string, string>> {
  const clients = await db.prisma.oauthClient.findMany({
    where: { id: { in: sessions.map(({ clientId }) => clientId) } },
    select: { id: true, name: true },
  });
  return new Map([[explorerClient, 'Sfera Explorer'], [pagesClient, 'Sfera'], ...clients.map(({ id, name }) => [id, name] as const)]);
}

/** Returns a function that formats times in the time zone of the person's school. */
async function timeFormatter({ db }: PageParts, actor: UserActor, language: Language): Promise<(at: Date) => string> {
  const schoolId = actor.grants[0]?.schoolId;
  const school = schoolId === undefined ? null : await db.prisma.school.findUnique({ where: { id: schoolId }, select: { timeZone: true } });
  const format = new Intl.DateTimeFormat(language === 'ru' ? 'ru-RU' : 'en-GB', {
    dateStyle: 'medium',
    timeStyle: 'short',
    timeZone: school?.timeZone ?? 'Europe/Moscow',
  });
  return (at) => format.format(at);
}
