import { vgg } from './families/vgg.js'

/** Configuration D. */
export const vgg16 = vgg({
  name: 'vgg16',
  convolutions: [2, 2, 3, 3, 3],
  oxford: {
    file: 'VGG_ILSVRC_16_layers.caffemodel',
    bytes: 553432081,
    hashes: {
      sha256: 'a6196bc498e45ea4cb2637114ae8db9410cf1556fd60a55ae93272371beba197',
      sha1: '9363e1f6d65f7dba68c4f27a1e62105cdf6c4e24',
    },
  },
  keras: { md5: '64373286793e3c8b2b4e3219cbf3544b', bytes: 553467096 },
  torchvision: {
    sha256: '57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8',
    revision: 'b8d8aa2dd860af9233c8c67385a8097fd6c35d3f',
  },
})
