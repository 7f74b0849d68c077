import { afterEach, expect, it, vi } from 'vitest'
import { runProgram } from './program.js'

afterEach(() => vi.restoreAllMocks())

/** Notes and the exit code of a command line that is refused before anything is read. */
async function refused(...args: string[]): Promise<{ code: number; notes: string[] }> {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const notes: string[] = []
  const code = await runProgram(args, { line: () => undefined, json: () => undefined, note: text => void notes.push(text) })
  return { code, notes }
}

it.each([
  [['extract', 'photos/a.jpg', 'photos/b.jpg', '--model', 'resnet50'], 'layermill extract "photos/*.jpg"'],
  [['predict', 'a.png', 'b.png', 'c.png', 'd.png'], 'layermill predict "*.png"'],
  [['finetune', '--model', 'resnet50', 'pets/x.tar', 'pets/y.tar'], 'layermill finetune "pets/*.tar"'],
  [['extract', '--model', 'resnet50.tv', 'a.jpg', 'b.jpg', '--out', 'features'], 'layermill extract "*.jpg"'],
  [['predict', '--json', '/data/p/a.jpg', '/data/p/b.png', '--model', 'vgg16'], 'layermill predict "/data/p/*"'],
])('says that a pattern wants quotes: %j', async (args, expected) => {
  const { code, notes } = await refused(...args)
  expect(code).toBe(2)
  expect(notes).toHaveLength(1)
  expect(notes[0]).toContain(`put a pattern in quotes, as in ${expected}, so that`)
})

it.each([
  [['extract', 'photos', 'more', '--model', 'resnet50']],
  [['predict', 'a/x.jpg', 'b/y.jpg']],
  [['extract', 'photos', '--modle', 'resnet50']],
])('does not guess at a pattern: %j', async args => {
  expect(await refused(...args)).toEqual({ code: 2, notes: [] })
})
