/** Pictures of Debian's `dataset-fashion-mnist`: nothing is started. */
export async function startFashion() {
  return { folder: '/usr/share/datasets/fashion-mnist', stop: async () => undefined }
}
