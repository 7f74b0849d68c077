// Assembles each .wat below libs/*/wasm and apps/*/wasm into a module of its package's sources, at the same place in src. Run it after
// changing one: `node scripts/wasm/assemble.mjs`.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import openWabt from 'wabt'

/** The bytes of a text module, in base64. */
export async function assemble(path) {
  const wabt = await openWabt()
  const module = wabt.parseWat(basename(path), readFileSync(path, 'utf8'), { simd: true, threads: true })
  return Buffer.from(module.toBinary({}).buffer).toString('base64')
}

const root = new URL('../../', import.meta.url).pathname

/** Every text module of the project. */
export function textModules() {
  const packages = ['libs', 'apps'].flatMap(kind => readdirSync(`${root}${kind}`).map(name => `${root}${kind}/${name}`))
  return packages.flatMap(home => {
    const folder = `${home}/wasm`
    let names
    try {
      names = readdirSync(folder, { encoding: 'utf8', recursive: true })
    } catch {
      return []
    }
    return names
      .filter(name => name.endsWith('.wat'))
      .map(name => {
        const stem = basename(name, '.wat')
        return {
          path: `${folder}/${name}`,
          source: `wasm/${name}`,
          constant: `${stem}Wasm`,
          target: `${home}/src/${name.slice(0, -'.wat'.length)}-wasm.ts`,
        }
      })
  })
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  for (const { path, source, constant, target } of textModules()) {
    const lines = (await assemble(path))
      .match(/.{1,120}/g)
      .map(line => `  '${line}'`)
      .join(' +\n')
    writeFileSync(
      target,
      `/** ${source}, assembled by scripts/wasm/assemble.mjs (a test compares the two). Do not edit. */\nexport const ${constant} =\n${lines}\n`,
    )
  }
}
