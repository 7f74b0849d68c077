import type { Device } from '../engine.js'
import { openEngine } from '../open.js'
import { engineContract, engineLeftOut } from '../testing/engine-contract.js'

/** Devices that this machine is known to have: `LAYERMILL_TEST_DEVICES=cpu,webgpu`. */
const named = (process.env['LAYERMILL_TEST_DEVICES'] ?? 'cpu').split(',')
const devices: readonly Device[] = ['cpu', 'cuda', 'webgpu']
const opener = (device: Device) => () => openEngine({ device, threads: 2 })

for (const device of devices.filter(name => named.includes(name))) {
  engineContract(`onnx on ${device}`, opener(device), { networks: device !== 'cpu' })
}
for (const device of devices.filter(name => !named.includes(name))) {
  engineLeftOut(`onnx on ${device}`, opener(device), `LAYERMILL_TEST_DEVICES does not name ${device}`)
}
