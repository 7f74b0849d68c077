/** Compresses what library_files.py wrote: `node library-files.mjs FOLDER`. */
import { createReadStream, createWriteStream, readdirSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { constants, createBrotliCompress } from 'node:zlib'

const folder = process.argv[2]
for (const name of readdirSync(folder).filter(file => /\.(safetensors|h5|keras)$/.test(file))) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: 22 }
  await pipeline(
    createReadStream(`${folder}/${name}`),
    createBrotliCompress({ params }),
    createWriteStream(new URL(`files/${name}.br`, import.meta.url)),
  )
}
