import { oneDrive, resnet } from './families/resnet.js'

export const resnet101 = resnet({
  name: 'resnet101',
  blocks: [3, 4, 23, 3],
  msra: {
    file: 'ResNet-101-model.caffemodel',
    urls: [oneDrive(17896)],
    bytes: 178662602,
    hashes: {
      sha256: '2847d93346d7928ec1f257f49f60ea53e9075c15265c494469610e67ffb7f2e2',
      sha1: '1dbf5f493926bb9b6b3363b12d5133c0f8b78904',
    },
  },
  keras: { md5: 'f1aeb4b969a6efcfb50fad2f0c20cfc5', bytes: 179648224 },
})
