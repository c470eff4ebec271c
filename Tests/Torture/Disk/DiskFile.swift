import Foundation

/// A file on a disk that promises only what POSIX does: what was written before the last flush began is there; of the rest, any sectors
/// may be.
struct DiskFile: Sendable {
  static let sectorBytes = 512

  /// The bytes that are there after any crash.
  private(set) var durable: [UInt8] = []
  /// The changes since then, oldest first.
  private(set) var pending: [Change] = []

  struct Change: Sendable {
    enum Kind: Sendable, Equatable {
      case write(offset: Int, DiskOperation.Content)
      /// Cut off, or extended by zeros.
      case resize(from: Int, to: Int)
    }

    let sequence: Int
    let kind: Kind

    /// The bytes of the file that it sets.
    var range: Range<Int> {
      switch kind {
      case .write(let offset, let content): offset..<offset + content.count
      case .resize(let from, let to): min(from, to)..<max(from, to)
      }
    }

    /// The file's size after it.
    func size(after size: Int) -> Int {
      switch kind {
      case .write: max(size, range.upperBound)
      case .resize(_, let to): to
      }
    }
  }

  /// The size that a reader sees.
  var size: Int { pending.reduce(durable.count) { $1.size(after: $0) } }

  // MARK: Changing

  mutating func write(_ offset: Int, _ content: DiskOperation.Content, sequence: Int) {
    pending.append(Change(sequence: sequence, kind: .write(offset: offset, content)))
  }

  mutating func resize(_ size: Int, sequence: Int) {
    pending.append(Change(sequence: sequence, kind: .resize(from: self.size, to: size)))
  }

  /// Makes everything up to a sequence number durable.
  mutating func flush(through sequence: Int, _ recording: [UInt8]) {
    let covered = pending.prefix { $0.sequence <= sequence }
    for change in covered { Self.apply(change, to: &durable, recording) }
    pending.removeFirst(covered.count)
  }

  /// Makes the last change durable, which was a synchronous write. The sectors that it lies in become durable, too, because each holds one
  /// state only, and so does the size that is needed to read it.
  mutating func flushLastWrite(_ recording: [UInt8]) {
    guard let last = pending.popLast() else { return }
    let sectors = Self.sectors(last.range)
    let covered = sectors.lowerBound * Self.sectorBytes..<sectors.upperBound * Self.sectorBytes
    if pending.contains(where: { if case .resize = $0.kind { true } else { false } }) {
      // A pending change of the size is not modelled in detail: everything up to the write becomes durable.
      pending.append(last)
      return flush(through: last.sequence, recording)
    }
    for change in pending where change.range.overlaps(covered) {
      Self.apply(change.clamped(to: covered), to: &durable, recording)
    }
    pending = pending.flatMap { $0.without(covered) }
    Self.apply(last, to: &durable, recording)
  }

  /// Applies a change to the bytes of a file, its size included.
  static func apply(_ change: Change, to content: inout [UInt8], _ recording: [UInt8]) {
    let size = change.size(after: content.count)
    if size < content.count { content.removeLast(content.count - size) }
    extend(&content, to: size)
    if case .write(_, let written) = change.kind { put(written, at: change.range, &content, recording) }
  }

  /// Fills up with zeros; a file that is as long already stays as it is.
  static func extend(_ content: inout [UInt8], to size: Int) {
    if size > content.count { content += [UInt8](repeating: 0, count: size - content.count) }
  }

  /// Copies whole pieces at once: in a debug build, a collection's own way is a call for each byte.
  static func put(_ written: DiskOperation.Content, at range: Range<Int>, _ content: inout [UInt8], _ recording: [UInt8]) {
    unsafe content.withUnsafeMutableBytes { content in
      let target = unsafe UnsafeMutableRawBufferPointer(rebasing: content[range])
      switch written {
      case .recorded(let bytes):
        unsafe recording.withUnsafeBytes { unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[bytes])) }
      case .zeros:
        if let start = target.baseAddress { unsafe memset(start, 0, target.count) }
      }
    }
  }

  /// The numbers of the sectors that some bytes lie in.
  static func sectors(_ range: Range<Int>) -> Range<Int> {
    range.lowerBound / sectorBytes..<(range.upperBound + sectorBytes - 1) / sectorBytes
  }
}

extension DiskFile.Change {
  /// The part of a write that lies in some bytes of the file.
  func clamped(to bounds: Range<Int>) -> Self {
    guard case .write(let offset, let content) = kind else { return self }
    let part = range.clamped(to: bounds)
    return Self(
      sequence: sequence,
      kind: .write(offset: part.lowerBound, content.part(part.lowerBound - offset..<part.upperBound - offset)))
  }

  /// What is left of a write outside of some bytes of the file.
  func without(_ bounds: Range<Int>) -> [Self] {
    guard range.overlaps(bounds) else { return [self] }
    return [0..<bounds.lowerBound, bounds.upperBound..<Int.max].map { clamped(to: $0) }.filter { !$0.range.isEmpty }
  }
}
