// lastTransitionTime: kept while a condition keeps its status, whatever else changes.
import t from 'tap';
import { ConditionTimes } from '../../src/status/condition-times.js';

const condition = (type: string, status: string, reason = 'R') => ({
  ...{ type, status, reason },
  message: '',
});
const times = (status: object): string[] =>
  JSON.stringify(status)
    .match(/"lastTransitionTime":"[^"]+"/g)!
    .map((text) => text.slice(22, -1));

t.test('a time for each condition', async (t) => {
  const clock = new ConditionTimes();
  const first = clock.stamp(
    'a',
    { conditions: [condition('X', 'True'), condition('Y', 'True')] },
    1500,
  );
  t.strictSame(times(first), ['1970-01-01T00:00:01Z', '1970-01-01T00:00:01Z']);
  const second = clock.stamp(
    'a',
    { conditions: [condition('Y', 'False'), condition('X', 'True', 'another')] },
    9000,
  );
  t.strictSame(times(second), ['1970-01-01T00:00:09Z', '1970-01-01T00:00:01Z'], 'order is nothing');
  const back = clock.stamp('a', { conditions: [condition('Y', 'True')] }, 20_000);
  t.strictSame(times(back), ['1970-01-01T00:00:20Z']);
});

t.test('of entries by name, and of resources by key', async (t) => {
  const clock = new ConditionTimes();
  const listener = (name: string, status: string) => ({
    name,
    conditions: [condition('X', status)],
  });
  clock.stamp('a', { listeners: [listener('one', 'True'), listener('two', 'True')] }, 1000);
  const next = { listeners: [listener('two', 'True'), listener('one', 'False')] };
  t.strictSame(times(clock.stamp('a', next, 5000)), [
    '1970-01-01T00:00:01Z',
    '1970-01-01T00:00:05Z',
  ]);
  t.strictSame(times(clock.stamp('b', next, 7000)), [
    '1970-01-01T00:00:07Z',
    '1970-01-01T00:00:07Z',
  ]);
  clock.keepOnly(new Set(['b']));
  t.strictSame(times(clock.stamp('a', next, 9000)), [
    '1970-01-01T00:00:09Z',
    '1970-01-01T00:00:09Z',
  ]);
});
