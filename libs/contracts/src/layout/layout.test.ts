import { describe, expect, it } from 'vitest'
import * as layout from './layout.js'

describe('paths of a run', () => {
  it('have five digits, and more when they are needed', () => {
    expect(layout.manifestPath(0)).toBe('manifest/part-00000.jsonl')
    expect(layout.indexPath(99_999)).toBe('index/part-99999.parquet')
    expect(layout.errorsPath(100_000)).toBe('errors/part-100000.jsonl')
    expect(layout.commitPath(7)).toBe('commits/part-00007.json')
    for (const part of [0, 99_999, 100_000, 12_345_678]) {
      expect(layout.partOfPath(layout.commitPath(part))).toBe(part)
      expect(layout.partOfPath(layout.featurePath('fc7', part, 'npy'))).toBe(part)
    }
    expect(layout.partOfPath('run.json')).toBeUndefined()
    expect(() => layout.partName(-1)).toThrow(/-1/)
    expect(() => layout.partName(1.5)).toThrow(/1\.5/)
  })

  it('keep layers apart, one folder each', () => {
    expect(layout.featurePath('fc7', 3, 'npy')).toBe('features/fc7/part-00003.npy')
    expect(layout.featurePath('res4/b3', 3, 'npy')).toBe('features/res4.b3/part-00003.npy')
    expect(layout.featurePath('res4/b3', 3, 'parquet')).toBe('features/part-00003.parquet')
    expect(layout.featurePath('res4/b3', 3, 'safetensors')).toBe('features/part-00003.safetensors')
    // Layers of ONNX files: a folder that begins with a dot would be hidden.
    expect(layout.featurePath('/head/Flatten_output_0', 3, 'npy')).toBe('features/%2Fhead.Flatten_output_0/part-00003.npy')
    const layers = ['/a/b', '//a', '/.a', 'inception_4a/5x5_reduce', 'a/b', 'a.b', 'a%b', 'a%2Eb', 'conv1_1']
    expect(new Set(layers.map(layout.layerFolder)).size).toBe(layers.length)
    for (const layer of layers) {
      expect(layout.layerFolder(layer)).not.toContain('/')
      expect(layout.layerOfFolder(layout.layerFolder(layer))).toBe(layer)
    }
    expect(() => layout.layerFolder('a b')).toThrow(/a b/)
    expect(() => layout.layerFolder('')).toThrow(/layer/)
  })
})
