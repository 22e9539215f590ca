// The one error class for what goes wrong in the world (ports, directories, processes). Users' mistakes are
// Problems (kinds/problem.ts); our own bugs are assertions.

/** An expected failure of the surroundings, with a code that scripts can test and a message for people. */
export class ControlPlaneError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ControlPlaneError';
    this.code = code;
  }
}

/** Ends a switch over a union: a case that was forgotten is a compile error, and a loud one at run time. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}

/** The message of anything thrown. */
export function errorMessage(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
