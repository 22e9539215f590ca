// Memory stays flat under edits and reconnects: the benchmark's soak, cut short.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { growth, soak, soakReport } from './soak.js';

t.test(
  '300 edits and 200 reconnects leave no more than a tenth',
  { timeout: 120_000 },
  async (t) => {
    const dist = join(fileURLToPath(new URL('../..', import.meta.url)), 'dist');
    const result = await soak({ edits: 300, reconnects: 200, dist });
    t.comment(soakReport(result));
    t.ok(growth(result) <= 0.1, soakReport(result));
    t.equal(result.down, 0, 'nobody lost its stream');
    // To connect takes 160; on a busy machine many edits meet in one turn.
    t.ok(result.responses > 500, 'and the edits came to them');
  },
);
