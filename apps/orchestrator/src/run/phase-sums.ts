import { mostPhaseWorkers, type PartResult, phaseNames, type PhaseSeconds, type WorkerPhases } from '@layermill/contracts'

interface Sums {
  parts: number
  images: number
  readonly seconds: { -readonly [Name in keyof PhaseSeconds]: number }
}

const rounded = (seconds: number): number => Math.round(seconds * 1e6) / 1e6

/** Busy time of workers by phase, added up over the parts that they tell of. */
export class PhaseSums {
  private readonly workers = new Map<string | undefined, Sums>()

  /** Counts a part that a worker has done just now. */
  add({ images, failed, phases }: Pick<PartResult, 'images' | 'failed' | 'phases'>): void {
    if (phases === undefined) return
    const known = this.workers.has(phases.worker) || this.workers.size < mostPhaseWorkers
    const worker = known ? phases.worker : 'others'
    const sums = this.workers.get(worker) ?? { parts: 0, images: 0, seconds: { read: 0, decode: 0, compute: 0, write: 0, all: 0 } }
    sums.parts += 1
    sums.images += images + failed
    for (const name of [...phaseNames, 'all'] as const) {
      const told = phases.seconds[name]
      if (told !== undefined) sums.seconds[name] = (sums.seconds[name] ?? 0) + told
    }
    this.workers.set(worker, sums)
  }

  /** Sums of each worker, by name. */
  list(): WorkerPhases[] {
    return [...this.workers]
      .toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1))
      .map(([worker, { parts, images, seconds }]) => ({
        ...(worker === undefined ? {} : { worker }),
        parts,
        images,
        seconds: {
          read: rounded(seconds.read),
          decode: rounded(seconds.decode),
          compute: rounded(seconds.compute),
          ...(seconds.exchange === undefined ? {} : { exchange: rounded(seconds.exchange) }),
          write: rounded(seconds.write),
          all: rounded(seconds.all),
        },
      }))
  }
}
