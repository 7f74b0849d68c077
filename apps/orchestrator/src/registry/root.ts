import { absolutePlace } from '@layermill/core'

/** The registry that a flag or `LAYERMILL_REGISTRY` names, as an absolute path or URL. */
export function registryRoot({ registry }: { readonly registry?: string | undefined }): string | undefined {
  const root = registry ?? process.env['LAYERMILL_REGISTRY']
  return root === undefined || root === '' ? undefined : absolutePlace(root, process.cwd())
}
