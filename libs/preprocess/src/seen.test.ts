import { getNetwork } from '@layermill/models'
import { describe, expect, it } from 'vitest'
import { decodeImage } from './decode.js'
import { prepareImage } from './prepare.js'
import { encodePng, overlayMap, seenPicture } from './seen.js'

const picture = { width: 4, height: 3, data: Uint8Array.from({ length: 36 }, (_, i) => (i * 7) % 256) }

describe('the picture that a network sees', () => {
  it.each(['vgg16', 'resnet50.tv', 'googlenet.tv'])('is the prepared one, as %s takes it', async id => {
    const { preparation } = getNetwork(id)
    const prepared = await prepareImage(picture, { ...preparation, resize: { kind: 'exact' } }, { size: [3, 4] })
    const seen = seenPicture(prepared.tensor, [3, 4], preparation)
    expect(seen.data).toEqual(picture.data)
  })

  it('is left as it is where a map says nothing', () => {
    const over = overlayMap(picture, [1, -1, ...Array.from({ length: 10 }, () => 0)])
    expect(over.data.subarray(6)).toEqual(picture.data.subarray(6))
    // Red for, blue against.
    expect(over.data[0]! - picture.data[0]!).toBeGreaterThan(100)
    expect(over.data[5]! - picture.data[5]!).toBeGreaterThan(100)
  })

  it('comes back from a PNG file', async () => {
    const { data, ...size } = await decodeImage(await encodePng(picture))
    expect(size).toEqual({ width: 4, height: 3 })
    expect([...data]).toEqual([...picture.data])
  })
})
