import { brokerContract } from './testing/broker-contract.js'
import { openBroker } from './broker.js'

brokerContract('the embedded database', { open: () => openBroker(), shared: false })
