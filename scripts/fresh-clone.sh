#!/usr/bin/env bash
# The promise of the README: in a fresh clone, `npm run demo` is the only command. Clones HEAD into an empty folder,
# runs the demo there for a few seconds, and looks for an answer that came through the mesh.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git clone -q . "$folder/fairlead"
cd "$folder/fairlead"
echo "> fresh clone: npm run demo"
timeout 300 npm run --silent demo -- --seconds 5 | tee "$folder/demo.log"
grep -q 'first answer through the mesh' "$folder/demo.log"

# And what the registry would hand out works in a project of its own.
timeout 300 node scripts/pack-test.mjs
