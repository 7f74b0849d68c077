import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openEngine } from './open.js'

const resolve = (name: string): string => pathToFileURL(createRequire(import.meta.url).resolve(name)).href

/** Runs a script in a process of its own, with an engine, a network that takes a while, and its weights and images at hand. */
function runScript(body: string): Promise<{ code: number | string | null; stdout: string; stderr: string }> {
  const script = `
    import { openEngine } from ${JSON.stringify(resolve('@layermill/engines'))}
    import { tinyImages, tinyNetwork, tinyWeights, node } from ${JSON.stringify(resolve('@layermill/engines/tiny'))}
    const nodes = Array.from({ length: 6 }, (_, i) =>
      node('conv', 'conv' + i, [i === 0 ? 'input' : 'conv' + (i - 1)], { outChannels: 64, kernel: [3, 3], stride: [1, 1], pad: [1, 1] }))
    const network = tinyNetwork(nodes, [224, 224])
    const engine = await openEngine({ threads: 2 })
    const extractor = await engine.extractor(network, tinyWeights(network), ['conv5'])
    const images = tinyImages(4, [224, 224])
    ${body}`
  return new Promise(resolveRun => {
    execFile(process.execPath, ['--input-type=module', '-e', script], { timeout: 240_000 }, (error, stdout, stderr) => {
      resolveRun({ code: error === null ? 0 : (error.code ?? error.signal ?? null), stdout, stderr })
    })
  })
}

describe('a process with an engine', () => {
  it('exits by itself although the engine was not closed', async () => {
    const result = await runScript("const r = await extractor.run(images); console.log(r.get('conv5').shape.join())")
    expect(result).toEqual({ code: 0, stdout: '4,64,224,224\n', stderr: '' })
  })

  it('stays alive until what is pending is done', async () => {
    const result = await runScript("void extractor.run(images).then(() => console.log('done'))")
    expect(result).toEqual({ code: 0, stdout: 'done\n', stderr: '' })
  })

  it('exits with its own code when it exits during a run', async () => {
    const result = await runScript('void extractor.run(images); setTimeout(() => process.exit(7), 30)')
    expect(result).toEqual({ code: 7, stdout: '', stderr: '' })
  })

  it('exits by itself after closing', async () => {
    const result = await runScript("await extractor.run(images); await engine.close(); console.log('closed')")
    expect(result).toEqual({ code: 0, stdout: 'closed\n', stderr: '' })
  })
})

describe('openEngine', () => {
  it('takes the cpu where auto finds nothing better, and says what it tried', async () => {
    const engine = await openEngine({ device: 'auto' })
    expect(engine.name).toBe('onnx')
    expect(engine.version).toMatch(/^onnxruntime \d+\.\d+\.\d+$/)
    expect(engine.report).toContain(`using ${engine.device}`)
    expect(engine.report).toMatch(/^(using cuda|no NVIDIA GPU; .*|cuda is not available \(.+\); .*)$/)
    await engine.close()
  })

  it("keeps float32 exact on GPUs of NVIDIA's, unless somebody chose otherwise", async () => {
    const script = (before: string): string => `${before}
      await openEngine({ device: 'cuda' }).then(cuda => cuda.close(), () => undefined)
      await engine.close()
      console.log(process.env.NVIDIA_TF32_OVERRIDE)`
    expect(
      await runScript(
        script("await openEngine({ device: 'cpu' }).then(cpu => cpu.close()); if ('NVIDIA_TF32_OVERRIDE' in process.env) process.exit(9)"),
      ),
    ).toMatchObject({ code: 0, stdout: '0\n' })
    expect(await runScript(script("process.env.NVIDIA_TF32_OVERRIDE = '1'"))).toMatchObject({ code: 0, stdout: '1\n' })
  })

  it('refuses an engine it does not have and threads that are no number of threads', async () => {
    await expect(openEngine({ engine: 'torch' as 'onnx' })).rejects.toMatchObject({ code: 'ENGINE_UNKNOWN' })
    await expect(openEngine({ device: 'cpu-portable' })).rejects.toMatchObject({
      code: 'DEVICE_UNAVAILABLE',
      hint: 'give --engine tfjs as well',
    })
    await expect(openEngine({ engine: 'tfjs', device: 'webgpu' })).rejects.toThrow(
      'engine tfjs has no device webgpu; expected auto, cuda, cpu, cpu-portable',
    )
    await expect(openEngine({ threads: 0 })).rejects.toMatchObject({ code: 'ENGINE_THREADS' })
    await expect(openEngine({ threads: 1.5 })).rejects.toThrow(/1\.5/)
  })
})
