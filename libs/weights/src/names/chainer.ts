import { ALL_ARCHITECTURES, type NameScheme } from './scheme.js'

/** Chainer's own names, which are the canonical ones. `N` counts the updates of a batch norm's running statistics. */
export const chainerNames: NameScheme = {
  id: 'chainer',
  title: 'Chainer',
  family: 'caffe',
  architectures: ALL_ARCHITECTURES,
  ignorable: [/\/N$/],
  variant: () => ({}),
  rule: (_architecture, parameter) =>
    /^loss[12]_/.test(parameter) ? { source: parameter, whenAbsent: 'auxiliary' } : { source: parameter },
}
