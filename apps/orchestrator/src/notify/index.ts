export { deliver, type DeliverOptions, type Delivery } from './deliver.js'
export { notifyOfRun } from './run-notices.js'
export { parseSecrets, signature, type SignedMessage } from './sign.js'
export { queueNotify, startWebhookWorker, type WebhookOptions, type WebhookWorker } from './webhook-worker.js'
