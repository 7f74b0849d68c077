/** Files whose end is not the published one, in the names of each system. */
import { describe, expect, it } from 'vitest'
import { getNetwork, parameterShapes } from '@layermill/models'
import { elementCount } from '@layermill/core'
import { planWeights, type WeightsPlan } from './assemble.js'
import { caffeNames, kerasNames, type NameScheme, timmNames, torchvisionNames } from './names/scheme.js'
import { countedLayer } from './names/view.js'
import { shapeInLayout } from './layouts.js'
import { kerasFacts } from './readers/keras-config.js'
import { parseKerasPath } from './readers/keras-paths.js'
import type { ModelFacts, TensorFile } from './types.js'

type Shapes = Record<string, readonly number[]>

/** All tensors of a network under a scheme's names, without data. */
function shapesOf(id: string, scheme: NameScheme): Shapes {
  const network = getNetwork(id)
  const shapes: Shapes = {}
  for (const [parameter, shape] of parameterShapes(network)) {
    const rule = scheme.rule(network.architecture, parameter)
    if (rule === undefined) continue
    shapes[rule.source] = rule.layout === 'flatten' ? [...shape, 1, 1] : shapeInLayout(rule.layout ?? 'same', shape)
    if (rule.dividedBy !== undefined) shapes[rule.dividedBy] = [1]
    if (rule.minus !== undefined) shapes[rule.minus] = shape
  }
  return shapes
}

const chainer = (id: string): Shapes => Object.fromEntries(parameterShapes(getNetwork(id)))

function fileOf(shapes: Shapes, format: TensorFile['format'], model?: ModelFacts): TensorFile {
  const entries = new Map(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      { shape, dtype: 'F32', read: () => Promise.resolve(new Float32Array(elementCount(shape))) },
    ]),
  )
  return {
    name: 'file',
    format,
    entries,
    metadata: new Map(),
    ...(model === undefined ? {} : { model }),
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

const plan = (id: string, shapes: Shapes, format: TensorFile['format'], model?: ModelFacts): Promise<WeightsPlan> =>
  planWeights(fileOf(shapes, format, model), getNetwork(id), parameterShapes(getNetwork(id)))

/** Names changed by `rename`, left out where it gives undefined. */
function renamed(shapes: Shapes, rename: (name: string) => string | undefined, more: Shapes = {}): Shapes {
  const pairs = Object.entries(shapes).flatMap(([name, shape]) => {
    const other = rename(name)
    return other === undefined ? [] : [[other, shape] as const]
  })
  return { ...Object.fromEntries(pairs), ...more }
}

const without = (shapes: Shapes, pattern: RegExp, more: Shapes = {}): Shapes =>
  renamed(shapes, name => (pattern.test(name) ? undefined : name), more)
const prefixed = (shapes: Shapes, prefix: string, more: Shapes = {}): Shapes => renamed(shapes, name => prefix + name, more)

describe('Caffe', () => {
  it.each([
    ['vgg16', /^fc8\[/, 'fc8_flickr', 4096, 20, { classes: 20 }],
    ['vgg19', /^fc8\[/, 'my-scores', 4096, 3, { classes: 3 }],
    ['resnet50', /^fc1000/, 'fc_cub', 2048, 200, { classes: 200 }],
  ] as const)('%s with another classifier', async (id, old, name, inputs, classes, variant) => {
    const shapes = without(shapesOf(id, caffeNames), old, { [`${name}[0]`]: [classes, inputs], [`${name}[1]`]: [classes] })
    const { facts } = await plan(id, shapes, 'caffemodel')
    expect(facts.variant).toEqual(variant)
    expect(facts.notes).toEqual([expect.stringContaining(`is ${name} of the file, with ${classes} scores`)])
  })

  it('takes the three classifiers of a GoogLeNet by their names, and one that was saved for use', async () => {
    const own = shapesOf('googlenet', caffeNames)
    const renamedAll = renamed(own, name => name.replace(/classifier/, 'classifier_cars'))
    for (const name of Object.keys(renamedAll)) if (name.includes('cars')) renamedAll[name] = [431, ...renamedAll[name]!.slice(1)]
    expect((await plan('googlenet', renamedAll, 'caffemodel')).facts.variant).toEqual({ auxiliaryClasses: 431, classes: 431 })
    const deployed = without(renamedAll, /^loss[12]\//)
    const { facts, plan: found } = await plan('googlenet', deployed, 'caffemodel')
    expect(facts.variant).toEqual({ classes: 431 })
    expect([...found.absent.values()].every(policy => policy === 'auxiliary')).toBe(true)
  })

  it('refuses a file that ends before its classifier: it may be cut off', async () => {
    await expect(plan('vgg16', without(shapesOf('vgg16', caffeNames), /^fc8/), 'caffemodel')).rejects.toMatchObject({
      code: 'WEIGHTS_MISMATCH',
      message: /fc8\[0\]/,
    })
  })
})

describe('Chainer', () => {
  it.each(['', 'predictor/', 'updater/model:main/predictor/base/'])('reads weights under %j with a head beside them', async prefix => {
    const outer = prefix.replace(/base\/$/, '')
    const shapes = prefixed(without(chainer('resnet50'), /^fc6/), prefix, { [`${outer}fc/W`]: [12, 2048], [`${outer}fc/b`]: [12] })
    const { facts } = await plan('resnet50', shapes, 'npz')
    expect(facts.variant).toEqual({ classes: 12 })
  })

  it('reads another number of classes under the own name', async () => {
    const shapes = { ...chainer('vgg16'), 'fc8/W': [5, 4096], 'fc8/b': [5] }
    expect((await plan('vgg16', shapes, 'npz')).facts).toMatchObject({ variant: { classes: 5 }, notes: [] })
    await expect(plan('vgg16', { ...shapes, 'fc8/b': [6] }, 'npz')).rejects.toMatchObject({ message: /fc8\/b is 6, expected 5/ })
  })
})

describe('torch', () => {
  const resnet = shapesOf('resnet50.tv', torchvisionNames)
  const vgg = shapesOf('vgg16.tv', torchvisionNames)

  it.each([
    'module.',
    '_orig_mod.',
    'model.',
    'backbone.',
    'encoder.',
    'net.',
    'module.model.',
    'state_dict.module.',
    'student.encoder_q.',
  ])('takes %s off', async prefix => {
    const { facts } = await plan('resnet50.tv', prefixed(resnet, prefix), 'safetensors')
    expect(facts).toMatchObject({ variant: {}, origin: 'torchvision', notes: [] })
  })

  it('says which tensors are missing behind a prefix, and refuses a deeper network', async () => {
    const short = without(prefixed(resnet, 'module.'), /layer3\.5/)
    await expect(plan('resnet50.tv', short, 'safetensors')).rejects.toMatchObject({ message: /15 missing \(.*layer3\.5/ })
    const deep = prefixed(shapesOf('resnet101.tv', torchvisionNames), 'module.')
    await expect(plan('resnet50.tv', deep, 'safetensors')).rejects.toMatchObject({ message: /unexpected \(module\.layer3\.6/ })
  })

  it('refuses a file of two networks, and says how to keep one', async () => {
    const both = { ...prefixed(resnet, 'encoder_q.'), ...prefixed(resnet, 'encoder_k.') }
    await expect(plan('resnet50.tv', both, 'safetensors')).rejects.toMatchObject({
      code: 'WEIGHTS_MISMATCH',
      message: expect.stringContaining("2 networks that could be resnet50.tv: under 'encoder_q.', 'encoder_k.'") as unknown,
      hint: expect.stringContaining('removeprefix') as unknown,
    })
  })

  it('takes the one linear layer that is left as the classifier, and none of several', async () => {
    const body = prefixed(without(resnet, /^fc\./), 'backbone.')
    const one = { ...body, 'head.weight': [7, 2048], 'head.bias': [7] }
    expect((await plan('resnet50.tv', one, 'safetensors')).facts).toMatchObject({
      variant: { classes: 7 },
      notes: ['fc6 is head of the file, with 7 scores'],
    })
    const several = { ...one, 'projector.weight': [128, 2048], 'projector.bias': [128] }
    const { facts, shapes } = await plan('resnet50.tv', several, 'safetensors')
    expect(facts.variant).toEqual({ without: ['fc6'] })
    expect(facts.notes.join()).toContain('head.weight 7x2048')
    expect(shapes.has('fc6/W')).toBe(false)
    const norm = {
      ...resnet,
      'fc.1.weight': [7, 2048],
      'fc.1.bias': [7],
      'fc.0.weight': [2048],
      'fc.0.bias': [2048],
      'fc.0.running_mean': [2048],
    }
    expect((await plan('resnet50.tv', without(norm, /^fc\.(weight|bias)/), 'safetensors')).facts.variant).toEqual({ without: ['fc6'] })
  })

  it('takes a classifier without bias, but no matrix of another name', async () => {
    const bare = without(resnet, /^fc\./, { 'fc.weight': [6, 2048] })
    const { facts, plan: found } = await plan('resnet50.tv', prefixed(bare, 'net.'), 'safetensors')
    expect(facts).toMatchObject({ variant: { classes: 6 }, notes: ['fc6 has no bias in the file'] })
    expect([...found.absent]).toEqual([['fc6/b', 'zero']])
    const centres = prefixed(without(resnet, /^fc\./), 'backbone.', { 'centres.weight': [6, 2048] })
    expect((await plan('resnet50.tv', centres, 'safetensors')).facts.variant).toEqual({ without: ['fc6'] })
    await expect(plan('resnet50.tv', without(resnet, /^bn1\.bias/), 'safetensors')).rejects.toMatchObject({
      message: /1 missing \(bn1\.bias/,
    })
  })

  it('gives a single score no probabilities', async () => {
    const { facts } = await plan('resnet50.tv', { ...resnet, 'fc.weight': [1, 2048], 'fc.bias': [1] }, 'safetensors')
    expect(facts.variant).toEqual({ classes: 1, without: ['prob'] })
    expect(() => getNetwork('resnet50.tv', facts.variant)).not.toThrow()
  })

  it('reads VGGs with the last layer replaced, with none, and with their features alone', async () => {
    const last = without(vgg, /^classifier\.6/, { 'classifier.6.1.weight': [9, 4096], 'classifier.6.1.bias': [9] })
    expect((await plan('vgg16.tv', last, 'safetensors')).facts.variant).toEqual({ classes: 9 })
    expect((await plan('vgg16.tv', without(vgg, /^classifier\.6/), 'safetensors')).facts.variant).toEqual({ without: ['fc8'] })
    const features = renamed(without(vgg, /^classifier/), name => name.replace('features.', ''))
    expect((await plan('vgg16.tv', features, 'safetensors')).facts.variant).toEqual({ without: ['fc6', 'fc7', 'fc8'] })
    const other = without(vgg, /^classifier/, {
      'classifier.0.weight': [512, 25088],
      'classifier.0.bias': [512],
      'classifier.3.weight': [4, 512],
      'classifier.3.bias': [4],
    })
    const { facts } = await plan('vgg16.tv', other, 'safetensors')
    expect(facts.variant).toEqual({ without: ['fc6', 'fc7', 'fc8'] })
    expect(facts.notes.join()).toContain('head of its own')
    const timm = without(shapesOf('vgg16.tv', timmNames), /^head\.fc/)
    expect((await plan('vgg16.tv', timm, 'safetensors')).facts).toMatchObject({ variant: { without: ['fc8'] }, origin: 'timm' })
  })

  it('refuses modules within the network that it does not have', async () => {
    await expect(plan('resnet50.tv', { ...resnet, 'ca.fc1.weight': [4, 64] }, 'safetensors')).rejects.toMatchObject({
      message: /unexpected \(ca\.fc1\.weight/,
    })
    await expect(plan('resnet50.tv', { ...resnet, 'fc.conv.weight': [4, 64, 3, 3] }, 'safetensors')).rejects.toMatchObject({
      message: /unexpected/,
    })
  })
})

describe('relatives of the networks', () => {
  it.each([
    ['vgg16.tv', 'safetensors', { 'features.0.weight': [64, 3, 3, 3], 'features.1.running_mean': [64] }, /VGG with batch norms \(vgg16_bn/],
    [
      'resnet50.tv',
      'safetensors',
      { 'layer1.0.conv1.weight': [64, 64, 3, 3], 'layer1.0.conv2.weight': [64, 64, 3, 3], 'bn1.running_mean': [64] },
      /resnet18, resnet34/,
    ],
    [
      'resnet50.tv',
      'safetensors',
      { 'layer1.0.conv2.weight': [128, 4, 3, 3], 'layer1.0.conv3.weight': [256, 128, 1, 1], 'bn1.running_mean': [64] },
      /ResNeXt/,
    ],
    [
      'resnet50.tv',
      'safetensors',
      { 'layer1.0.conv2.weight': [64, 64, 3, 3], 'layer1.0.conv3.weight': [256, 64, 1, 1] },
      /another normalisation/,
    ],
    ['resnet50', 'keras', { 'conv2_block1_preact_bn/gamma': [64] }, /ResNetV2/],
  ] as const)('are named: %s, %s, %j', async (id, format, shapes, hint) => {
    await expect(plan(id, shapes, format)).rejects.toMatchObject({ code: 'WEIGHTS_MISMATCH', hint })
  })
})

describe('Keras', () => {
  const resnet = shapesOf('resnet50', kerasNames)

  it('knows predictions as well as probs', async () => {
    const { facts } = await plan(
      'resnet50',
      renamed(resnet, name => name.replace('probs/', 'predictions/')),
      'h5',
    )
    expect(facts).toMatchObject({ variant: { batchNormEpsilon: 1.001e-5, stemPool: 'padded' }, notes: [] })
  })

  it('reads hidden layers as a head of its own, whatever the last is called', async () => {
    const body = without(resnet, /^probs/)
    const shapes = { ...body, 'dense/kernel': [2048, 64], 'dense/bias': [64], 'predictions/kernel': [64, 3], 'predictions/bias': [3] }
    expect((await plan('resnet50', shapes, 'h5')).facts.variant).toMatchObject({ without: ['fc6'] })
    const plain = { ...body, 'dense/kernel': [2048, 3], 'dense/bias': [3] }
    expect((await plan('resnet50', plain, 'keras')).facts.variant).toMatchObject({ classes: 3 })
    const max = await plan('resnet50', plain, 'keras', { otherHead: 'it has GlobalMaxPooling2D' })
    expect(max.facts.variant).toMatchObject({ without: ['fc6'] })
    expect(max.facts.notes.join()).toContain('GlobalMaxPooling2D')
    expect((await plan('resnet50', plain, 'keras', { scoresOnly: true })).facts.variant).toMatchObject({ classes: 3, without: ['prob'] })
  })

  it('takes a Dense without bias, whatever it is called', async () => {
    const body = without(resnet, /^probs/)
    for (const layer of ['predictions', 'dense_3']) {
      const { facts, plan: found } = await plan('resnet50', { ...body, [`${layer}/kernel`]: [2048, 3] }, 'keras')
      expect(facts.variant).toMatchObject({ classes: 3 })
      expect(found.absent.get('fc6/b')).toBe('zero')
    }
  })

  it('tells from the description what is in front of the network and behind it', () => {
    const layer = (type: string, activation?: unknown): unknown => ({
      class_name: type,
      config: { name: type, ...(activation === undefined ? {} : { activation }) },
    })
    const model = (...layers: unknown[]): string => JSON.stringify({ class_name: 'Functional', config: { layers } })
    const base = { class_name: 'Functional', config: { layers: [layer('Conv2D'), layer('Add'), layer('Activation', 'relu')] } }
    expect(kerasFacts(model(base, layer('GlobalAveragePooling2D'), layer('Dropout'), layer('Dense', 'softmax')))).toEqual({})
    expect(kerasFacts(model(base, layer('GlobalMaxPooling2D'), layer('Dense', 'softmax')))).toEqual({
      otherHead: 'it has GlobalMaxPooling2D',
    })
    expect(kerasFacts(model(base, layer('GlobalAveragePooling2D'), layer('Dense', { class_name: 'function', config: 'sigmoid' })))).toEqual(
      { scoresOnly: true },
    )
    expect(kerasFacts(model(layer('Rescaling'), base)).notes?.join()).toContain('Rescaling')
    // `preprocess_input` within a model: of other networks, and the one that images are prepared by anyway.
    expect(kerasFacts(model(layer('TrueDivide'), layer('Subtract'), base)).notes?.join()).toContain('TrueDivide, Subtract')
    expect(kerasFacts(model(layer('GetItem'), layer('Stack'), layer('Add'), base))).toEqual({})
    expect(kerasFacts('{"config": ')).toEqual({})
  })

  it('finds layers and roles in the paths of all versions', () => {
    expect(parseKerasPath('fc1/fc1_W_1:0')).toMatchObject({ layer: 'fc1', role: 'kernel' })
    expect(parseKerasPath('conv1_bn/conv1_bn/moving_mean:0')).toMatchObject({ layer: 'conv1_bn', role: 'moving_mean' })
    expect(parseKerasPath('resnet50/conv1_conv/kernel')).toMatchObject({ layer: 'conv1_conv', role: 'kernel' })
    expect(parseKerasPath('layers/functional/layers/batch_normalization_3/vars/2')).toMatchObject({
      layer: 'batch_normalization_3',
      role: 'moving_mean',
    })
    expect(parseKerasPath('optimizer/vars/3')).toBeUndefined()
    expect(parseKerasPath('layers/dropout/seed_generator/vars/0')).toBeUndefined()
  })

  it('counts layers as Keras does', () => {
    expect(['conv2d', 'conv2d_3', 'conv2d_4', 'batch_normalization_5'].map(layer => countedLayer('resnet50', layer, new Map()))).toEqual([
      'conv1_conv', 'conv2_block1_0_conv', 'conv2_block1_3_conv', 'conv2_block2_1_bn',
    ]) // prettier-ignore
    expect(countedLayer('vgg19', 'conv2d_15', new Map())).toBe('block5_conv4')
    expect(countedLayer('vgg16', 'conv2d_13', new Map())).toBeUndefined()
  })
})

describe('a network without its end', () => {
  it('is a base to fine-tune, and is made again from its description', async () => {
    const { fineTunedNetwork, networkDescription, networkFromDescription } = await import('@layermill/models')
    const base = getNetwork('resnet50', { without: ['fc6'] })
    const network = fineTunedNetwork(base, { layer: 'pool5', classes: ['a', 'b'] })
    const again = networkFromDescription(JSON.parse(JSON.stringify(networkDescription(network))) as ReturnType<typeof networkDescription>)
    expect(again.nodes).toEqual(network.nodes)
    expect(parameterShapes(again).get('fc/W')).toEqual([2, 2048])
  })

  it('says why a layer is not there, and which are', async () => {
    const { resolveLayers } = await import('@layermill/models')
    const network = getNetwork('resnet50', { without: ['fc6'] })
    expect(network).toMatchObject({ classes: 0, defaultLayer: 'pool5' })
    expect(() => resolveLayers(network, ['prob'])).toThrow(/no layer 'prob' with these weights: they end before fc6/)
    expect(() => resolveLayers(getNetwork('resnet50', { classes: 1, without: ['prob'] }), ['prob'])).toThrow(/a single score at fc6/)
    expect(getNetwork('vgg16', { without: ['fc6', 'fc7', 'fc8'] }).defaultLayer).toBe('pool5')
    expect(getNetwork('vgg16', { without: ['fc8'] }).defaultLayer).toBe('fc7')
  })
})
