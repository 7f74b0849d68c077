import { vgg } from './families/vgg.js'

/** Configuration E. */
export const vgg19 = vgg({
  name: 'vgg19',
  convolutions: [2, 2, 4, 4, 4],
  oxford: {
    file: 'VGG_ILSVRC_19_layers.caffemodel',
    bytes: 574671192,
    hashes: {
      sha256: '31b4c627c40c6ee151325f079b7ac557fddbd1f79af932888796127a4f4f6954',
      sha1: '239785e7862442717d831f682bb824055e51e9ba',
    },
  },
  keras: { md5: 'cbe5617147190e668d6c5d5026f83318', bytes: 574710816 },
})
