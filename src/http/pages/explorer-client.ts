/**
 * The browser script of the explorer: signs in as the public client `explorer` (authorization code with PKCE), stores
 * the tokens in the tab's sessionStorage, refreshes them, and adds the access token to GraphiQL's requests.
 */
export const explorerScript = `'use strict';
(() => {
  const home = document.body.dataset.home;
  if (location.origin !== home) return location.replace(home + '/explorer');
  // Web Crypto exists at https addresses and on localhost only.
  if (!window.isSecureContext || !crypto.subtle) {
    document.body.dataset.signedIn = 'no';
    document.getElementById('sign-in').hidden = true;
    document.getElementById('insecure').hidden = false;
    return;
  }
  const client = 'explorer';
  const redirectUri = home + '/explorer';
  const element = (id) => document.getElementById(id);
  const stored = () => JSON.parse(sessionStorage.getItem('sfera.tokens') || 'null');
  const store = (tokens) => {
    if (!tokens) return sessionStorage.removeItem('sfera.tokens');
    const expiresAt = Date.now() + tokens.expires_in * 1000;
    sessionStorage.setItem('sfera.tokens', JSON.stringify({ access: tokens.access_token, refresh: tokens.refresh_token, expiresAt }));
  };
  const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\\+/g, '-').replace(/\\//g, '_').replace(/=+$/, '');
  const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));
  const original = window.fetch.bind(window);
  const post = (path, fields) => original(path, { method: 'POST', body: new URLSearchParams({ client_id: client, ...fields }) });

  async function token(fields) {
    const response = await post('/oidc/token', fields);
    if (!response.ok) {
      if (response.status < 500) store(null);
      throw new Error('no token was given');
    }
    store(await response.json());
  }

  async function signIn() {
    const verifier = random();
    const state = random();
    sessionStorage.setItem('sfera.signIn', JSON.stringify({ verifier, state }));
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
    location.assign('/oidc/auth?' + new URLSearchParams({
      client_id: client, redirect_uri: redirectUri, response_type: 'code', scope: 'openid', state,
      code_challenge: base64url(new Uint8Array(digest)), code_challenge_method: 'S256',
    }));
  }

  async function finishSignIn() {
    const answer = new URLSearchParams(location.search);
    if (!answer.has('state')) return;
    history.replaceState(null, '', '/explorer');
    const begun = JSON.parse(sessionStorage.getItem('sfera.signIn') || 'null');
    sessionStorage.removeItem('sfera.signIn');
    if (!begun || begun.state !== answer.get('state') || !answer.has('code')) throw new Error('not our sign-in');
    await token({ grant_type: 'authorization_code', code: answer.get('code'), redirect_uri: redirectUri, code_verifier: begun.verifier });
  }

  async function signOut() {
    const tokens = stored();
    store(null);
    if (tokens) await post('/oidc/token/revocation', { token: tokens.refresh, token_type_hint: 'refresh_token' });
    location.replace('/explorer');
  }

  // Refreshes once at a time: using a refresh token twice ends the session.
  let refreshing;
  async function accessToken() {
    const tokens = stored();
    if (!tokens) throw new Error('not signed in');
    if (tokens.expiresAt - Date.now() > 30000) return tokens.access;
    refreshing = refreshing || token({ grant_type: 'refresh_token', refresh_token: tokens.refresh }).finally(() => { refreshing = undefined; });
    await refreshing;
    return stored().access;
  }

  window.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input, location.href);
    if (url.origin !== home || url.pathname !== '/graphql') return original(input, init);
    const headers = new Headers((init && init.headers) || (input instanceof Request ? input.headers : undefined));
    let access;
    try {
      access = await accessToken();
    } catch (error) {
      showSignIn(false);
      throw error;
    }
    headers.set('authorization', 'Bearer ' + access);
    return original(input, { ...init, headers });
  };

  self.MonacoEnvironment = {
    globalAPI: false,
    getWorkerUrl: (_module, label) => '/assets/graphiql-' + ({ json: 'json', graphql: 'graphql' }[label] || 'editor') + '.worker.js',
  };

  function showSignIn(wrong) {
    document.body.dataset.signedIn = 'no';
    element('wrong').hidden = !wrong;
    element('sign-in').focus();
  }

  function showExplorer() {
    document.body.dataset.signedIn = 'yes';
    const script = document.createElement('script');
    script.src = '/assets/graphiql.js';
    script.onload = () => YogaGraphiQL.renderYogaGraphiQL(element('explorer'), { endpoint: '/graphql', subscriptionsProtocol: 'GRAPHQL_SSE', shouldPersistHeaders: false });
    document.head.append(script);
  }

  element('sign-in').addEventListener('click', signIn);
  element('sign-out').addEventListener('click', signOut);
  finishSignIn().then(() => (stored() ? showExplorer() : showSignIn(false)), () => showSignIn(true));
})();
`;

export const explorerStyle = `
html, body { height: 100%; }
body { margin: 0; min-height: 0; display: flex; flex-direction: column; overflow: hidden; }
body[data-signed-in=""] .gate, body[data-signed-in="yes"] .gate, body:not([data-signed-in="yes"]) .bar, body:not([data-signed-in="yes"]) #explorer { display: none; }
.bar { display: flex; align-items: center; gap: .6rem; padding: .4rem .8rem; border-bottom: 1px solid var(--line); background: var(--card); }
.bar img { width: 1.4rem; height: 1.4rem; }
.bar button { margin-left: auto; padding: .3rem .8rem; }
#explorer { flex: 1; min-height: 0; overflow: hidden; }
#explorer .graphiql-container { height: 100%; width: 100%; }
.gate { width: 100%; max-width: 30rem; margin: 12vh auto 0; padding: 0 1rem; }
`;
