import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { layermillHome } from '@layermill/core'
import { openStore, type Store } from '@layermill/storage'

/**
 * Findings that hold for one case each, in small files of this machine below `$LAYERMILL_HOME`: `{ "case": ..., NAME: finding }`. Lost or
 * damaged ones are found again.
 */
export class KeptFindings<Case extends object, Finding> {
  private readonly store: Store

  /**
   * @param folder below `$LAYERMILL_HOME`, or a store
   * @param name field of the finding
   * @param parse gives undefined, or throws, where a file's finding cannot be used
   */
  constructor(
    folder: string | Store,
    private readonly name: string,
    private readonly parse: (finding: unknown) => Finding | undefined,
  ) {
    this.store = typeof folder === 'string' ? openStore(join(layermillHome(), folder)) : folder
  }

  /** Undefined where there is none that can be read. */
  async find(of: Case): Promise<Finding | undefined> {
    try {
      const kept: unknown = JSON.parse(new TextDecoder().decode(await this.store.get(pathOf(of))))
      if (typeof kept !== 'object' || kept === null) return undefined
      const fields = new Map<string, unknown>(Object.entries(kept))
      return JSON.stringify(fields.get('case')) === JSON.stringify(of) ? this.parse(fields.get(this.name)) : undefined
    } catch {
      return undefined
    }
  }

  /** Does nothing where it cannot be kept. */
  async keep(of: Case, finding: Finding): Promise<void> {
    await this.store.put(pathOf(of), `${JSON.stringify({ case: of, [this.name]: finding }, null, 2)}\n`).catch(() => false)
  }
}

const pathOf = (of: object): string => `${createHash('sha256').update(JSON.stringify(of)).digest('hex').slice(0, 32)}.json`
