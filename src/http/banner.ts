import type { Config } from '../config.ts';
import type { DemoData } from './demo-data.ts';

export function banner(config: Config, demo: (DemoData & { token: string }) | null): string {
  const { publicUrl } = config;
  const lines = [
    '',
    `Sfera is ready at ${publicUrl}/graphql`,
    `  API explorer   ${publicUrl}/explorer`,
    `  Sign-in page   ${publicUrl}/sessions`,
  ];
  if (demo !== null) {
    const { school, people, token } = demo;
    const width = Math.max(...people.map(({ signInName }) => signInName.length));
    lines.push(
      '',
      `Created the demonstration school «${school.name}». Sign-in names and passwords (shown only once):`,
      ...people.map(({ role, signInName, password }) => `  ${signInName.padEnd(width)}  ${password}  ${role}`),
      '',
      'An access token of the administrator, valid for eight hours:',
      `  ${token}`,
      '',
      'Try it:',
      `  curl ${publicUrl}/graphql -H 'Content-Type: application/json' -H 'Authorization: Bearer ${token}' \\`,
      `    -d '{"query":"{ viewer { fullName } schools { edges { node { id name } } } }"}'`,
    );
  }
  return `${lines.join('\n')}\n\n`;
}
