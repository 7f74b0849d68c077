import { readdir } from 'node:fs/promises'
import type { Device } from './engine.js'

/** Device files of drivers: NVIDIA's own, and Direct3D in WSL. */
const nvidia = /^(nvidia\d+|nvidiactl|dxg)$/
/** Render nodes of any graphics driver. */
const render = /^renderD\d+$/

const names = async (folder: string): Promise<string[]> => readdir(folder).catch(() => [])

/**
 * The devices worth trying, best first. On Linux a GPU shows as a device file; without one, loading its runtime would only cost time and
 * have its loader complain on the terminal.
 */
export async function candidateDevices(
  platform: NodeJS.Platform = process.platform,
  devices = '/dev',
): Promise<{ candidates: Device[]; report: string[] }> {
  if (platform !== 'linux') return { candidates: ['cuda', 'webgpu', 'cpu'], report: [] }
  const files = await names(devices)
  const cuda = files.some(name => nvidia.test(name))
  const webgpu = cuda || (await names(`${devices}/dri`)).some(name => render.test(name))
  return {
    candidates: [...(cuda ? ['cuda' as const] : []), ...(webgpu ? ['webgpu' as const] : []), 'cpu'],
    report: [...(cuda ? [] : ['no NVIDIA GPU']), ...(webgpu ? [] : ['no graphics device for webgpu'])],
  }
}
