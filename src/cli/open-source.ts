// The source that `--config` and `--mesh-config` mean.
import { DirectorySource } from '../config/directory.js';
import { MeshConfigFile } from '../config/mesh-config-file.js';
import type { Source } from '../config/source.js';

/** A directory; with a MeshConfig file beside it where one is given. */
export function openSource(directory: string, meshConfigFile?: string): Source {
  const source = new DirectorySource(directory);
  return meshConfigFile === undefined ? source : new MeshConfigFile(source, meshConfigFile);
}
