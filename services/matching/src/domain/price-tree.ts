import { growNumbers, growRefs, num, ref } from './columns.ts'

const BLACK = 0
const RED = 1

/**
 * A red-black tree of level slots by key, in columns. Node 0 is the sentinel leaf: always black, and its parent is scratch
 * space for `remove`. It keeps a price's place O(log levels) at worst, whatever prices users choose.
 */
export class PriceTree {
  root = 0
  key = new Float64Array(64)
  left = new Int32Array(64)
  right = new Int32Array(64)
  parent = new Int32Array(64)
  color = new Int32Array(64)

  grow(size: number): void {
    this.key = growNumbers(this.key, size)
    this.left = growRefs(this.left, size)
    this.right = growRefs(this.right, size)
    this.parent = growRefs(this.parent, size)
    this.color = growRefs(this.color, size)
  }

  /** The node with that key; or the one that would be its parent; or 0 in an empty tree. */
  findNearest(key: number): number {
    let node = this.root
    let nearest = 0
    while (node !== 0) {
      nearest = node
      const here = num(this.key, node)
      if (key === here) return node
      node = key < here ? ref(this.left, node) : ref(this.right, node)
    }
    return nearest
  }

  /** Hangs a new node under `parent` (0: the tree is empty), on the side that its key says, which is free. */
  insert(node: number, key: number, parent: number): void {
    this.key[node] = key
    this.left[node] = 0
    this.right[node] = 0
    this.parent[node] = parent
    this.color[node] = RED
    if (parent === 0) this.root = node
    else if (key < num(this.key, parent)) this.left[parent] = node
    else this.right[parent] = node
    this.rebalanceAfterInsert(node)
  }

  /** Removes a node; `successor` is the node with the next higher key, or 0. */
  remove(node: number, successor: number): void {
    const { left, right, parent, color } = this
    let removed = color[node]
    let child: number
    if (ref(left, node) === 0) {
      child = ref(right, node)
      this.replace(node, child)
    } else if (ref(right, node) === 0) {
      child = ref(left, node)
      this.replace(node, child)
    } else {
      removed = color[successor]
      child = ref(right, successor)
      if (ref(parent, successor) === node) parent[child] = successor
      else {
        this.replace(successor, child)
        right[successor] = ref(right, node)
        parent[ref(right, successor)] = successor
      }
      this.replace(node, successor)
      left[successor] = ref(left, node)
      parent[ref(left, successor)] = successor
      color[successor] = ref(color, node)
    }
    this.key[node] = Number.NaN
    if (removed === BLACK) this.rebalanceAfterRemove(child)
  }

  private replace(node: number, by: number): void {
    const above = ref(this.parent, node)
    if (above === 0) this.root = by
    else if (ref(this.left, above) === node) this.left[above] = by
    else this.right[above] = by
    this.parent[by] = above
  }

  /** Turns the edge between a node and its child on `side` (the child rises). */
  private rotate(node: number, side: Int32Array, other: Int32Array): void {
    const child = ref(side, node)
    const inner = ref(other, child)
    side[node] = inner
    if (inner !== 0) this.parent[inner] = node
    this.replace(node, child)
    other[child] = node
    this.parent[node] = child
  }

  private rebalanceAfterInsert(inserted: number): void {
    const { parent, color, left, right } = this
    let node = inserted
    while (ref(color, ref(parent, node)) === RED) {
      let above = ref(parent, node)
      const grand = ref(parent, above)
      const isLeft = above === ref(left, grand)
      const near = isLeft ? left : right
      const far = isLeft ? right : left
      const uncle = ref(far, grand)
      if (ref(color, uncle) === RED) {
        color[above] = BLACK
        color[uncle] = BLACK
        color[grand] = RED
        node = grand
        continue
      }
      if (node === ref(far, above)) {
        node = above
        this.rotate(node, far, near)
        above = ref(parent, node)
      }
      color[above] = BLACK
      color[grand] = RED
      this.rotate(grand, near, far)
    }
    color[this.root] = BLACK
  }

  private rebalanceAfterRemove(child: number): void {
    const { parent, color, left, right } = this
    let node = child
    while (node !== this.root && ref(color, node) === BLACK) {
      const above = ref(parent, node)
      const isLeft = node === ref(left, above)
      const near = isLeft ? left : right
      const far = isLeft ? right : left
      let sibling = ref(far, above)
      if (ref(color, sibling) === RED) {
        color[sibling] = BLACK
        color[above] = RED
        this.rotate(above, far, near)
        sibling = ref(far, above)
      }
      if (ref(color, ref(near, sibling)) === BLACK && ref(color, ref(far, sibling)) === BLACK) {
        color[sibling] = RED
        node = above
        continue
      }
      if (ref(color, ref(far, sibling)) === BLACK) {
        color[ref(near, sibling)] = BLACK
        color[sibling] = RED
        this.rotate(sibling, near, far)
        sibling = ref(far, above)
      }
      color[sibling] = ref(color, above)
      color[above] = BLACK
      color[ref(far, sibling)] = BLACK
      this.rotate(above, far, near)
      break
    }
    color[node] = BLACK
  }
}
