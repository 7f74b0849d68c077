import { setFlagsFromString } from 'node:v8'
import { processOutput } from './output/output.js'
import { runProgram } from './program.js'

// V8's space for new objects stays as large as it is: it would double up to twice 16 MiB for what little survives of a stream of images,
// and does so while modules are loaded (docs/decisions/0189).
setFlagsFromString('--semi-space-growth-factor=1')

// The AWS SDK would print on every start that it will leave Node.js 20 one day; package.json says which Node.js is supported.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'

// `layermill models | head` closes the pipe early: that is the reader's choice, not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

process.exitCode = await runProgram(process.argv.slice(2), processOutput(process.stdout, process.stderr))
