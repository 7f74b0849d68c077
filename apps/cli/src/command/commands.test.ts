/** Every command of the program, held against the form that its help promises. */
import { ExtractSpec, FinetuneSpec, PredictSpec, runStates } from '@layermill/contracts'
import { metrics } from '@layermill/orchestrator/features'
import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { commands } from '../commands/index.js'
import { addCommands } from './build.js'
import { type CommandDefinition, commandGroups, type Flag, flagGroups, flagsOf, longName, takesValue } from './command.js'
import { defaultText } from './help.js'

interface Walked {
  readonly path: string
  readonly definition: CommandDefinition
  readonly flags: readonly Flag[]
}

async function walk(definitions: readonly CommandDefinition[], above = ''): Promise<Walked[]> {
  const found = definitions.map(async (definition): Promise<Walked[]> => {
    const path = `${above}${definition.name}`
    return [{ path, definition, flags: await flagsOf(definition) }, ...(await walk(definition.commands ?? [], `${path} `))]
  })
  return (await Promise.all(found)).flat()
}

const all = await walk(commands)
const flags = all.flatMap(({ path, flags: own }) => own.map(flag => ({ name: `${path} ${longName(flag)}`, flag })))

const program = new Command('layermill')
const output = { line: () => undefined, json: () => undefined, note: () => undefined }
await addCommands(program, commands, () => true, { output, result: { exitCode: 0 } })

/** Words that no description begins with: it begins with a noun or a verb. */
const neverFirst = [
  'a an the what who where whoever when how why which whether of as in on at by for to with from is are also only not no it its that this',
  'these those such some any if and or while because default',
].flatMap(line => line.split(' '))
const firstWord = (text: string): string | undefined => /^\w+/.exec(text)?.[0].toLowerCase()

describe.each(flags)('$name', ({ flag }) => {
  it('has a group, and a description that begins with a noun or a verb', () => {
    expect(flagGroups).toContain(flag.group)
    expect(flag.text).toMatch(/^[a-z.]/i)
    expect(neverFirst).not.toContain(firstWord(flag.text))
    // The help says it after the description.
    expect(flag.text).not.toMatch(/default:/i)
  })

  it('has one default, or says that it is required', () => {
    const ways = [flag.required === true ? 'required' : undefined, flag.needed, flag.value, flag.otherwise].filter(way => way !== undefined)
    if (takesValue(flag)) expect(ways).toHaveLength(1)
    else expect(ways).toEqual([])
    const { choices, several } = flag
    const given = flag.value ?? flag.otherwise
    if (choices !== undefined && given !== undefined && several !== true)
      expect(choices.includes(given) || /^(all|none)$|'s own/.test(given), given).toBe(true)
  })
})

describe.each(all)('layermill $path', ({ path, definition, flags: own }) => {
  it('has a description, and an example where it does something', () => {
    expect(neverFirst).not.toContain(firstWord(definition.text))
    if (definition.action !== undefined) expect(definition.examples.length).toBeGreaterThan(0)
    if (!path.includes(' ') && definition.hidden !== true) expect(commandGroups).toContain(definition.group)
    else expect(definition.group).toBeUndefined()
  })

  it('names each flag once, and in its examples only flags that there are', () => {
    const names = own.map(longName)
    expect(names).toEqual([...new Set(names)])
    for (const example of definition.examples) {
      const target = all.filter(({ path: other }) => example.startsWith(other)).toSorted((a, b) => b.path.length - a.path.length)[0]
      expect(target, example).toBeDefined()
      const known = target!.flags.flatMap(({ flag }) => flag.match(/--?[a-z0-9][a-z0-9-]*/g) ?? [])
      for (const [, name] of example.matchAll(/(?<=\s)(--?[a-z][a-z0-9-]*)/g)) expect(known, example).toContain(name)
    }
  })

  it('tells choices and defaults in its help', () => {
    const command = path
      .split(' ')
      .reduce((above, name) => above.commands.find(below => below.name() === name)!, program)
      .configureHelp({ helpWidth: 10_000 })
    const help = command.helpInformation()
    for (const flag of own) {
      const line = help.split('\n').find(text => text.trimStart().startsWith(flag.flag))
      if (flag.hidden === true) expect(line).toBeUndefined()
      else {
        expect(line).toContain(defaultText(flag))
        for (const choice of flag.choices ?? []) expect(line).toContain(choice)
      }
    }
  })
})

describe('closed sets', () => {
  const choicesOf = (path: string, name: string): readonly string[] | undefined =>
    all.find(walked => walked.path === path)?.flags.find(flag => longName(flag) === name)?.choices

  it.each([
    ['extract', ExtractSpec.shape, 9],
    ['predict', PredictSpec.shape, 5],
    ['finetune', FinetuneSpec.in.shape, 8],
  ] as const)('%s has the choices of its spec', (path, shape, count) => {
    let found = 0
    for (const [field, schema] of Object.entries<z.ZodType>(shape)) {
      // JSON Schema is another way to the same sets.
      const { enum: values, items } = schema.toJSONSchema({ io: 'input', unrepresentable: 'any' }) as {
        enum?: string[]
        items?: { enum?: string[] }
      }
      const set = values ?? items?.enum
      if (set === undefined) continue
      found++
      expect(choicesOf(path, `--${field.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`), field).toEqual(set)
    }
    expect(found).toBeGreaterThanOrEqual(count)
  })

  it.each([
    ['similar', '--metric', metrics],
    ['runs list', '--state', runStates],
    ['runs list', '--kind', ['extract', 'predict', 'finetune']],
    ['worker', '--device', ExtractSpec.shape.device.unwrap().options],
    ['worker', '--engine', ExtractSpec.shape.engine.unwrap().options],
  ])('%s %s', (path, name, expected) => {
    expect(choicesOf(path, name)).toEqual(expected)
  })
})
