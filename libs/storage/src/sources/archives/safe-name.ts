/** A name in an archive as part of a key: what would leave the archive's folder keeps its place in it, as `_root/` and `_up/`. */
export function safeName(name: string): string {
  const rooted = name.startsWith('/')
  const parts = name
    .split('/')
    .filter(part => part !== '' && part !== '.')
    .map(part => (part === '..' ? '_up' : part))
  return (rooted ? ['_root', ...parts] : parts).join('/')
}
