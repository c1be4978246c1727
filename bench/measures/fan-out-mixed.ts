import { measureFanOut, mixedListeners } from '../live/contenders.ts';
import type { Measure } from '../measure.ts';

export const fanOutMixed: Measure = {
  name: 'fan-out-mixed',
  title: 'One event to 1,000 listeners of five roles, with eight selections, in three classes',
  unit: 'messages per second of the server’s processor',
  better: 'higher',
  target: { limit: 0.5 },
  run: (env) => measureFanOut(env, mixedListeners),
};
