import type { CommandDefinition } from '../../command/command.js'
import { deviceFlag, jsonFlag } from '../../command/shared-flags.js'
import type { VerifyDeviceOptions } from './action.js'

export const verifyDevice: CommandDefinition = {
  name: 'verify-device',
  group: 'Setup',
  text: 'compare what a device of this machine computes with stored values: every operator, then whole networks, with their speed',
  flags: [
    deviceFlag,
    { flag: '--engine <name>', group: 'running', text: 'engine that computes', choices: ['onnx', 'tfjs'], value: 'onnx' },
    { flag: '--precision <name>', group: 'running', text: 'precision of the networks', choices: ['fp32', 'fp16'], value: 'fp32' },
    { flag: '--batch-size <number>', group: 'running', text: 'images at once, for the speed', value: '8' },
    {
      flag: '--networks <names>',
      group: 'network',
      text: 'networks to compute, with commas between, or none: operators only',
      otherwise: 'all',
      complete: 'network',
    },
    jsonFlag,
  ],
  examples: ['verify-device --device cuda', 'verify-device --device webgpu --networks resnet50,vgg16 --precision fp16'],
  action: async (output, options: VerifyDeviceOptions) => (await import('./action.js')).verifyDeviceCommand(output, options),
}
