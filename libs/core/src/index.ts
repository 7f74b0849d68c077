export { endsWithin, withDeadline } from './async/deadline.js'
export { Gate } from './async/gate.js'
export { WakeableSleep } from './async/sleep.js'
export type { ErrorClass, FailureClass, FailureScope, ProblemKind, Retry } from './errors/failure-class.js'
export { errorCode, errorHint, errorMessage, firstError, LayermillError, type ReceivedCode, receivedCode } from './errors/errors.js'
export { classify, errorsMarkdown, type Failure, failureClass } from './errors/failure-codes.js'
export { type ErrorCode, failureTable, isErrorCode, type ProblemCode } from './errors/failure-table.js'
export { writeAll, writeAtomically } from './files/atomic.js'
export { npyHeader, npyPlaces } from './formats/npy.js'
export { protobuf, type ProtobufField, ProtobufReader } from './formats/protobuf-reader.js'
export {
  bytesField,
  concatenate,
  floatField,
  intField,
  type Message,
  message,
  messageField,
  packedFloats,
  packedInts,
  stringField,
} from './formats/protobuf-writer.js'
export {
  mostSafetensorsHeaderBytes,
  readSafetensors,
  type SafetensorsContent,
  safetensorsMetadata,
  safetensorsHeader,
  safetensorsHeaderBytes,
  type SafetensorsItem,
  safetensorsText,
  safetensorsTextBytes,
  writeSafetensorsHeader,
} from './formats/safetensors.js'
export { freeArrays } from './memory/free.js'
export { Scratch } from './memory/scratch.js'
export { canonicalPath, layermillHome, publishedPath, urlFolder, weightsFolder } from './files/home.js'
export { type LockOptions, withLock } from './files/lock.js'
export { absolutePlace } from './files/place.js'
export { bytesOf, fromBytes, openFile, type RandomAccess, readBytes, truncated } from './files/random-access.js'
export { isPublicAddress, publicLookup, refusePrivateHost } from './net/public-address.js'
export { hasCredentials, redact, redactQueueUrl } from './net/redact.js'
export { placeSchemeOf, schemeOf } from './net/url-scheme.js'
export { exitCodeOf, exitCodeOfError, exitCodes } from './process/exit-codes.js'
export { exitAtLatest, Interrupted, interruptible, untilStopped } from './process/interrupt.js'
export { memoryLimit } from './process/memory.js'
export { cgroupProcessors, computeThreads, type ThreadCircumstances } from './process/threads.js'
export { version } from './process/version.js'
export { roundHalfEven } from './numbers/round.js'
export { fnv1a32, lowbias32 } from './random/hash.js'
export { mulberry32 } from './random/mulberry32.js'
export { Random } from './random/random.js'
export { fillSfc32 } from './random/sfc32.js'
export { fillNormal, fillUniform, finish, normalSlices, RandomStream, uniformSlices } from './random/stream.js'
export { fromBfloat16, toBfloat16 } from './tensor/bfloat16.js'
export { fromFloat16, toFloat16 } from './tensor/float16.js'
export { bfloatToFloat, doubleToFloat, halfToFloat, int64ToFloat } from './tensor/floats.js'
export { addArrays, inChunks } from './tensor/tensor-sum.js'
export { elementCount, formatShape, sameShape, type Tensor, type TensorMap } from './tensor/tensor.js'
export { editDistance, nearestNames } from './text/names.js'
export { globMatcher, isGlob } from './text/glob.js'
export { checkSpecText, mostNesting, mostSpecBytes, nestsDeeper, tooLong } from './text/nesting.js'
export { printable, printableJson, printableName } from './text/printable.js'
export { closest } from './text/suggest.js'
export { compileWasm, instantiateWasm, sharedWasmMemory, wasmPage, type WasmMemory, type WasmModule } from './wasm/wasm.js'
