import Files

@testable import LMDB

/// Two meta pages before a file of free pages: what keeps LMDB from opening it.
enum MetaPageTarget {
  /// The input: where the file ends, in pages, and the bytes of the two meta pages, 152 each.
  static func run(_ input: [UInt8]) throws {
    var rest = FuzzInput(input)
    let pageCount = Int(rest.byte() % 16)
    let first = rest.bytes(MetaPage.byteCount)
    let second = rest.bytes(MetaPage.byteCount)
    for (slot, bytes) in [first, second].enumerated() { try check(MetaPage(slot: slot, bytes: bytes), bytes) }

    var image = [UInt8](repeating: 0, count: 4096 * (pageCount + 2))
    image.replaceSubrange(0..<first.count, with: first)
    image.replaceSubrange(4096..<4096 + second.count, with: second)
    image.replaceSubrange(8192..<8192 + min(4096 * pageCount, rest.remaining.count), with: rest.remaining.prefix(4096 * pageCount))
    try ScratchFile.write(image)
    let file = try FileHandle(path: ScratchFile.path, access: .read)
    let pair = try MetaPair.read(file)
    try require(pair.first == MetaPage(slot: 0, bytes: Array(image[..<MetaPage.byteCount])), "the first meta page is read from elsewhere")
    let problems = try MetaPair.validate(file)
    if problems.isEmpty {
      try require(pair.newest.problems.isEmpty && pair.newestValid == pair.newest, "LMDB may open \(pair)")
      try require(pair.first.pageSizeBytes == 4096 && pair.second.pageSizeBytes == 4096, "LMDB may open pages of \(pair)")
      try require(pair.newest.mapSizeBytes >= (pair.newest.lastPage + 1) * 4096, "LMDB may open a map that is too small: \(pair)")
    }
    // Whatever the pages say, a walk of them ends.
    let report = PageWalker(try FileHandle(path: ScratchFile.path, access: .read), databases: ["main"]).walk(pair.newest)
    try require(report.bytesRead <= image.count * 2, "\(report.bytesRead) bytes are read of \(image.count)")
  }

  private static func check(_ page: MetaPage, _ bytes: [UInt8]) throws {
    guard page.isValid else { return }
    try require(bytes.count == MetaPage.byteCount, "a cut meta page is valid")
    try require(page.lastPage >= 1 && page.transactionID <= UInt64(Int.max), "\(page) is valid")
    try require(page.main.isEmpty || page.main.root <= page.lastPage && page.main.root >= 2, "the root of \(page) is no page")
  }
}
