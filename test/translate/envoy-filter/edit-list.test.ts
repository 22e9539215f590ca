// The operations on single members of a list, after the API's description of each.
import t from 'tap';
import type { EnvoyFilterPatch, Operation } from '../../../src/mesh/envoy-patch.js';
import { editList, type ListEdit } from '../../../src/translate/envoy-filter/edit-list.js';

const items = ['a', 'b', 'end'];

const edit = (operation: Operation, options: Partial<ListEdit<string>> = {}) =>
  editList(items, { operation } as EnvoyFilterPatch, { value: 'new', ...options });
const at = (name: string) => ({ anchor: (item: string) => item === name });
const isTerminal = (item: string) => item === 'end';

t.test('each operation, with and without an anchor', async (t) => {
  const table: [Operation, Partial<ListEdit<string>>, string | undefined][] = [
    ['ADD', {}, 'a b end new'],
    ['ADD', { isTerminal }, 'a b new end'],
    ['ADD', { isTerminal, value: 'end' }, 'a b end end'],
    ['INSERT_FIRST', {}, 'new a b end'],
    ['INSERT_FIRST', at('x'), 'new a b end'],
    ['INSERT_FIRST', { ...at('x'), firstNeedsAnchor: true }, undefined],
    ['INSERT_FIRST', { ...at('b'), firstNeedsAnchor: true }, 'new a b end'],
    ['INSERT_BEFORE', {}, 'new a b end'],
    ['INSERT_BEFORE', at('b'), 'a new b end'],
    ['INSERT_BEFORE', at('x'), undefined],
    ['INSERT_AFTER', {}, 'a b end new'],
    ['INSERT_AFTER', { isTerminal }, 'a b new end'],
    ['INSERT_AFTER', at('a'), 'a new b end'],
    ['INSERT_AFTER', { ...at('end'), isTerminal }, 'a b new end'],
    ['INSERT_AFTER', at('x'), undefined],
    ['REPLACE', at('b'), 'a new end'],
    ['REPLACE', at('x'), undefined],
    ['REPLACE', {}, undefined],
    ['REMOVE', at('a'), 'b end'],
    ['REMOVE', at('x'), undefined],
    ['REMOVE', {}, undefined],
    ['MERGE', at('a'), undefined],
  ];
  for (const [operation, options, expected] of table) {
    const what = `${operation} ${JSON.stringify(Object.keys(options))}`;
    t.equal(edit(operation, options)?.join(' '), expected, what);
  }
});
