import Files
import LMDB
import VectorSearch

/// How much disk space a rebuild needs, and how much it must leave to other programs.
struct RebuildSpace: Sendable {
  /// The store's directory.
  let directory: Directory
  /// Whether the store began the rebuild by itself: it can wait until there is plenty of room.
  let isAutomatic: Bool
  /// What to do once there is room, for messages.
  var remedy = "compact the store"

  /// The disk space that the next generation takes.
  struct Need: Sendable, Equatable {
    var rowBytes: Int
    /// The pages of all trees as they are now.
    var treeBytes: Int

    /// Trees that are filled in another order take up to half as much again; those with many gaps shrink to half.
    func bytes(isAutomatic: Bool) -> Int {
      isAutomatic ? rowBytes + treeBytes + treeBytes / 2 + (4 << 20) : rowBytes + treeBytes / 2
    }
  }

  /// - Parameter target: The record of the next generation if all memories are embedded again for it; nil: their rows are copied.
  static func need(_ reader: borrowing RecordReader, embeddedFor target: StoreRecord? = nil) throws -> Need {
    var need = Need(rowBytes: 0, treeBytes: 0)
    for database in reader.generation.environment.databases {
      let tree = try reader.view.statistics(of: database)
      need.treeBytes += tree.pages * tree.pageSizeBytes
    }
    if let target, let header = RowFileHeader(target) {
      let state = try reader.state()
      need.rowBytes = RowFileHeader.byteCount + (state.memories + 3 * state.users) * header.strideBytes
    } else if let header = reader.generation.rows?.header {
      let state = try reader.state()
      // A user's rows are rounded up to a multiple of four.
      need.rowBytes = RowFileHeader.byteCount + (state.rowsLive + 3 * state.users) * header.strideBytes
    }
    need.rowBytes += codeBytes(need.rowBytes, target.flatMap { RowFileHeader($0) } ?? reader.generation.rows?.header)
    return need
  }

  /// Bytes of the codes of so many bytes of rows.
  private static func codeBytes(_ rowBytes: Int, _ header: RowFileHeader?) -> Int {
    guard let header, header.dimension <= CodeFileHeader.largestDimension else { return 0 }
    return CodeFile.sizeBytes(CodeFileHeader(rows: header), rowCount: rowBytes / header.strideBytes)
  }

  private func reserve(_ space: DiskSpace) -> Int { isAutomatic ? space.reserveBytes : space.leastReserveBytes }

  /// - Throws: ``StoreError`` `.diskFull` if the rebuild would take space that must stay free; nothing was begun.
  func require(_ need: Need) throws {
    let space = try DiskSpace(of: directory)
    let (needed, reserve) = (need.bytes(isAutomatic: isAutomatic), reserve(space))
    guard space.availableBytes >= needed + reserve else {
      throw StoreError(
        .diskFull,
        "the store's next generation needs about \(Self.text(needed)), \(Self.text(reserve)) must stay free for other programs, "
          + "and \(Self.text(space.availableBytes)) are free in \(directory.path): make room, then \(remedy)")
    }
  }

  /// Called now and then while the copy grows, because other programs take space meanwhile.
  ///
  /// - Throws: ``StoreError`` `.diskFull` if less than half of the reserve is left.
  func requireReserve() throws {
    let space = try DiskSpace(of: directory)
    let least = reserve(space) / 2
    guard space.availableBytes >= least else {
      throw StoreError(
        .diskFull,
        "\(Self.text(space.availableBytes)) are free in \(directory.path), and \(Self.text(least)) must stay free for other programs: "
          + "make room, then \(remedy)")
    }
  }

  private static func text(_ bytes: Int) -> String { bytes < 10 << 20 ? "\((bytes + 1023) >> 10) KiB" : "\(bytes >> 20) MiB" }
}

/// When an automatic rebuild or work on codes is tried again after a failure: after a minute, then after twice as long each time, up to an hour.
struct RebuildRetry: Sendable {
  private var failures = 0
  private var earliest: ContinuousClock.Instant?

  func isTime(at now: ContinuousClock.Instant) -> Bool { earliest.map { now >= $0 } ?? true }

  mutating func failed(at now: ContinuousClock.Instant) {
    earliest = now + min(.seconds(60) * (1 << min(failures, 6)), .seconds(3600))
    failures += 1
  }

  mutating func succeeded() { self = RebuildRetry() }
}
