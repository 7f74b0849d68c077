import { type Architecture, definitionOf, type Family, type GraphVariant, type NameRule, type NetworkDefinition } from '@layermill/models'

/** One way to name a network's parameters. */
export interface NameScheme {
  readonly id: 'chainer' | 'caffe' | 'torchvision' | 'timm' | 'keras'
  /** Name of files of this kind, for people. */
  readonly title: string
  /** The family that weights named so are made for, unless the file itself says otherwise. */
  readonly family: Family
  /** Names that may be in a file and are not read. */
  readonly ignorable: readonly RegExp[]
  /** Whether the scheme names the network's parameters. */
  has(architecture: Architecture): boolean
  /** Changes that these weights make in the graph. */
  variant(architecture: Architecture): GraphVariant
  /** Undefined for a parameter that the scheme has no name for. */
  rule(architecture: Architecture, parameter: string): NameRule | undefined
}

/** `conv1_1/W` as [`conv1_1`, `W`]. */
export function splitParameter(parameter: string): [link: string, kind: string] {
  const slash = parameter.lastIndexOf('/')
  return [parameter.slice(0, slash), parameter.slice(slash + 1)]
}

type Naming = NonNullable<NetworkDefinition['parameters']['caffe']>

/** A scheme by what a network's definition says of it. Auxiliary classifiers may be absent: most systems drop them after training. */
function scheme(
  facts: Pick<NameScheme, 'id' | 'title' | 'family'> & Partial<Pick<NameScheme, 'ignorable' | 'variant'>>,
  namingOf: (definition: NetworkDefinition) => Naming | undefined,
): NameScheme {
  const naming = (architecture: Architecture): Naming | undefined => {
    const definition = definitionOf(architecture)
    return definition && namingOf(definition)
  }
  return {
    ignorable: [],
    variant: () => ({}),
    ...facts,
    has: architecture => naming(architecture) !== undefined,
    rule(architecture, parameter) {
      const [link, kind] = splitParameter(parameter)
      const rule = naming(architecture)?.(link, kind)
      const isAuxiliary = definitionOf(architecture)?.auxiliary?.links.test(link) === true
      return rule !== undefined && isAuxiliary ? { ...rule, whenAbsent: 'auxiliary' } : rule
    },
  }
}

/** Chainer's own names, which are the canonical ones. `N` counts the updates of a batch norm's running statistics. */
export const chainerNames = scheme({ id: 'chainer', title: 'Chainer', family: 'caffe', ignorable: [/\/N$/] }, () => (link, kind) => ({
  source: `${link}/${kind}`,
}))

/** The published models of Oxford (VGG), MSRA (ResNet) and BVLC (GoogLeNet). */
export const caffeNames = scheme({ id: 'caffe', title: 'Caffe', family: 'caffe' }, ({ parameters }) => parameters.caffe)

/** Weight files of keras.applications with their classifier ("top"). They are trained on BGR minus the mean, as Caffe's are. */
export const kerasNames = scheme(
  {
    id: 'keras',
    title: 'Keras',
    family: 'caffe',
    variant: architecture => definitionOf(architecture)?.parameters.keras?.variant ?? {},
  },
  ({ parameters }) => parameters.keras?.rule,
)

export const torchvisionNames = scheme(
  { id: 'torchvision', title: 'torchvision', family: 'torchvision', ignorable: [/\.num_batches_tracked$/] },
  ({ parameters }) => parameters.torchvision.rule,
)

/** timm's names where they differ from torchvision's: its ResNets have the same. */
export const timmNames = scheme({ id: 'timm', title: 'timm (VGG)', family: 'torchvision' }, ({ parameters }) => parameters.timm)

/** The state-dict key of a parameter. */
export function torchvisionKey(architecture: Architecture, parameter: string): string | undefined {
  return torchvisionNames.rule(architecture, parameter)?.source
}
