import type { Config } from '../config.ts';
import type { DemoData } from './demo-data.ts';

/** What the person who started the server reads. */
export function banner(config: Config, demonstration: (DemoData & { token: string }) | null): string {
  const { publicUrl } = config;
  const lines = [
    '',
    `Sfera is ready at ${publicUrl}/graphql`,
    `  API explorer   ${publicUrl}/explorer`,
    `  Sign-in page   ${publicUrl}/sessions`,
  ];
  if (demonstration !== null) {
    const { school, people, token } = demonstration;
    const width = Math.max(...people.map(({ signInName }) => signInName.length));
    lines.push(
      '',
      `The demonstration school «${school.name}» was made. Sign-in names and passwords (shown this once):`,
      ...people.map(({ role, signInName, password }) => `  ${signInName.padEnd(width)}  ${password}  ${role}`),
      '',
      'An access token of the administrator, good for eight hours:',
      `  ${token}`,
      '',
      'Try it:',
      `  curl ${publicUrl}/graphql -H 'Content-Type: application/json' -H 'Authorization: Bearer ${token}' \\`,
      `    -d '{"query":"{ viewer { fullName } schools { edges { node { id name } } } }"}'`,
    );
  }
  return `${lines.join('\n')}\n\n`;
}
