import { processOutput } from './output/output.js'
import { runProgram } from './program.js'

// `layermill models | head` closes the pipe early: that is the reader's choice, not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

process.exitCode = await runProgram(process.argv.slice(2), processOutput(process.stdout, process.stderr))
