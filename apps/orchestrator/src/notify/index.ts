export { eventId, type ModelPromoted, Notification, type Notify, type NotifyOptions, type ScheduleFailed } from './events.js'
