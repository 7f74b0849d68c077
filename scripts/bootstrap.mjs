/**
 * Behind `npm run setup|demo|test|bench|lint`: makes a fresh clone ready (node modules, build, test servers), then runs the command.
 * Plain JavaScript without dependencies, because it runs before anything is installed. Further arguments reach the command:
 * `npm test -- libs/models`.
 */

// The version is checked before anything newer than it is loaded, hence no static imports here.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`layermill needs Node.js 20.19 or newer; this is ${process.versions.node} (${process.execPath}).`)
  process.exit(1)
}

const { main } = await import('./setup/commands.mjs')
process.exitCode = await main(process.argv.slice(2))
