import { parseSpec } from '@layermill/contracts'
import { expect, it } from 'vitest'
import { AllowedAddresses } from './allowed-addresses.js'

const extract = { kind: 'extract', source: 's3://b/photos/', model: 'vgg16', out: 's3://b/out' }
const strict = new AllowedAddresses({ privateWeights: false, privateWebhooks: false })

it.each([
  'http://127.0.0.1/w.npz',
  'http://0x7f.1/w.npz',
  'https://[fd00:ec2::254]/w.npz',
  'http://168.63.129.16/w.npz',
  'https://example.org./w.npz',
  'HTTP://169.254.169.254/w.npz',
])('refuses what can never be asked: %s', async url => {
  await expect(strict.checkSpec(parseSpec({ ...extract, weights: url }))).rejects.toMatchObject({
    code: 'ADDRESS_REFUSED',
    message: expect.stringMatching(/^weights: /),
  })
  await expect(strict.checkSpec(parseSpec({ ...extract, notify: [url] }))).rejects.toMatchObject({
    code: 'ADDRESS_REFUSED',
    message: expect.stringMatching(/^notify: /),
  })
  const open = new AllowedAddresses({ privateWeights: true, privateWebhooks: true })
  await expect(open.checkSpec(parseSpec({ ...extract, weights: url, notify: [url] }))).resolves.toBeUndefined()
})

it('lets names pass, whose addresses are looked at when they are connected to, and what is no web address', async () => {
  await expect(
    strict.checkSpec(parseSpec({ ...extract, weights: 'https://example.org/w.npz', notify: ['https://example.org/hook'] })),
  ).resolves.toBeUndefined()
  await expect(strict.checkSpec(parseSpec({ ...extract, weights: 'random:3' }))).resolves.toBeUndefined()
  await expect(strict.checkSpec(parseSpec({ ...extract, model: 'http://127.0.0.1/vit.onnx' }))).rejects.toMatchObject({
    code: 'ADDRESS_REFUSED',
    message: expect.stringMatching(/^model: /),
  })
})
