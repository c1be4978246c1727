/** The stylesheet of the pages. Uses system fonts and no images, so that browsers fetch nothing from other hosts. */
export const siteStyle = `
:root {
  color-scheme: light dark;
  --paper: #f3f5f8; --card: #fff; --ink: #16202c; --soft: #586676; --line: #d3dae3; --field: #7f8c9b;
  --accent: #1f5fbf; --on-accent: #fff; --wrong: #b3261e; --wrong-paper: #fdeeed; --good: #1b6e3c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #10161d; --card: #18212b; --ink: #e8edf3; --soft: #9dabba; --line: #2c3845; --field: #66768a;
    --accent: #8ab4ff; --on-accent: #0c1a30; --wrong: #ffb4ab; --wrong-paper: #3b1a18; --good: #7fd6a0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; min-height: 100vh; display: flex; flex-direction: column; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
}
header, main, footer { width: 100%; max-width: 30rem; margin: 0 auto; padding: 0 1rem; }
header { display: flex; align-items: center; gap: .6rem; padding-top: 1.25rem; padding-bottom: 1rem; }
header img { width: 1.75rem; height: 1.75rem; }
header .name { display: flex; align-items: center; gap: .6rem; color: inherit; font-weight: 600; letter-spacing: .01em; text-decoration: none; }
header nav { margin-left: auto; font-size: .875rem; }
footer { margin-top: auto; padding-top: 1.5rem; padding-bottom: 1.25rem; color: var(--soft); font-size: .875rem; }
main > section { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.5rem; }
main > section + section { margin-top: 1rem; }
h1 { font-size: 1.375rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.0625rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
p { margin: 0 0 1rem; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.small { font-size: .875rem; }
a { color: var(--accent); text-underline-offset: .15em; }
label { display: block; font-weight: 600; margin-bottom: .25rem; }
label .soft { font-weight: 400; }
.field { margin-bottom: 1.1rem; }
input:not([type=hidden]) {
  width: 100%; padding: .65rem .75rem; font: inherit; color: inherit; background: var(--card);
  border: 1px solid var(--field); border-radius: .5rem;
}
input[aria-invalid=true] { border-color: var(--wrong); box-shadow: inset 0 0 0 1px var(--wrong); }
.hint { color: var(--soft); font-size: .875rem; margin: .3rem 0 0; }
.error { color: var(--wrong); font-size: .875rem; margin: .3rem 0 0; }
.alert { color: var(--wrong); background: var(--wrong-paper); border-radius: .5rem; padding: .65rem .8rem; margin-bottom: 1rem; }
button {
  font: inherit; font-weight: 600; padding: .7rem 1.1rem; border-radius: .5rem; cursor: pointer;
  border: 1px solid var(--accent); background: var(--accent); color: var(--on-accent);
}
button.wide { width: 100%; }
button.quiet { background: transparent; color: var(--accent); border-color: var(--line); padding: .45rem .8rem; }
button:hover { filter: brightness(1.08); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.after { margin: 1.25rem 0 0; text-align: center; }
.facts { margin: 0 0 1.25rem; padding: .8rem 1rem; border: 1px solid var(--line); border-radius: .5rem; }
.facts div { display: flex; flex-wrap: wrap; gap: 0 .5rem; }
.facts dt { color: var(--soft); min-width: 4.5rem; }
.facts dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; min-width: 0; }
ol.next { margin: 0 0 1rem; padding-left: 1.25rem; }
ol.next li { margin-bottom: .4rem; }
ul.ways { list-style: none; margin: 1rem 0 0; padding: 0; }
ul.ways li { border-top: 1px solid var(--line); padding: .85rem 0; }
ul.ways li:last-child { padding-bottom: 0; }
ul.ways a { font-weight: 600; }
ul.ways + h2 { margin-top: 1.5rem; }
ul.ways p { margin: .15rem 0 0; }
code { font-size: .95em; overflow-wrap: anywhere; }
ul.sessions { list-style: none; margin: 1rem 0; padding: 0; }
ul.sessions li { border-top: 1px solid var(--line); padding: 1rem 0; display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; }
ul.sessions .about { flex: 1 1 12rem; min-width: 0; }
ul.sessions p { margin: 0; }
.here { color: var(--good); font-weight: 600; font-size: .875rem; }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; }
@media (max-width: 24rem) { main > section { padding: 1.15rem 1rem; } }
`;

export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="14" fill="#1f5fbf"/><g fill="none" stroke="#fff" stroke-width="2"><ellipse cx="16" cy="16" rx="6" ry="14"/><path d="M3 12h26M3 20h26"/></g></svg>`;
