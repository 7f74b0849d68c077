import { oneDrive, resnet } from './families/resnet.js'

export const resnet152 = resnet({
  name: 'resnet152',
  blocks: [3, 8, 36, 3],
  msra: {
    file: 'ResNet-152-model.caffemodel',
    urls: [oneDrive(17897)],
    bytes: 241444171,
    hashes: {
      sha256: '6253c4c4132c0b25c112b166629aa57dcaeec044a4c68ac9f003b6c801329d55',
      sha1: '251edb93604ac8268c7fd2227a0f15144310e1aa',
    },
  },
  keras: { md5: '100835be76be38e30d865e96f2aaae62' },
})
