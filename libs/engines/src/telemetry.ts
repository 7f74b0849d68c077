/**
 * Turns ONNX Runtime's telemetry off, unless the user has set the variable. From version 1.30 on the runtime keeps a device id and a queue
 * of events (program, CPU, names of graphs) in the user's cache folder and sends them.
 *
 * The runtime reads the variable of the process when its library loads. `process.env` of a worker thread is a copy that native code does
 * not see, so the main thread imports this module before it opens a thread or loads the runtime itself.
 */
process.env['ORT_DISABLE_TELEMETRY'] ??= '1'
