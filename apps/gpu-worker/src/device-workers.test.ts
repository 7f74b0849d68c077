import { describe, expect, it } from 'vitest'
import { parseDevices, workerArguments } from './device-workers.js'

describe('--devices', () => {
  it('takes numbers of GPUs', () => {
    expect(parseDevices('0')).toEqual([0])
    expect(parseDevices('1, 0,7')).toEqual([1, 0, 7])
  })

  it.each(['', '0,', 'a', '-1', '0,0', '1.5', '0;1'])('refuses %j', text => {
    expect(() => parseDevices(text)).toThrow(/--devices.*as 0,1/)
  })

  it('gives each worker the same command line with a health port of its own', () => {
    const args = ['worker', '--devices', '0,1', '--queue', 'redis://host', '--health-port', '9090', '--device=cuda']
    expect(workerArguments(args, 0)).toEqual(['worker', '--queue', 'redis://host', '--health-port', '9090', '--device=cuda'])
    expect(workerArguments(args, 1)).toEqual(['worker', '--queue', 'redis://host', '--health-port', '9091', '--device=cuda'])
    expect(workerArguments(['worker', '--devices=0,1', '--health-port=0'], 1)).toEqual(['worker', '--health-port', '0'])
  })
})
