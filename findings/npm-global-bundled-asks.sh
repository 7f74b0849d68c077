#!/usr/bin/env bash
# npm 11.19.1: where a package brings another one inside itself (bundleDependencies) and that one asks for a third package, which the
# outer package asks for too but does not bring, `npm install -g` of the pack leaves an empty folder in the third one's place.
#
# Expected: the third package, from the registry, as an installation into a project has it; or an error.
# Seen: `npm install -g` ends with 0 and without a warning, the third package's folder has no file, and the program fails at its first
# require. npm install of the same pack into a project works. A pack whose bundled package asks for nothing (the outer one's dependency
# serves it all the same) works both ways: the control.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir tool && (cd tool && npm init -y >/dev/null && npm install --silent --no-audit --no-fund npm@11.19.1)
npm=$folder/tool/node_modules/npm/bin/npm-cli.js

make() { # NAME, and what the bundled package asks for
  mkdir -p "$1/node_modules/inner"
  cat >"$1/package.json" <<JSON
{"name": "$1", "version": "1.0.0", "bin": "main.js", "dependencies": {"inner": "1.0.0", "ms": "2.1.3"}, "bundleDependencies": ["inner"]}
JSON
  printf '#!/usr/bin/env node\nconsole.log(require("inner"))\n' >"$1/main.js"
  echo "{\"name\": \"inner\", \"version\": \"1.0.0\", \"main\": \"index.js\", \"dependencies\": $2}" >"$1/node_modules/inner/package.json"
  echo 'module.exports = require("ms")(60000)' >"$1/node_modules/inner/index.js"
  (cd "$1" && node "$npm" pack --silent --ignore-scripts --pack-destination .. >/dev/null)
}
says() { node "$1" 2>/dev/null || echo fails; }

make asking '{"ms": "2.1.3"}'
make plain '{}'
seen=
for name in asking plain; do
  node "$npm" install -g --silent --no-audit --no-fund --prefix "$folder/global-$name" "./$name-1.0.0.tgz"
  mkdir "project-$name" && echo '{"private": true}' >"project-$name/package.json"
  (cd "project-$name" && node "$npm" install --silent --no-audit --no-fund "../$name-1.0.0.tgz")
  installed=global-$name/lib/node_modules/$name
  seen+="$name: global $(says "$installed/main.js"), files of ms $(find "$installed/node_modules/ms" -type f 2>/dev/null | wc -l); "
  seen+="project $(says "project-$name/node_modules/$name/main.js")"$'\n'
done
printf '%s' "$seen"
expected=$'asking: global fails, files of ms 0; project 1m\nplain: global 1m, files of ms 4; project 1m\n'
if [ "$seen" != "$expected" ]; then
  printf 'changed; stated:\n%s' "$expected" >&2
  exit 1
fi
