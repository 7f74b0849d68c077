import type { ErrorClass, FailureScope, ProblemKind, Retry } from './failure-class.js'

/** A row whose type says whether clients are told of its code. */
const row = <Http extends ErrorClass['http'] = undefined>(
  retry: Retry,
  scope: FailureScope,
  meaning: string,
  http?: Http,
  exit?: ErrorClass['exit'],
) => ({ retry, scope, meaning, http: http as Http, exit })

/**
 * Every code that Layermill throws, and the system's codes that it lets through: when it is tried again, what it ends, its meaning, the
 * HTTP API's answer, the command's exit code. Codes never change once published.
 */
export const failureTable = {
  // Images: recorded and left out; more than --max-errors of them fail the run.
  IMAGE_ARCHIVED: row('never', 'image', 'The object lies in an archive class and must be restored before it can be read.'),
  IMAGE_CHANGED: row('never', 'image', 'The image changed between listing and reading.'),
  IMAGE_CORRUPT: row('never', 'image', 'The file is damaged and cannot be decoded.'),
  IMAGE_DENIED: row('never', 'image', 'The object may not be read, while others of its source can be.'),
  IMAGE_EMPTY: row('never', 'image', 'The file has no bytes.'),
  IMAGE_MISSING: row('never', 'image', 'The image was listed but is gone.'),
  IMAGE_NOT_AN_IMAGE: row('never', 'image', 'The file is not an image.'),
  IMAGE_SIZE: row('never', 'image', 'The image, in its own size, is too small for a layer, or not of the one size that it takes.'),
  IMAGE_TIMEOUT: row('never', 'image', 'The image was not decoded within the time that one may take.'),
  IMAGE_TOO_LARGE: row('never', 'image', 'The image has more pixels or bytes than allowed (a decompression bomb, or a mistake).'),
  IMAGE_TRUNCATED: row('never', 'image', 'The file ends before the image does.'),
  PICTURE_INVALID: row('never', 'request', 'The picture that was sent to be tried cannot be decoded or computed.', {
    status: 422,
    title: 'The picture cannot be tried',
  }),
  IMAGE_UNKNOWN: row('never', 'request', 'The run has no such image.', { status: 404, title: 'The run has no such image' }),
  IMAGE_UNREADABLE: row('alone', 'image', 'The file is there but could not be read.', { status: 404, title: 'The image cannot be shown' }),
  IMAGE_UNSUPPORTED: row('never', 'image', 'The image format or its colour space is not supported.'),
  VALUE_OVERFLOW: row('never', 'image', 'Values of a layer are too large for float16, or no finite numbers: NaN or infinite.'),
  LABEL_INVALID: row('never', 'image', 'The image has a label that is not one of the classes.'),

  // Sources of images.
  PLACE_REFUSED: row(
    'never',
    'run',
    'The spec, or a list below an allowed place, names a folder or bucket that the server does not allow.',
    { status: 403, title: 'The server does not allow this place' },
  ),
  SOURCE_CHANGED: row('never', 'run', 'The list or archive of images changed while it was read.'),
  SOURCE_DENIED: row('never', 'worker', 'The source of images may not be read with the credentials at hand.', {
    status: 422,
    title: 'The source may not be read',
  }),
  SOURCE_EMPTY: row('never', 'run', 'The source has no images.', { status: 422, title: 'The source has no images' }),
  SOURCE_KIND: row('never', 'run', 'The source is not a folder, glob, list, archive or image.', {
    status: 422,
    title: 'The source is of no known kind',
  }),
  SOURCE_LEFT_OUT: row('never', 'run', 'With --strict: the source has files that would be left out.'),
  SOURCE_MISSING: row('never', 'worker', 'The source does not exist.', { status: 422, title: 'The source is not there' }),
  SOURCE_UNREACHABLE: row('backoff', 'worker', 'The source could not be reached.', 'UNAVAILABLE'),
  ARCHIVE_INVALID: row('never', 'run', 'An archive of images is damaged or cut off.'),
  LIST_DUPLICATE: row('never', 'run', 'A list names the same image twice.', { status: 422, title: 'A list names the same image twice' }),
  LIST_INVALID: row('never', 'run', 'A list of images has a line that cannot be read.', {
    status: 422,
    title: 'A list of images has a line that cannot be read',
  }),
  EVALUATION_INVALID: row('never', 'run', 'The answers of two models cannot be compared.'),
  VALIDATION_INVALID: row('never', 'run', 'The held-out images do not fit the training images.'),

  // Stores of results.
  KEY_INVALID: row('never', 'run', 'A key would leave the store, or is no key.'),
  STORE_BUSY: row('backoff', 'part', 'The store asks to slow down, or another writer was faster.', 'UNAVAILABLE'),
  STORE_CONDITIONS: row('never', 'run', 'The store ignores conditional writes, which the registry of models and schedules rely on.', {
    status: 422,
    title: 'The store ignores conditional writes',
  }),
  STORE_DENIED: row('never', 'worker', 'The store refuses the credentials at hand.', {
    status: 422,
    title: 'The store refuses the credentials at hand',
  }),
  STORE_FAILED: row('backoff', 'part', 'The store answered with an error.', 'UNAVAILABLE'),
  STORE_FULL: row('never', 'run', 'No room is left in the store.'),
  STORE_MISSING: row('never', 'worker', 'The bucket or folder does not exist.', {
    status: 422,
    title: 'The bucket or folder is not there',
  }),
  STORE_UNREACHABLE: row('backoff', 'worker', 'The store could not be reached.', 'UNAVAILABLE'),
  STORE_URL: row('never', 'run', 'This is not the address of a store.', { status: 422, title: 'The place is not a folder or bucket' }),

  // Files of results.
  FEATURES_INVALID: row('never', 'run', 'A result file is damaged or of another format.'),
  FEATURES_MISSING: row('never', 'run', 'A result file that a commit record names is gone.'),
  FILE_MISSING: row('never', 'run', 'A file of the run is gone.', { status: 404, title: 'A file of the run is gone' }),
  LAYER_INVALID: row('never', 'run', 'This cannot be the name of a layer.'),
  LAYER_MISSING: row('never', 'run', 'A layer is not among the results.', { status: 404, title: 'The run has no features of this layer' }),
  NOT_RECORDED: row('never', 'request', 'The run has no such results yet.', { status: 404, title: 'The run has no such results yet' }),
  MANIFEST_MISSING: row('never', 'part', "The part's list of images is gone: plan the run again."),
  PART_INVALID: row('never', 'run', 'This cannot be the number of a part.'),
  RECORD_INVALID: row('never', 'run', 'A stored record cannot be read.'),
  ROW_INVALID: row('never', 'run', 'A row of results has another shape than its layer.'),

  // Exports to vector stores.
  CLIENT_FAILED: row('never', 'run', 'The client of a vector store reported an error.'),
  CLIENT_MISSING: row('never', 'run', 'The client of a vector store is not installed.'),
  EXPORT_EXISTS: row('never', 'run', 'The destination of an export holds something else.'),

  // Networks, weights and engines.
  MODEL_INVALID: row('never', 'worker', 'The files of a fine-tuned model cannot be understood.', {
    status: 422,
    title: 'The files of the fine-tuned model cannot be understood',
  }),
  MODEL_NAME_INVALID: row('never', 'run', 'This cannot be the name of a registered model.', {
    status: 422,
    title: 'This cannot be the name of a registered model',
  }),
  MODEL_NOT_REGISTERED: row('never', 'run', 'The registry has no such model or version.', {
    status: 404,
    title: 'There is no such registered model or version',
  }),
  REGISTRY_BUSY: row('backoff', 'part', 'A registered model is being changed by others all the time.', {
    status: 409,
    title: 'The model is being changed by others',
  }),
  REGISTRY_CONFLICT: row('never', 'run', 'A registered model is not as a change expects it.', {
    status: 409,
    title: 'The registered model is not as the request expects it',
  }),
  REGISTRY_INVALID: row('never', 'run', 'A file of the registry of models cannot be understood.'),
  REGISTRY_MISSING: row('never', 'run', 'No registry of models is configured.', {
    status: 404,
    title: 'This server has no registry of models',
  }),
  ROLLBACK_IMPOSSIBLE: row('never', 'run', 'There is no earlier version of a registered model to go back to.', {
    status: 409,
    title: 'There is no version to go back to',
  }),
  MODEL_UNKNOWN: row(
    'never',
    'worker',
    'No network or fine-tuned model has this name.',
    { status: 422, title: 'There is no such network' },
    'usage',
  ),
  LAYER_UNKNOWN: row(
    'never',
    'worker',
    'The network has no layer of this name.',
    { status: 422, title: 'The network has no such layer' },
    'usage',
  ),
  LAYER_AMBIGUOUS: row(
    'never',
    'worker',
    'Several values of the network answer to the name of a layer.',
    { status: 422, title: 'The name of the layer is ambiguous' },
    'usage',
  ),
  ONNX_INVALID: row('never', 'worker', 'The ONNX file is damaged or contradicts itself.', {
    status: 422,
    title: 'The ONNX file is damaged or contradicts itself',
  }),
  ONNX_UNSUPPORTED: row('never', 'worker', 'The ONNX file is in order, but is not a network of images that can be run here.', {
    status: 422,
    title: 'The ONNX file cannot be run here',
  }),
  NODE_UNKNOWN: row('never', 'run', "The network's graph has no node of this name."),
  GRAPH_INVALID: row('never', 'run', "The network's graph is inconsistent."),
  HEAD_INVALID: row('never', 'run', 'The head does not fit the layer that it goes on.', {
    status: 422,
    title: 'The head does not fit the layer that it goes on',
  }),
  INPUT_SHAPE: row('never', 'run', 'The tensor is not a batch of images.'),
  CALIBRATION_INVALID: row(
    'never',
    'run',
    'The ranges of an int8 run are missing, damaged or not the ones that it was started with, or no image gave any.',
  ),
  PRECISION_UNAVAILABLE: row('never', 'worker', 'The engine does not compute in this precision.', {
    status: 422,
    title: 'The engine does not compute in this precision',
  }),
  INPUT_SIZE: row(
    'never',
    'run',
    'The layer needs another input size.',
    { status: 422, title: 'A layer does not allow this input size' },
    'usage',
  ),
  PARAMETER_UNKNOWN: row('never', 'run', 'The network has no parameter of this name.'),
  SELF_CHECK: row('never', 'worker', 'The engine does not compute the stored activations of a known picture.'),
  TENSOR_SHAPE: row('never', 'run', 'A tensor has another shape than expected.'),
  WEIGHTS_FORMAT: row('never', 'run', 'The file is not in the weight format that it seems to be.', {
    status: 422,
    title: 'The weight file is of no known format',
  }),
  WEIGHTS_HASH: row('backoff', 'worker', 'The fetched weights are not the published ones.'),
  WEIGHTS_MISMATCH: row('never', 'run', 'The weights have tensors missing, extra or misshapen.', {
    status: 422,
    title: 'The weights do not fit the network',
  }),
  WEIGHTS_MISSING_TENSOR: row('never', 'run', 'The weights lack a tensor that the network needs.'),
  WEIGHTS_NOT_FOUND: row('never', 'worker', 'There is no such weight file.', { status: 422, title: 'There is no such weight file' }),
  WEIGHTS_SHAPE: row('never', 'run', 'A tensor of the weights has another shape than the network needs.'),
  WEIGHTS_TRUNCATED: row('never', 'run', 'The weight file ends too early.'),
  WEIGHTS_UNAVAILABLE: row('backoff', 'worker', 'The published weights could not be fetched.', 'UNAVAILABLE'),
  CPU_UNFIT: row('never', 'worker', 'The worker has another kind of CPU than the run requires (`--require-cpu`).'),
  DECODER_UNAVAILABLE: row('never', 'worker', 'The decoder asked for is not installed.', {
    status: 422,
    title: 'The decoder is not there',
  }),
  DEVICE_UNAVAILABLE: row('never', 'worker', 'The device asked for is not there.', { status: 422, title: 'The device is not there' }),
  ENGINE_CLOSED: row('backoff', 'part', 'The engine was closed while work was under way.'),
  ENGINE_FAILED: row('alone', 'part', "The engine's runtime reported an error."),
  ENGINE_THREADS: row('never', 'run', 'The number of threads makes no sense.'),
  ENGINE_UNKNOWN: row('never', 'worker', 'No engine has this name.'),

  // Runs and training.
  PREPARATION_UNKNOWN: row(
    'never',
    'run',
    'No way of preparing images has this name, or the named library has no such weights of the network.',
    { status: 422, title: 'There is no such preparation of this network' },
    'usage',
  ),
  PREPARATION_INVALID: row(
    'never',
    'run',
    'A file that says how images are prepared cannot be read, or its way is not known here.',
    { status: 422, title: 'The preparation is not valid' },
    'usage',
  ),
  WORKERS_UNFIT: row('never', 'run', 'No worker that lives can carry the run; the message names them and their reasons.'),
  RECORD_NEWER: row('never', 'worker', 'A record was written by a newer version and has fields that this one does not know.'),
  MEMORY_TOO_SMALL: row('never', 'run', 'The run needs more memory than the orchestrator has.', {
    status: 422,
    title: 'The run needs more memory than the orchestrator has',
  }),
  RUN_SET_ASIDE: row('never', 'run', 'The run ended or blocked its orchestrator twice and is not taken up again by itself.'),
  SPEC_INVALID: row(
    'never',
    'run',
    'A field or flag of the spec cannot be used as given.',
    { status: 422, title: 'The spec is not valid' },
    'usage',
  ),
  RUN_CONFLICT: row('never', 'run', 'The destination holds the results of another spec.', {
    status: 409,
    title: 'The destination holds another run',
  }),
  RUN_MISSING: row('never', 'worker', 'There is no such run.', { status: 409, title: 'There is no earlier run at the destination' }),
  RUN_RECORD_INVALID: row('never', 'worker', 'A stored record of the run cannot be read.'),
  TOO_MANY_ERRORS: row('never', 'run', 'More images failed than --max-errors allows.'),
  BATCH_INVALID: row('never', 'run', 'The batch or micro-batch size makes no sense.'),
  CHECKPOINT_CORRUPT: row('never', 'run', 'A checkpoint is damaged.'),
  CHECKPOINT_MISMATCH: row('never', 'run', 'A checkpoint belongs to another run.'),
  GRADIENT_MISSING: row('never', 'run', 'A gradient lacks a tensor.'),
  OPTIMIZER_FAILED: row('backoff', 'run', 'A thread that updates parameters ended during training.'),
  GRADIENT_NOT_FINITE: row('never', 'run', 'A gradient overflowed: training diverged.'),
  GRADIENT_ORDER: row('never', 'run', 'Gradients did not come in the order of their index.'),
  ACCURACY_TOO_LOW: row('never', 'run', 'A model recognises fewer of the images than was asked for.'),
  CLASS_EMPTY: row('never', 'run', 'A class has no image that can be used.'),
  CLASS_TOO_FEW: row('never', 'run', 'The images have fewer than two classes.'),
  CLASS_UNKNOWN: row('never', 'run', 'A class is named that no training image has.'),
  LABEL_MISSING: row('never', 'run', 'Images have no label.'),
  LOSS_INVALID: row('never', 'run', 'The loss cannot be computed from what was given.'),
  SCALE_INVALID: row('never', 'run', 'A learning-rate scale makes no sense.'),
  SCHEDULE_INVALID: row('never', 'run', 'The learning-rate schedule makes no sense.'),

  // Queues and the exchange of tensors.
  EXCHANGE_CORRUPT: row('backoff', 'part', 'A tensor from the exchange is damaged.'),
  EXCHANGE_INVALID: row('never', 'run', 'This cannot be put into the exchange.'),
  EXCHANGE_MISSING: row('backoff', 'part', 'A tensor is not, or no longer, in the exchange.'),
  PAYLOAD_INVALID: row('never', 'worker', 'A job carries a payload that this version does not understand.'),
  PAYLOAD_TOO_LARGE: row('never', 'run', "A job's payload is larger than allowed."),
  QUEUE_AUTH: row('never', 'run', 'The queue refuses the user name or password.'),
  QUEUE_CLOSED: row('never', 'part', 'The connection to the queue was closed here.', 'UNAVAILABLE'),
  QUEUE_DENIED: row('never', 'run', "The queue's rules keep commands or keys from the user."),
  QUEUE_EVICTION: row('never', 'run', 'Redis may throw jobs away when memory runs short.'),
  QUEUE_FAILED: row('backoff', 'part', 'The queue answered with an error.', 'UNAVAILABLE'),
  QUEUE_LOCKED: row('never', 'run', "Another process uses the embedded queue's folder."),
  QUEUE_UNREACHABLE: row('backoff', 'part', "The queue's server could not be reached.", 'UNAVAILABLE'),
  QUEUE_URL: row('never', 'run', 'This is not the address of a queue.'),

  // The HTTP API, and the ports of health checks.
  BODY_INVALID: row('never', 'request', 'The body cannot be read.', { status: 400, title: 'The body cannot be read' }),
  BODY_TOO_LARGE: row('never', 'request', 'The body is too large.', { status: 413, title: 'The body is too large' }),
  CURSOR_INVALID: row('never', 'request', 'The cursor is not one that this server gave.', {
    status: 400,
    title: 'The cursor is not one that this server gave',
  }),
  EXPECTATION_FAILED: row('never', 'request', 'The expectation is not supported.', {
    status: 417,
    title: 'The expectation is not supported',
  }),
  HEADERS_TOO_LARGE: row('never', 'request', 'The headers are too large.', { status: 431, title: 'The headers are too large' }),
  INTERNAL: row('never', 'request', "An internal error; the server's log has more under the request's id.", {
    status: 500,
    title: 'Internal error',
  }),
  JOB_ACTIVE: row('never', 'request', 'The job of a queue is being worked on.', { status: 409, title: 'The job is being worked on' }),
  JOB_NOT_FAILED: row('never', 'request', 'The job of a queue has not failed.', { status: 409, title: 'The job has not failed' }),
  JOB_UNKNOWN: row('never', 'request', 'The queue has no such job.', { status: 404, title: 'There is no such job' }),
  LISTEN_FAILED: row('never', 'request', 'The port cannot be listened on.'),
  MEDIA_TYPE: row('never', 'request', 'The body is not JSON.', { status: 415, title: 'The body is not JSON' }),
  METHOD_NOT_ALLOWED: row('never', 'request', 'The method is not allowed here.', { status: 405, title: 'The method is not allowed here' }),
  ORIGIN_REFUSED: row('never', 'request', 'The request comes from another site.', {
    status: 403,
    title: 'The request comes from another site',
  }),
  PARAMETER_INVALID: row('never', 'request', 'A parameter of the request is wrong.', { status: 400, title: 'A parameter is wrong' }),
  QUEUE_UNKNOWN: row('never', 'request', 'There is no such queue.', { status: 404, title: 'There is no such queue' }),
  REQUEST_INVALID: row('never', 'request', 'The request is malformed.', { status: 400, title: 'The request is malformed' }),
  REQUEST_TIMEOUT: row('never', 'request', 'The request took too long to arrive.', {
    status: 408,
    title: 'The request took too long to arrive',
  }),
  ROUTE_UNKNOWN: row('never', 'request', 'There is nothing at this address.', { status: 404, title: 'There is nothing here' }),
  RUN_ACTIVE: row('never', 'request', 'The run is being worked on.', { status: 409, title: 'The run is being worked on' }),
  ANALYSIS_CANCELLED: row('never', 'run', 'The audit or comparison of a run was cancelled.'),
  RUN_CANCELLED: row('never', 'run', 'The run was cancelled.'),
  RUN_FINISHED: row('never', 'request', 'The run has ended.', { status: 409, title: 'The run has ended' }),
  RUN_UNKNOWN: row('never', 'request', 'There is no such run.', { status: 404, title: 'There is no such run' }),
  SCHEDULE_EXISTS: row('never', 'request', 'A schedule of this name exists.', { status: 409, title: 'A schedule of this name exists' }),
  SCHEDULE_RECORD_INVALID: row('never', 'run', 'A stored schedule cannot be read.'),
  SCHEDULE_UNKNOWN: row('never', 'request', 'There is no such schedule.', { status: 404, title: 'There is no such schedule' }),
  SCHEDULES_ELSEWHERE: row('never', 'request', "The queue's schedules are kept at another place.", {
    status: 409,
    title: 'The schedules are kept at another place',
  }),
  SCOPE_MISSING: row('never', 'request', 'The token does not allow this.', { status: 403, title: 'The token does not allow this' }),
  TOKENS_INVALID: row('never', 'request', 'The file of tokens cannot be understood.'),
  TOKENS_REQUIRED: row('never', 'request', 'Other addresses than loopback need tokens.'),
  TOKENS_UNREADABLE: row('never', 'request', 'The file of tokens cannot be read.'),
  TOKENS_UNWRITABLE: row('never', 'request', 'The file of tokens cannot be changed.'),
  TOKEN_EXISTS: row('never', 'request', 'A token of this name exists.'),
  TOKEN_INVALID: row('never', 'request', 'The token is not valid.', { status: 401, title: 'The token is not valid' }),
  TOKEN_MISSING: row('never', 'request', 'A token is needed.', { status: 401, title: 'A token is needed' }),
  TOO_MANY_FAILURES: row('backoff', 'request', 'Too many failed attempts from this address.', {
    status: 429,
    title: 'Too many failed attempts',
  }),
  WORKER_LOST: row('backoff', 'part', 'The workers that had the part vanished, one after the other.'),
  UNAVAILABLE: row('backoff', 'request', 'The queue or the store does not answer.', { status: 503, title: 'Not available at the moment' }),
  URL_TOO_LONG: row('never', 'request', 'The URL is too long.', { status: 414, title: 'The URL is too long' }),

  // Webhooks.
  ADDRESS_REFUSED: row('never', 'worker', 'The host is, or resolves to, an address that is not public.', {
    status: 422,
    title: 'The host is not a public address',
  }),
  WEBHOOK_FAILED: row('backoff', 'part', "A webhook's receiver did not accept an event."),
  WEBHOOK_GONE: row('never', 'part', "A webhook's receiver wants no more events."),
  WEBHOOK_SECRET: row('never', 'run', 'The secret that signs webhooks is missing or too short.'),

  // The system's own codes, and everything else.
  EACCES: row('never', 'worker', 'A file may not be read or written.'),
  EAI_AGAIN: row('backoff', 'part', 'A host name could not be looked up for now.', 'UNAVAILABLE'),
  ECONNREFUSED: row('backoff', 'part', 'A server refused the connection.', 'UNAVAILABLE'),
  ECONNRESET: row('backoff', 'part', 'A connection was cut.'),
  EDQUOT: row('never', 'run', 'The disk quota is used up.'),
  EHOSTUNREACH: row('backoff', 'part', 'A server could not be reached.', 'UNAVAILABLE'),
  EMFILE: row('backoff', 'part', 'Too many files are open.'),
  ENETUNREACH: row('backoff', 'part', 'The network could not be reached.'),
  ENOENT: row('never', 'worker', 'A file does not exist.'),
  ENOSPC: row('never', 'run', 'The disk is full.'),
  ENOTFOUND: row('backoff', 'part', 'A host name is not known.', 'UNAVAILABLE'),
  EPERM: row('never', 'worker', 'An operation is not allowed.'),
  EPIPE: row('backoff', 'part', 'A connection was cut.'),
  EROFS: row('never', 'worker', 'The file system is read-only.'),
  ETIMEDOUT: row('backoff', 'part', 'A connection took too long.', 'UNAVAILABLE'),
  UNEXPECTED: row('backoff', 'part', 'An error without a code: a fault of Layermill, please report it.'),
} as const satisfies Readonly<Record<string, ErrorClass>>

/** A code of the table. */
export type ErrorCode = keyof typeof failureTable

/** A code that the HTTP API tells its clients. */
export type ProblemCode = {
  [Code in ErrorCode]: (typeof failureTable)[Code] extends { readonly http: ProblemKind } ? Code : never
}[ErrorCode]

/** Whether a text, of whatever origin, is a code of the table. */
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(failureTable, code)
