/** Completion in the shells themselves. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, it } from 'vitest'
import { cliFile, runCli } from '../../helpers/cli.js'
import { succeeded } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'

const execute = promisify(execFile)
const folder = testFolder('completion')
let environment: NodeJS.ProcessEnv = {}
let home = ''

beforeAll(async () => {
  // `layermill` as an installed package has it, and a home with a schedule.
  home = join(await folder(), 'home')
  const bin = join(await folder(), 'bin')
  await mkdir(bin)
  await writeFile(join(bin, 'layermill'), `#!/bin/sh\nexec "${process.execPath}" "${cliFile}" "$@"\n`)
  await chmod(join(bin, 'layermill'), 0o755)
  await mkdir(join(home, 'state', 'schedules'), { recursive: true })
  await writeFile(join(home, 'state', 'schedules', 'nightly.json'), '{}')
  await mkdir(join(await folder(), 'photos'))
  environment = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}`, LAYERMILL_HOME: home, HOME: home }
})

/** Words that a real bash offers for the last of these. */
async function offered(words: readonly string[]): Promise<string[]> {
  const script = join(await folder(), 'layermill.bash')
  await writeFile(script, succeeded(await runCli(['completion', 'bash'])).stdout)
  const program = `source "$1"; shift
complete -p layermill >/dev/null
COMP_WORDS=(layermill "$@"); COMP_CWORD=$#
_layermill
printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout } = await execute('bash', ['--norc', '-c', program, 'bash', script, ...words], { env: environment, cwd: await folder() })
  return stdout.split('\n').filter(line => line !== '')
}

it.each([
  [['ext'], ['extract']],
  [['schedule', 'p'], ['pause']],
  [
    ['extract', 'photos', '--re'],
    [
      '--request-payer',
      '--reduce',
      '--reduce-sample',
      '--reduction',
      '--report',
      '--resample',
      '--retry-failed',
      '--require-cpu',
      '--registry',
    ],
  ],
  [
    ['extract', '--pool', ''],
    ['none', 'avg', 'max'],
  ],
  [['extract', '--pool', '=', 'a'], ['avg']],
  [
    ['predict', '--model', 'googlenet'],
    ['googlenet', 'googlenet.tv'],
  ],
  [
    ['extract', '--model', 'resnet50', '--layers', 'res5,pool'],
    ['res5,pool1', 'res5,pool5'],
  ],
  [['schedule', 'show', 'n'], ['nightly']],
  [['extract', 'pho'], ['photos']],
  [['completion', 'z'], ['zsh']],
  [['extract', '--nothing-of-that-name', 'x', '--pool', 'm'], ['max']],
])('bash offers for %j: %j', async (words, expected) => {
  expect((await offered(words)).toSorted()).toEqual(expected.toSorted())
})

it.each(['bash', 'zsh', 'fish'])('%s takes its script, where the machine has it', async shell => {
  const there = await execute('which', [shell]).then(
    () => true,
    () => false,
  )
  const { stdout } = succeeded(await runCli(['completion', shell]))
  expect(stdout).toContain('complete-words')
  if (!there) return
  const script = join(await folder(), `script.${shell}`)
  await writeFile(script, stdout)
  await expect(execute(shell, ['-n', script])).resolves.toMatchObject({ stderr: '' })
})

it('refuses another shell by name', async () => {
  expect(await runCli(['completion', 'tcsh'])).toMatchObject({ stderr: expect.stringContaining('expected one of bash, zsh, fish') })
})
