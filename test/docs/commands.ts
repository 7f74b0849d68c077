/** Commands of documents, run as they stand. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { importWeights } from '@layermill/weights'
import sharp from 'sharp'
import { type RedisService, startRedis } from '../../scripts/services/redis.mjs'
import { cliFile, runCli } from '../helpers/cli.js'

/** The code blocks of a language in a document, in their order. */
export function blocksOf(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].filter(match => match[1] === language).map(match => match[2]!)
}

/** The commands of a document's shell blocks, without comments. */
export function commandsOf(text: string): string[] {
  return blocksOf(text, 'sh')
    .flatMap(block => block.split('\n'))
    .map(line => line.replace(/\s+#.*$/, '').trim())
    .filter(line => line !== '' && !line.startsWith('#'))
}

/** A command line's words, with single quotes as a shell takes them. */
export function wordsOf(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(match => match[1] ?? match[2]!)
}

/** A picture of stripes or of plain colour, different for each index. */
async function writePicture(file: string, index: number, striped: boolean): Promise<void> {
  const pixels = Buffer.alloc(160 * 120 * 3)
  for (let i = 0; i < pixels.length; i++) pixels[i] = striped && Math.floor(i / 3 / 8) % 2 === 0 ? 230 - index : 60 + 7 * index
  await sharp(pixels, { raw: { width: 160, height: 120, channels: 3 } }).toFile(file)
}

/**
 * A folder in which a document's commands run, with pictures by the names that documents use and weights where `imagenet` finds them, since
 * the published ones cannot be fetched in a test. Redis and ports are the tests' own where a document names the usual ones.
 */
export class DocumentFolder {
  readonly env: Record<string, string>
  private readonly servers: ChildProcess[] = []
  /** Words of a document, and the words that are meant here instead. */
  private readonly replacements = new Map<string, string>([['8080', '0']])
  private redis: RedisService | undefined

  private constructor(readonly path: string) {
    this.env = { ...(process.env as Record<string, string>), LAYERMILL_HOME: join(path, 'home') }
  }

  static async make(name: string, models: readonly string[]): Promise<DocumentFolder> {
    const folder = new DocumentFolder(await mkdtemp(join(tmpdir(), `layermill-${name}-`)))
    await mkdir(join(folder.path, 'photos'))
    for (const [i, file] of ['disc-01.jpg', 'stripe-01.jpg', 'stripe-02.png'].entries())
      await writePicture(join(folder.path, 'photos', file), i, i > 0)
    for (const kind of ['cats', 'dogs']) {
      await mkdir(join(folder.path, 'pets', kind), { recursive: true })
      for (let i = 0; i < 8; i++) await writePicture(join(folder.path, 'pets', kind, `${i}.png`), i, kind === 'cats')
    }
    for (const model of models) await importWeights('random:1', model, undefined, { home: folder.env['LAYERMILL_HOME'] })
    return folder
  }

  /** Takes other words for what a document says, in all commands from here on. */
  instead(said: string, meant: string): void {
    this.replacements.set(said, meant)
  }

  /** A document's text with what is meant here in it. */
  meant(text: string): string {
    return [...this.replacements]
      .filter(([said]) => said.length > 4)
      .reduce((changed, [said, meant]) => changed.replaceAll(said, meant), text)
  }

  private async words(command: string): Promise<string[]> {
    const words = wordsOf(command)
    const usual = 'redis://localhost:6379'
    if (words.includes(usual) && !this.replacements.has(usual)) {
      // Of this document alone: the workers of other tests would take its jobs.
      this.redis = await startRedis()
      this.replacements.set(usual, this.redis.url)
    }
    return words.map(word => this.replacements.get(word) ?? this.meant(word))
  }

  /** Runs a command of Layermill to its end, and gives what it printed. @throws where it fails */
  async run(command: string): Promise<string> {
    const { code, stdout, stderr } = await runCli((await this.words(command)).slice(2), { cwd: this.path, env: this.env })
    if (code !== 0) throw new Error(`${command} ended with ${code}:\n${stdout}${stderr}`)
    return stdout
  }

  /** Starts a command that goes on, of Layermill or of Node.js, and waits until it says what matches; by default anything. */
  async start(command: string, pattern = /./): Promise<{ found: string; output: () => string }> {
    const words = await this.words(command)
    const server = spawn(process.execPath, words[0] === 'npx' ? [cliFile, ...words.slice(2)] : words.slice(1), {
      cwd: this.path,
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.servers.push(server)
    let output = ''
    const found = await new Promise<string>((resolve, reject) => {
      const hear = (text: string): void => {
        output += text
        const match = pattern.exec(output)
        if (match !== null) resolve(match[1] ?? match[0])
      }
      for (const stream of [server.stdout, server.stderr]) stream.setEncoding('utf8').on('data', hear)
      server.on('exit', code => reject(new Error(`${command} ended with ${code}:\n${output}`)))
    })
    return { found, output: () => output }
  }

  async remove(): Promise<void> {
    for (const server of this.servers.toReversed()) {
      server.kill('SIGTERM')
      if (server.exitCode === null) await once(server, 'exit')
    }
    await this.redis?.stop()
    await rm(this.path, { recursive: true, force: true })
  }
}
