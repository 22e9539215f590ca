// What the live line says of the load's outcomes.
import t from 'tap';
import { splitLine } from '../../../src/cli/demo/live-line.js';

const split = (v1: number, v2: number, errors: number) => ({
  windowMs: 5_000,
  total: v1 + v2 + errors,
  byVersion: new Map(Object.entries({ v1, v2 }).filter(([, count]) => count > 0)),
  errors,
});

t.test('shares are of the answered calls, rates are of all', async (t) => {
  const line = splitLine(split(36, 4, 10));
  t.match(line, /^v1 {2}90 % █{14}· {2}v2 {2}10 % █{2}·{13} {2}errors 2\.0\/s {2}of 10\.0\/s$/);
});

t.test('both versions are shown even when one or both got nothing', async (t) => {
  t.match(splitLine(split(0, 50, 0)), /^v1 {3}0 % ·{15} {2}v2 100 % █{15} /);
  t.match(splitLine(split(0, 0, 5)), /^v1 {3}0 % .*v2 {3}0 % .*errors 1\.0\/s/);
});

t.test('it fits a terminal of 80 columns', async (t) => {
  t.ok(splitLine(split(5000, 5000, 0)).length < 80);
});
