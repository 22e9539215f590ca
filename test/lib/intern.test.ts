// Interning: one object for equal keys.
import t from 'tap';
import { interner } from '../../src/lib/intern.js';

t.test('the first object of a key is given for all', async (t) => {
  const intern = interner<{ n: number }>();
  const first = intern('a', { n: 1 });
  t.equal(intern('a', { n: 1 }), first);
  t.not(intern('b', { n: 1 }), first);
  t.not(interner<{ n: number }>()('a', { n: 1 }), first, 'tables know nothing of each other');
});
