// The three edits that the demo suggests, with the line in the file where each is made: found in
// the file as it is now, so that the advice stays right after the user's own edits.
import { readFileSync } from 'node:fs';

/** One edit to try. */
export interface SuggestedEdit {
  title: string;
  /** `FILE:LINE`; the file alone when the place is not found. */
  where: string;
  what: string;
}

/** The edits for a routing.yaml, to be shown with the URL of the frontend. */
export function suggestedEdits(file: string, frontendUrl: string): SuggestedEdit[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  const at = (pattern: RegExp, after = 0) => {
    const index = lines.findIndex((line, i) => i >= after && pattern.test(line));
    return index < 0 ? file : `${file}:${index + 1}`;
  };
  const mainRoute = Math.max(
    0,
    lines.findIndex((line) => /^\s*- route:/.test(line)),
  );
  return [
    {
      title: 'shift the weights',
      where: at(/^\s*weight: \d+/, mainRoute),
      what: 'change the weights 90 and 10 to 50 and 50',
    },
    {
      title: 'send a test user to v2',
      where: at(/^\s*(# )?- match:/),
      what: `remove the # from that block, then: curl -H 'end-user: tester' ${frontendUrl}`,
    },
    {
      title: 'inject a fault',
      where: at(/^\s*(# )?fault:/),
      what: 'remove the # from that block: every fifth call fails with 503',
    },
  ];
}
