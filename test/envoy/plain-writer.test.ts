// Every sort of value is written as protobufjs writes it.
import fc from 'fast-check';
import protobuf from 'protobufjs/light.js';
import t from 'tap';
import { PlainWriter } from '../../src/envoy/plain-writer.js';

const kinds = ['uint32', 'int32', 'sint32', 'fixed32', 'float', 'double', 'bool'] as const;
const wide = ['uint64', 'sint64', 'fixed64'] as const;

type Step =
  | { kind: (typeof kinds)[number] | (typeof wide)[number]; value: number }
  | { kind: 'string'; value: string }
  | { kind: 'bytes'; value: Uint8Array }
  | { kind: 'nested'; value: Step[] };

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const { nested } = fc.letrec<{ step: Step; nested: Step[] }>((tie) => ({
  step: fc.oneof(
    fc.record({ kind: fc.constantFrom(...kinds), value: int32 }),
    fc.record({ kind: fc.constantFrom(...wide), value: fc.maxSafeInteger() }),
    fc.record({
      kind: fc.constant('string' as const),
      value: fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ maxLength: 60 })),
    }),
    fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 200 }) }),
    fc.record({ kind: fc.constant('nested' as const), value: tie('nested') }),
  ) as fc.Arbitrary<Step>,
  nested: fc.array(tie('step'), { maxLength: 8 }),
}));

function write(writer: PlainWriter, steps: readonly Step[]): void {
  for (const step of steps) {
    if (step.kind === 'nested') {
      const start = writer.startDelimited();
      write(writer, step.value);
      writer.endDelimited(start);
    } else if (step.kind === 'bool') writer.bool(Boolean(step.value));
    else writer[step.kind](step.value as never);
  }
}

function writeOther(writer: protobuf.Writer, steps: readonly Step[]): void {
  for (const step of steps) {
    if (step.kind === 'nested') {
      writer.fork();
      writeOther(writer, step.value);
      writer.ldelim();
    } else if (step.kind === 'bool') writer.bool(Boolean(step.value));
    else writer[step.kind](step.value as never);
  }
}

t.test('the same bytes as protobufjs', async (t) => {
  const writer = new PlainWriter();
  fc.assert(
    fc.property(nested, (steps) => {
      const other = protobuf.Writer.create();
      writeOther(other, steps);
      writer.begin();
      write(writer, steps);
      if (!writer.finish().equals(other.finish())) throw new Error('they differ');
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

t.test('more than fits, and what was begun is undone', async (t) => {
  const writer = new PlainWriter();
  for (const size of [100_000, 20_000_000]) {
    writer.begin();
    writer.uint32(1);
    const start = writer.pos;
    writer.string('not to be seen');
    writer.pos = start;
    const body = writer.startDelimited();
    writer.raw(Buffer.alloc(size, 7));
    writer.endDelimited(body);
    const other = protobuf.Writer.create().uint32(1).bytes(Buffer.alloc(size, 7));
    t.ok(writer.finish().equals(other.finish()), `${size} bytes`);
  }
  writer.begin();
  writer.bool(true);
  t.strictSame([...writer.finish()], [1]);
});
