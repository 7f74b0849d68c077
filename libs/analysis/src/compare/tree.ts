/** A tree of sets by likeness: a leaf, or two branches that join at a distance. */
export type Tree = { readonly leaf: number } | { readonly left: Tree; readonly right: Tree; readonly distance: number }

/** Places of the leaves from left to right. */
export const leavesOf = (tree: Tree): number[] => ('leaf' in tree ? [tree.leaf] : [...leavesOf(tree.left), ...leavesOf(tree.right)])

/**
 * Joins the two nearest groups until one is left, the distance of groups being the mean of all distances between them (average linkage,
 * UPGMA). Of equal distances the first is taken.
 *
 * @param distance of two places, symmetric
 */
export function clusterTree(count: number, distance: (a: number, b: number) => number): Tree | undefined {
  let groups: { tree: Tree; size: number }[] = Array.from({ length: count }, (_, leaf) => ({ tree: { leaf }, size: 1 }))
  let between = groups.map((_, a) => groups.map((__, b) => (a === b ? Infinity : distance(a, b))))
  while (groups.length > 1) {
    let [first, second] = [0, 1]
    for (let a = 0; a < groups.length; a++) {
      for (let b = a + 1; b < groups.length; b++) if (between[a]![b]! < between[first]![second]!) [first, second] = [a, b]
    }
    const [x, y] = [groups[first]!, groups[second]!]
    const joined = between[first]!.map((value, k) => (value * x.size + between[second]![k]! * y.size) / (x.size + y.size))
    const tree: Tree = { left: x.tree, right: y.tree, distance: between[first]![second]! }
    const kept = [...groups.keys()].filter(k => k !== second)
    joined[first] = Infinity
    between = kept.map(a => kept.map(b => (a === first ? joined[b]! : b === first ? joined[a]! : between[a]![b]!)))
    groups = kept.map(k => (k === first ? { tree, size: x.size + y.size } : groups[k]!))
  }
  return groups[0]?.tree
}
