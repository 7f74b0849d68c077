import type { Network } from './graph.js'

/**
 * Names that torchvision, timm, Keras, transformers and Caffe have for layers of these networks. Sources: `create_feature_extractor` of
 * torchvision and its module names, timm's `feature_info`, `Model.layers` of Keras, the prototxt files of Caffe.
 */
interface Known {
  /** Our name of it. */
  readonly layer: string
  /** Whether both are the same values; else it is the nearest of ours (a convolution before the ReLU that our name includes). */
  readonly exact: boolean
}

const exactly = (layer: string): Known => ({ layer, exact: true })
const nearly = (layer: string): Known => ({ layer, exact: false })

/** One way to write names: a pattern, and our name for what it found. */
type Rule = readonly [pattern: RegExp, layer: (found: readonly string[]) => Known | undefined]

function find(rules: readonly Rule[], name: string): Known | undefined {
  for (const [pattern, layer] of rules) {
    const found = pattern.exec(name)
    if (found !== null) return layer(found.slice(1))
  }
  return undefined
}

/** Block of a stage, both as numbers from 0, as we write it. */
const blockName = (stage: number, block: number): string => `res${stage + 2}/${block === 0 ? 'a' : `b${block}`}`
const letterIndex = (letter: string): number => letter.charCodeAt(0) - 'a'.charCodeAt(0)

/** A block's inner activation, or the block itself for its last one; `index` from 1. */
const activation = (block: string, index: number): Known => exactly(index >= 3 ? block : `${block}/relu${index}`)

const resnetRules: readonly Rule[] = [
  [/^(?:relu|act1|conv1_relu)$/, () => exactly('conv1')],
  [/^(?:maxpool|pool1_pool|res1_pool)$/, () => exactly('pool1')],
  [/^(?:bn1|conv1_bn|conv1_conv)$/, () => nearly('conv1')],
  // torchvision and timm.
  [/^layer([1-4])$/, ([stage]) => exactly(`res${Number(stage) + 1}`)],
  [/^layer([1-4])\.(\d+)$/, ([stage, block]) => exactly(blockName(Number(stage) - 1, Number(block)))],
  [/^layer([1-4])\.(\d+)\.act([123])$/, ([stage, block, act]) => activation(blockName(Number(stage) - 1, Number(block)), Number(act))],
  [
    /^layer([1-4])\.(\d+)\.relu(?:_([12]))?$/,
    ([stage, block, call]) => activation(blockName(Number(stage) - 1, Number(block)), Number(call ?? 0) + 1),
  ],
  [
    /^layer([1-4])\.(\d+)\.(?:conv|bn)([123])$/,
    ([stage, block, conv]) => nearly(activation(blockName(Number(stage) - 1, Number(block)), Number(conv)).layer),
  ],
  [/^layer([1-4])\.(\d+)\.(?:downsample.*|add)$/, ([stage, block]) => nearly(blockName(Number(stage) - 1, Number(block)))],
  // Keras counts stages from 2 and blocks from 1.
  [/^conv([2-5])_block(\d+)_out$/, ([stage, block]) => exactly(blockName(Number(stage) - 2, Number(block) - 1))],
  [
    /^conv([2-5])_block(\d+)_([12])_relu$/,
    ([stage, block, conv]) => activation(blockName(Number(stage) - 2, Number(block) - 1), Number(conv)),
  ],
  [
    /^conv([2-5])_block(\d+)_([123])_(?:conv|bn)$/,
    ([stage, block, conv]) => nearly(activation(blockName(Number(stage) - 2, Number(block) - 1), Number(conv)).layer),
  ],
  [/^conv([2-5])_block(\d+)_(?:add|0_conv|0_bn)$/, ([stage, block]) => nearly(blockName(Number(stage) - 2, Number(block) - 1))],
  // transformers.
  [/^(?:resnet\.)?encoder\.stages\.([0-3])$/, ([stage]) => exactly(`res${Number(stage) + 2}`)],
  [/^(?:resnet\.)?encoder\.stages\.([0-3])\.layers\.(\d+)$/, ([stage, block]) => exactly(blockName(Number(stage), Number(block)))],
  // Caffe: res4a, res4b and on, or res4b1 and on where a stage is longer than the alphabet.
  [/^res([2-5])([a-z])$/, ([stage, letter]) => exactly(blockName(Number(stage) - 2, letterIndex(letter!)))],
  [/^res([2-5])b(\d+)$/, ([stage, block]) => exactly(blockName(Number(stage) - 2, Number(block)))],
  [/^(?:avgpool|flatten|global_pool|avg_pool|global_pool\.flatten)$/, () => exactly('pool5')],
  [/^(?:fc|fc1000)$/, () => exactly('fc6')],
  [/^predictions$/, () => exactly('prob')],
]

/** Names of VGG's layers in the order of torchvision's `features`: each convolution and its ReLU, then the stage's pooling. */
function vggFeatures(network: Network): Known[] {
  const names = network.availableLayers.filter(name => /^(?:conv|pool)\d/.test(name))
  return names.flatMap(name => (name.startsWith('pool') ? [exactly(name)] : [nearly(name), exactly(name)]))
}

const vggRules = (network: Network): readonly Rule[] => [
  [/^features\.(\d{1,2})$/, ([index]) => vggFeatures(network)[Number(index)]],
  [/^features$/, () => exactly('pool5')],
  [
    /^classifier\.([0-6])$/,
    ([index]) =>
      [nearly('fc6'), exactly('fc6'), exactly('fc6'), nearly('fc7'), exactly('fc7'), exactly('fc7'), exactly('fc8')][Number(index)],
  ],
  [/^classifier$/, () => exactly('fc8')],
  // timm.
  [/^pre_logits\.(?:act|drop)?([12])$/, ([index]) => exactly(`fc${Number(index) + 5}`)],
  [/^pre_logits(?:\.drop)?$/, () => exactly('fc7')],
  [/^pre_logits\.fc([12])$/, ([index]) => nearly(`fc${Number(index) + 5}`)],
  [/^head\.fc$/, () => exactly('fc8')],
  // Keras.
  [/^block([1-5])_conv(\d)$/, ([stage, index]) => exactly(`conv${stage}_${index}`)],
  [/^block([1-5])_pool$/, ([stage]) => exactly(`pool${stage}`)],
  [/^fc([12])$/, ([index]) => exactly(`fc${Number(index) + 5}`)],
  [/^predictions$/, () => exactly('prob')],
  // Caffe's ReLUs work in place.
  [/^relu(\d)_(\d)$/, ([stage, index]) => exactly(`conv${stage}_${index}`)],
  [/^(?:relu|drop)([67])$/, ([index]) => exactly(`fc${index}`)],
]

const branches: Readonly<Record<string, string>> = {
  '1': '1x1',
  '2': '3x3',
  '2.0': '3x3_reduce',
  '2.1': '3x3',
  '3': '5x5',
  '3.0': '5x5_reduce',
  '3.1': '5x5',
  '4': 'pool_proj',
  '4.1': 'pool_proj',
}

/** torchvision's network has no local response normalisation, so that its first poolings are not the same as Caffe's. */
const googlenetRules = ({ family }: Network): readonly Rule[] => [
  [/^inception([345][a-e])$/, ([id]) => exactly(`inception_${id}`)],
  [
    /^inception([345][a-e])\.branch([1-4](?:\.[01])?)$/,
    ([id, branch]) => (branches[branch!] === undefined ? undefined : exactly(`inception_${id}/${branches[branch!]}`)),
  ],
  [/^maxpool([34])$/, ([index]) => exactly(`pool${index}`)],
  [/^maxpool([12])$/, ([index]) => (family === 'torchvision' || index === '2' ? exactly(`pool${index}`) : nearly(`pool${index}`))],
  [/^conv3$/, () => (family === 'torchvision' ? exactly('conv2') : nearly('conv2'))],
  [/^(?:avgpool|flatten|dropout|global_pool)$/, () => exactly('pool5')],
  [/^fc$/, () => exactly('loss3_fc')],
  [/^aux([12])\.conv$/, ([index]) => exactly(`loss${index}_conv`)],
  [/^aux([12])\.fc2$/, ([index]) => exactly(`loss${index}_fc2`)],
  [/^aux([12])\.fc1$/, ([index]) => nearly(`loss${index}_fc1`)],
  // Caffe: its ReLUs work in place.
  [/^inception_([345][a-e])\/output$/, ([id]) => exactly(`inception_${id}`)],
  [/^pool([234])\/3x3_s2$/, ([index]) => exactly(`pool${index}`)],
  [/^pool1\/norm1$/, () => exactly('pool1')],
  [/^conv1\/7x7_s2$/, () => exactly('conv1')],
  [/^conv2\/3x3_reduce$/, () => exactly('conv2_reduce')],
  [/^conv2\/norm2$/, () => exactly('conv2')],
  [/^conv2\/3x3$/, () => nearly('conv2')],
  [/^pool1\/3x3_s2$/, () => nearly('pool1')],
  [/^pool5\/(?:7x7_s1|drop_7x7_s1)$/, () => exactly('pool5')],
  [/^loss3\/classifier$/, () => exactly('loss3_fc')],
  [/^loss([12])\/classifier$/, ([index]) => exactly(`loss${index}_fc2`)],
]

function rulesOf(network: Network): readonly Rule[] {
  if (network.architecture === 'googlenet') return googlenetRules(network)
  if (network.architecture.startsWith('resnet')) return resnetRules
  return network.architecture.startsWith('vgg') ? vggRules(network) : []
}

function known(network: Network, name: string): Known | undefined {
  const found = find(rulesOf(network), name)
  return found !== undefined && network.layers.has(found.layer) ? found : undefined
}

/**
 * Our name of a layer that torchvision, timm, Keras, transformers or Caffe name, as `layer4` is `res5`; every other name as it is, also one
 * whose values are not exactly those of a layer here.
 */
export function canonicalLayer(network: Network, name: string): string {
  if (network.graph !== undefined || network.layers.has(name)) return name
  const found = known(network, name)
  return found?.exact === true ? found.layer : name
}

/** The layer that comes closest to what another system calls by this name; undefined for a name that none of them has. */
export function nearestToForeignLayer(network: Network, name: string): string | undefined {
  return known(network, name)?.layer
}
