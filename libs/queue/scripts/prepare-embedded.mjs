// After the compiler: makes the snapshot of the embedded queue's database, so that no start has to.
import { makeSnapshot } from '../dist/embedded/database.js'
import { packageSnapshot } from '../dist/embedded/snapshot.js'

await packageSnapshot(makeSnapshot)
