#!/usr/bin/env node
// The process of the command line. The commands are in program.ts.
import { runProgram } from './program.js';

// `fairlead … | head`: nobody reads the rest, which is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

await runProgram(process.argv.slice(2));
