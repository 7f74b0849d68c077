import { openEngine } from '../open.js'
import { engineContract, engineLeftOut } from '../testing/engine-contract.js'

const portable = () => openEngine({ engine: 'tfjs', device: 'cpu-portable' })

engineContract('tfjs on cpu-portable', portable)

/** Devices that this machine is known to have: `LAYERMILL_TEST_DEVICES=tfjs/cuda`. */
const named = (process.env['LAYERMILL_TEST_DEVICES'] ?? '').split(',')
for (const device of ['cuda', 'cpu'] as const) {
  const open = () => openEngine({ engine: 'tfjs', device })
  if (named.includes(`tfjs/${device}`)) engineContract(`tfjs on ${device}`, open)
  else
    engineLeftOut(
      `tfjs on ${device}`,
      open,
      `its native package downloads TensorFlow, and LAYERMILL_TEST_DEVICES does not name tfjs/${device}`,
    )
}
