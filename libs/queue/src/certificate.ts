import { errorCode } from '@layermill/core'

const unknownAuthority = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
])
const wrongCertificate = new Set([...unknownAuthority, 'CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID', 'ERR_TLS_CERT_ALTNAME_INVALID'])

/** Hint for a certificate that cannot be trusted; undefined for other errors. */
export function certificateHint(error: unknown): string | undefined {
  const code = errorCode(error)
  if (!wrongCertificate.has(code)) return undefined
  if (unknownAuthority.has(code))
    return 'the certificate is not of an authority that Node.js knows: set NODE_EXTRA_CA_CERTS to the file (PEM) of yours before starting'
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? 'name the server as its certificate does' : 'renew the certificate, or set the clock'
}
