extension CBORReader {
  /// Passes over one item and lends `body` every text and byte string in it, keys included; those of indefinite length by the chunk.
  package mutating func forEachString(_ body: (UnsafeRawBufferPointer) -> Void) throws(CBORError) {
    try unsafe forEachString(depthLeft: depthLimit, body)
  }

  private mutating func forEachString(depthLeft: Int, _ body: (UnsafeRawBufferPointer) -> Void) throws(CBORError) {
    let start = offset
    let head = try readHead()
    switch head.major {
    case 0, 1: return
    case 2, 3:
      if head.isIndefinite {
        offset = start
        try unsafe forEachChunk { chunk, _ in unsafe body(chunk) }
      } else {
        unsafe body(try contiguous(head, at: start))
      }
    case 4, 5:
      let depthLeft = try descend(depthLeft, at: start)
      var count = try containerCount(head, at: start)
      while try hasNext(&count) {
        try unsafe forEachString(depthLeft: depthLeft, body)
        if head.major == 5 { try unsafe forEachString(depthLeft: depthLeft, body) }
      }
    case 6: try unsafe forEachString(depthLeft: descend(depthLeft, at: start), body)
    default:
      if head.info == 31 { throw strayBreak(at: start) }
    }
  }
}
