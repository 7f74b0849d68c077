/**
 * Vulkan without a GPU: SwiftShader, which Debian's chromium brings. Nothing to start: programs find it by the file named here.
 */
import { access } from 'node:fs/promises'

/** File in which Debian's chromium keeps the description of its Vulkan driver. */
const driverFile = '/usr/lib/chromium/vk_swiftshader_icd.json'

/**
 * @returns {Promise<{ driverFile: string, stop: () => Promise<void> }>} the value of VK_DRIVER_FILES that makes Vulkan use SwiftShader
 * @throws {Error} where chromium is not installed or came without it
 */
export async function findSwiftshader() {
  await access(driverFile).catch(() => {
    throw new Error(`${driverFile} is missing; the Debian package chromium brings it`)
  })
  return { driverFile, stop: async () => undefined }
}
