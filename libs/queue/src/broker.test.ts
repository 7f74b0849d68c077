import { brokerContract } from './testing/broker-contract.js'
import { openBroker } from './connect.js'

brokerContract('the embedded database', { open: () => openBroker(), shared: false })
