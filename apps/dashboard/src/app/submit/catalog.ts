import { useEffect, useState } from 'preact/hooks'

/** JSON Schema of a spec's field, as much of it as the form looks at. */
export interface FieldSchema {
  readonly type?: string
  readonly enum?: readonly string[]
  readonly const?: unknown
  readonly anyOf?: readonly FieldSchema[]
  readonly default?: unknown
  readonly description?: string
}

export interface FieldsSchema {
  readonly properties: Readonly<Record<string, FieldSchema>>
  readonly required?: readonly string[]
}

export interface Catalog {
  readonly specs: Readonly<Record<string, FieldsSchema>>
  /** A schedule's fields, without its spec. */
  readonly schedule: FieldsSchema
  readonly networks: readonly { readonly id: string; readonly layers: readonly string[]; readonly defaultLayer: string }[]
}

/** Fields of every kind of run and layers of every network, as the server that built the page knows them. */
export function useCatalog(): Catalog | undefined {
  const [catalog, setCatalog] = useState<Catalog>()
  useEffect(() => {
    void fetch(catalogUrl).then(async response => setCatalog((await response.json()) as Catalog))
  }, [])
  return catalog
}
