/** Modules that a module starts threads or processes with: those beside it, and entries of packages. */
export function startedBy(text: string): { places: string[]; entries: string[] }
/** Bundles a staged package in place. */
export function bundlePackage(target: string): Promise<void>
