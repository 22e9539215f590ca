// One process that runs many command lines, one after the other, as program.ts does, and sends what each printed: a
// process for each would take most of a minute. Started by run-cli.ts.
import { runProgram } from '../../src/cli/program.js';

const write = { stdout: process.stdout.write, stderr: process.stderr.write };

async function run(words: readonly string[]) {
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    process[name].write = (chunk: string | Uint8Array) => {
      text[name] += chunk.toString();
      return true;
    };
  }
  process.exitCode = 0;
  await runProgram(words);
  const code = Number(process.exitCode);
  process.exitCode = 0;
  Object.assign(process.stdout, { write: write.stdout });
  Object.assign(process.stderr, { write: write.stderr });
  return { code, ...text };
}

let queue: Promise<void> = Promise.resolve();
process.on('message', ({ id, words }: { id: number; words: string[] }) => {
  queue = queue.then(async () => {
    process.send?.({ id, ...(await run(words)) });
  });
});
