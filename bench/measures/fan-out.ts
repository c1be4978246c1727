import { measureFanOut, sameListeners } from '../live/contenders.ts';
import type { Measure } from '../measure.ts';

export const fanOutSame: Measure = {
  name: 'fan-out',
  title: 'One event to 1,000 listeners with the same selection',
  unit: 'messages per second of the server’s processor',
  better: 'higher',
  target: { peer: 3, limit: 0.7 },
  run: (env) => measureFanOut(env, sameListeners),
};
