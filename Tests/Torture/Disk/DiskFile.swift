import Foundation

/// A file on a disk that promises only what POSIX does: what was written before the last flush began is there; of the rest, any sectors
/// may be.
struct DiskFile: Sendable {
  static let sectorBytes = 512

  /// What is there after any crash.
  private(set) var durable: [UInt8] = []
  /// What was done since, oldest first.
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

  /// Everything up to a sequence number is durable from now on.
  mutating func flush(through sequence: Int, _ recording: [UInt8]) {
    let covered = pending.prefix { $0.sequence <= sequence }
    for change in covered { Self.apply(change, to: &durable, recording) }
    pending.removeFirst(covered.count)
  }

  /// The last change was a write that is durable on return, and with it the sectors that it lies in: they hold one state only. So is the
  /// size that is needed to read it.
  mutating func flushLastWrite(_ recording: [UInt8]) {
    guard let last = pending.popLast() else { return }
    let sectors = Self.sectors(last.range)
    let covered = sectors.lowerBound * Self.sectorBytes..<sectors.upperBound * Self.sectorBytes
    if pending.contains(where: { if case .resize = $0.kind { true } else { false } }) {
      // The order of a new size and the bytes around it is not worth a model of its own.
      pending.append(last)
      return flush(through: last.sequence, recording)
    }
    for change in pending where change.range.overlaps(covered) {
      Self.apply(change.clamped(to: covered), to: &durable, recording)
    }
    pending = pending.flatMap { $0.without(covered) }
    Self.apply(last, to: &durable, recording)
  }

  /// Does to the bytes of a file what the change did, with its size.
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

  /// Whole pieces at once: a collection's own way is a call for each byte, in a debug build.
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
