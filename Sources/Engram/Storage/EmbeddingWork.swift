import Checksums
import Files
import LMDB
import VectorSearch

/// Vectors of the embedder that a store moves to, in `reembed.work` until the next generation has them. FileFormat.md has the byte table.
///
/// The file is a cache: an entry that does not match its checksum counts as missing, and nothing is flushed. Used by one thread, and by one
/// process at a time, which holds an exclusive lock on the file.
final class EmbeddingWork {
  static let fileName = "reembed.work"
  private static let magic = Array("ENGRAMRE".utf8)
  private static let headerBytes = 64
  /// How many bytes are read or written at once.
  private static let chunkBytes = 4 << 20

  /// One vector.
  struct Entry {
    let id: MemoryID
    /// The hash of the text that the embedder got, see ``hash(_:_:)``.
    let hash: UserKey
    /// As they are stored in a row.
    let components: [Float]
  }

  private struct Slot {
    let hash: UserKey
    let number: Int
  }

  private let lock: FileLock
  private let file: FileHandle
  private let layout: Layout
  private var slots: [MemoryID: Slot] = [:]
  /// Slots of the file, free ones included.
  private var slotCount = 0

  /// Opens the file of this store and embedder, or begins a new one. Vectors of another embedder in the file are removed.
  ///
  /// - Parameters:
  ///   - target: The store's record with the embedder that the store moves to.
  ///   - check: Called now and then; what it throws ends the reading.
  /// - Throws: ``StoreError`` `.storeBusy` if another process, or this one, is moving the store to another embedder; `FileError`.
  init(_ paths: StorePaths, _ target: StoreRecord, check: () throws -> Void) throws {
    let place = paths.embeddingWork
    layout = Layout(target)
    while true {
      let lock = try FileLock(path: place)
      guard try lock.tryLock(.exclusive) else {
        let holder = LockHolders.processes(locking: place).first
        throw StoreError(
          .storeBusy, "\(holder.map { "process \($0)" } ?? "another process") is embedding the store anew: wait until it has ended",
          holder: holder)
      }
      // If the file was removed between the two lines, another process has just finished such a move.
      guard try lock.isInPlace else { continue }
      self.lock = lock
      break
    }
    file = try FileHandle(path: place, access: .readWrite)
    if try file.read(count: Self.headerBytes, at: 0) == layout.header {
      try load(check)
    } else {
      try file.truncate(to: 0)
      try file.write(layout.header, at: 0)
    }
  }

  private func load(_ check: () throws -> Void) throws {
    try Self.walk(file, layout) { number, entry in
      if number % 4096 == 0 { try check() }
      slotCount = number + 1
      if let key = layout.key(of: entry) { slots[key.id] = Slot(hash: key.hash, number: number) }
    }
  }

  /// How many memories have a vector here.
  var count: Int { slots.count }

  /// Bytes of one entry.
  var entryBytes: Int { layout.entryBytes }

  /// The hash of the text that the embedder got, so that a changed text is noticed. It is keyed with the store's secret, because a plain
  /// hash of a short text would reveal the text.
  static func hash(_ text: String, _ reader: borrowing RecordReader) -> UserKey { reader.userKey(text) }

  func contains(_ id: MemoryID, _ hash: UserKey) -> Bool { slots[id]?.hash == hash }

  /// The vector of a text of a memory; nil if there is none, or if it was overwritten meanwhile.
  func components(_ id: MemoryID, _ hash: UserKey) throws(FileError) -> [Float]? {
    guard let slot = slots[id], slot.hash == hash else { return nil }
    let entry = try file.read(count: layout.entryBytes, at: layout.offset(slot.number))
    guard entry.count == layout.entryBytes, let key = layout.key(of: entry[...]), key.id == id, key.hash == hash else {
      slots[id] = nil
      return nil
    }
    return layout.components(of: entry)
  }

  /// Stores vectors; one of an earlier text of the same memory is overwritten.
  func put(_ entries: [Entry]) throws(FileError) {
    var (bytes, first) = ([UInt8](), slotCount)
    for entry in entries {
      let encoded = layout.encode(entry)
      if let old = slots[entry.id] {
        try file.write(encoded, at: layout.offset(old.number))
        slots[entry.id] = Slot(hash: entry.hash, number: old.number)
        continue
      }
      bytes += encoded
      slots[entry.id] = Slot(hash: entry.hash, number: slotCount)
      slotCount += 1
      if bytes.count >= Self.chunkBytes {
        try file.write(bytes, at: layout.offset(first))
        (bytes, first) = ([], slotCount)
      }
    }
    try file.write(bytes, at: layout.offset(first))
  }

  /// Removes the file. Called when the store has its vectors.
  func remove() throws(FileError) {
    if try lock.isInPlace { try Directories.removeFile(file.place) }
  }

  // MARK: Without the lock

  /// Overwrites the entries of memories that are deleted or have another text by now, and damaged entries. Removes a file that no process
  /// can continue with.
  ///
  /// The caller holds `rebuild.lock` exclusively, so that no caller of ``put(_:)`` meanwhile writes an entry for a text of an earlier
  /// commit.
  ///
  /// - Parameter reader: Reads the last commit, and treats no memory as expired.
  static func scrub(_ paths: StorePaths, _ reader: borrowing RecordReader) throws {
    guard let file = try existing(paths) else { return }
    guard let layout = try Layout(reading: file, storeID: reader.store.storeID) else { return try removeUnlessUsed(paths) }
    if layout.isSame(as: Layout(reader.store)) { return try removeUnlessUsed(paths) }
    let zeros = [UInt8](repeating: 0, count: layout.entryBytes)
    var isChanged = false
    try walk(file, layout) { number, entry in
      if !entry.contains(where: { $0 != 0 }) { return }
      if let key = layout.key(of: entry), let memory = try reader.memoryRecord(key.id)?.memory,
        hash(EmbeddingTemplate.speakerAndCaption.text(of: memory), reader) == key.hash
      {
        return
      }
      try file.write(zeros, at: layout.offset(number))
      isChanged = true
    }
    if isChanged { try file.synchronizeData() }
  }

  /// Removes the file if no process can continue with it: it is damaged or another store's, or the store has moved to its embedder.
  static func removeIfUseless(_ paths: StorePaths, _ store: StoreRecord) throws {
    guard let file = try existing(paths) else { return }
    if let layout = try Layout(reading: file, storeID: store.storeID), !layout.isSame(as: Layout(store)) { return }
    try removeUnlessUsed(paths)
  }

  private static func removeUnlessUsed(_ paths: StorePaths) throws {
    guard let lock = try FileLock(ifExists: paths.embeddingWork), try lock.tryLock(.exclusive), try lock.isInPlace else { return }
    try Directories.removeFile(paths.embeddingWork)
  }

  private static func existing(_ paths: StorePaths) throws(FileError) -> FileHandle? {
    do throws(FileError) {
      return try FileHandle(path: paths.embeddingWork, access: .readWrite)
    } catch {
      if error.isMissing { return nil }
      throw error
    }
  }

  /// Calls `body` with every whole entry, used or free, and its number.
  private static func walk(
    _ file: borrowing FileHandle, _ layout: Layout, _ body: (Int, ArraySlice<UInt8>) throws -> Void
  ) throws {
    let atOnce = max(1, chunkBytes / layout.entryBytes)
    var number = 0
    while true {
      let chunk = try file.read(count: atOnce * layout.entryBytes, at: layout.offset(number))
      let whole = chunk.count / layout.entryBytes
      for index in 0..<whole {
        try body(number, chunk[(index * layout.entryBytes)..<((index + 1) * layout.entryBytes)])
        number += 1
      }
      if whole < atOnce { return }
    }
  }

  // MARK: Bytes

  private struct Layout {
    let header: [UInt8]
    let dimension: Int

    /// - Parameter store: Names the embedder and its dimension. For a store that is pinned to no embedder, no file is ever made.
    init(_ store: StoreRecord) {
      dimension = store.dimension ?? 0
      let parts = [store.embedder?.name ?? "", store.embedder?.version ?? "", "\(dimension)", "\(store.template.rawValue)"]
      // With their lengths: no two embedders give the same text.
      let basis = UserKey(parts.map { "\($0.utf8.count):\($0)" }.joined(), secret: store.secret)
      var bytes = magic
      bytes.appendBigEndian(UInt32(1))
      bytes.appendBigEndian(UInt32(dimension))
      bytes += store.storeID
      bytes.appendBigEndian(basis.high)
      bytes.appendBigEndian(basis.low)
      bytes.appendBigEndian(store.metric.rows.rawValue)
      bytes.appendBigEndian(UInt32(0))
      bytes.appendBigEndian(XXH3.hash64(unsafe bytes.span.bytes))
      header = bytes
    }

    /// Nil if the file is damaged, of a later version, or another store's.
    init?(reading file: borrowing FileHandle, storeID: [UInt8]) throws(FileError) {
      let bytes = try file.read(count: headerBytes, at: 0)
      guard bytes.count == headerBytes, bytes.starts(with: magic), bytes[16..<32].elementsEqual(storeID) else { return nil }
      let span = unsafe bytes.span.bytes
      guard span.bigEndian(at: 8, as: UInt32.self) == 1, span.bigEndian(at: 56, as: UInt64.self) == XXH3.hash64(span.extracting(0..<56))
      else {
        return nil
      }
      dimension = Int(span.bigEndian(at: 12, as: UInt32.self))
      header = bytes
      guard Limits.dimension.contains(dimension) else { return nil }
    }

    func isSame(as other: Layout) -> Bool { header == other.header }

    var entryBytes: Int { 40 + dimension * 4 }
    func offset(_ number: Int) -> Int { headerBytes + number * entryBytes }
    private var seed: UInt64 { unsafe header.span.bytes.bigEndian(at: 56, as: UInt64.self) }

    func encode(_ entry: Entry) -> [UInt8] {
      precondition(entry.components.count == dimension, "a vector of the embedder has its dimension")
      var bytes: [UInt8] = []
      bytes.reserveCapacity(entryBytes)
      bytes += entry.id.bytes
      bytes.appendBigEndian(entry.hash.high)
      bytes.appendBigEndian(entry.hash.low)
      // SAFETY: the floats are alive for the call; the platforms are little-endian.
      unsafe entry.components.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
      bytes.appendBigEndian(XXH3.hash64(unsafe bytes.span.bytes, seed: seed))
      return bytes
    }

    /// Nil for an entry that is free or damaged.
    func key(of entry: ArraySlice<UInt8>) -> (id: MemoryID, hash: UserKey)? {
      let bytes = unsafe entry.span.bytes
      let end = entryBytes - 8
      guard bytes.bigEndian(at: end, as: UInt64.self) == XXH3.hash64(bytes.extracting(0..<end), seed: seed) else { return nil }
      return (MemoryID(bytes, at: 0), UserKey(bytes, at: 16))
    }

    func components(of entry: [UInt8]) -> [Float] {
      unsafe [Float](unsafeUninitializedCapacity: dimension) { buffer, used in
        // SAFETY: the entry has `dimension` floats from byte 32 on, and the buffer has room for them.
        unsafe entry.withUnsafeBytes { bytes in
          unsafe UnsafeMutableRawBufferPointer(buffer).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: bytes[32..<(32 + dimension * 4)]))
        }
        used = dimension
      }
    }
  }
}
