import { parseModelReference, requireRegistry, type RunSpec } from '@layermill/contracts'
import { absolutePlace, LayermillError } from '@layermill/core'
import { ModelRegistry, registryRoot, resolveSpec } from '@layermill/orchestrator/registry'
import { openStore } from '@layermill/storage'

export interface RegistryFlags {
  /** A folder or URL. Default: `LAYERMILL_REGISTRY`. */
  readonly registry?: string | undefined
}

/** Flags of `finetune` for what happens to the model. */
export interface RegisterFlags extends RegistryFlags {
  readonly margin?: string | undefined
  readonly heldOut?: string | undefined
  readonly allowLeaks?: boolean | undefined
}

/** @throws LayermillError `REGISTRY_MISSING` */
export async function withRegistry<Result>(flags: RegistryFlags, action: (registry: ModelRegistry) => Promise<Result>): Promise<Result> {
  await using store = openStore(requireRegistry(registryRoot(flags)))
  return await action(new ModelRegistry(store))
}

/** The spec with the flags of registering in it. */
function withRegisterFlags<Spec extends RunSpec>(spec: Spec, { margin, heldOut, allowLeaks }: RegisterFlags): Spec {
  if (spec.kind !== 'finetune' || spec.register === undefined) {
    const given = { margin, 'held-out': heldOut, 'allow-leaks': allowLeaks }
    const flag = Object.entries(given).find(([, value]) => value !== undefined)?.[0]
    if (flag !== undefined) throw new LayermillError('SPEC_INVALID', `--${flag}: expected --register NAME with it`)
    return spec
  }
  const share = margin === undefined ? spec.register.margin : Number(margin)
  if (!(share >= 0 && share <= 1) || margin === '')
    throw new LayermillError('SPEC_INVALID', `--margin: got ${JSON.stringify(margin)}, expected a share from 0 to 1, as 0.01`)
  const place = (text: string | undefined): string | undefined => text && absolutePlace(text, process.cwd())
  return {
    ...spec,
    register: {
      ...spec.register,
      margin: share,
      heldOut: place(heldOut ?? spec.register.heldOut),
      root: place(spec.register.root),
      ...(allowLeaks === undefined ? {} : { allowLeaks }),
    },
  }
}

/**
 * The spec with registered models (`pets@latest`) as fixed versions. Specs for a server are left to that server's own registry, unless
 * the flag names one.
 * @throws LayermillError `REGISTRY_MISSING`, `MODEL_NOT_REGISTERED`, `SPEC_INVALID`
 */
export async function resolveRegistered<Spec extends RunSpec>(
  spec: Spec,
  flags: RegisterFlags & { server?: string | undefined },
): Promise<Spec> {
  const asked = withRegisterFlags(spec, flags)
  const registers = asked.kind === 'finetune' && asked.register !== undefined
  if (!registers && parseModelReference(asked.model) === undefined) return asked
  if (flags.server !== undefined && flags.registry === undefined) return asked
  // A spec may name where its model is registered by itself.
  if (parseModelReference(asked.model) === undefined && registryRoot(flags) === undefined) return resolveSpec(asked, undefined)
  return withRegistry(flags, registry => resolveSpec(asked, registry))
}

/**
 * The folder or URL of `pets@latest` or `pets@3`; every other text as it is.
 * @throws LayermillError `REGISTRY_MISSING`, `MODEL_NOT_REGISTERED`
 */
export async function resolveModel(model: string, flags: RegistryFlags): Promise<string> {
  const reference = parseModelReference(model)
  return reference === undefined ? model : withRegistry(flags, registry => registry.resolve(reference))
}
