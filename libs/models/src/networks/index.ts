import { googlenet } from './googlenet.js'
import { resnet101 } from './resnet101.js'
import { resnet152 } from './resnet152.js'
import { resnet50 } from './resnet50.js'
import type { NetworkDefinition } from './shared/definition.js'
import { vgg16 } from './vgg16.js'
import { vgg19 } from './vgg19.js'

/** Every network, in the order of lists and help. A new one is a file beside these and one word here. */
const definitions = [vgg16, vgg19, resnet50, resnet101, resnet152, googlenet] as const

/** Names of the networks that are tables. */
export type TableArchitecture = (typeof definitions)[number]['name']

export const networks: readonly NetworkDefinition[] = definitions

/** The definition of a network; undefined for one that was read from a file. */
export function definitionOf(architecture: string): NetworkDefinition | undefined {
  return networks.find(({ name }) => name === architecture)
}
