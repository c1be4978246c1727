import { html } from './html.ts';
import { sendPage, withLanguage } from './layout.ts';
import { pathOf, type Visit } from './parts.ts';
import { say } from './texts.ts';

/** `/`: the start page, with links to the other pages. */
export function homePage(visit: Visit): void {
  const { res, language } = visit;
  const body = html`<section>
<h1>${say(language, 'homeTitle')}</h1>
<p class="soft">${say(language, 'homeAbout')}</p>
<ul class="ways">
<li><a href="${withLanguage('/sessions', language)}">${say(language, 'homeSessions')}</a><p class="small soft">${say(language, 'homeSessionsAbout')}</p></li>
<li><a href="${withLanguage('/classes', language)}">${say(language, 'homeSlips')}</a><p class="small soft">${say(language, 'homeSlipsAbout')}</p></li>
<li><strong>${say(language, 'homeLink')}</strong><p class="small soft">${say(language, 'homeLinkAbout')}</p></li>
<li><a href="${withLanguage('/explorer', language)}">${say(language, 'homeExplorer')}</a><p class="small soft">${say(language, 'homeExplorerAbout')}</p></li>
<li><a href="/health/ready">${say(language, 'homeHealth')}</a><p class="small soft">${say(language, 'homeHealthAbout')}</p></li>
</ul>
</section>`;
  sendPage(res, 200, { language, title: say(language, 'homeTitle'), body, here: pathOf(visit) });
}
