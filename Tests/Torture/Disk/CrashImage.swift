import Foundation
import TestSupport

/// One of the many states that a crash can leave on a disk, written as a real directory.
struct CrashImage {
  private let disk: Disk
  private var generator: SeededGenerator
  /// Nil if nothing is lost: the directory is as the processes saw it.
  private let odds: Odds?
  /// Whether anything that was not flushed is missing in what was written.
  private(set) var isLossy = false

  /// How much of the unflushed changes has reached the disk. The extremes find more than the values between them.
  private enum Odds: CaseIterable {
    case nothing, fewSectors, someChanges, halfOfTheSectors, mostChanges, mostSectors, everything

    var percent: Int {
      switch self {
      case .nothing: 0
      case .fewSectors: 5
      case .someChanges: 30
      case .halfOfTheSectors: 50
      case .mostChanges: 80
      case .mostSectors: 95
      case .everything: 100
      }
    }

    /// Whether a change may reach the disk in part.
    var tears: Bool { self == .fewSectors || self == .halfOfTheSectors || self == .mostSectors }
  }

  init(_ disk: Disk, generator: SeededGenerator) {
    self.disk = disk
    self.generator = generator
    odds = Odds.allCases.randomElement(using: &self.generator)
  }

  /// The directory without a crash.
  init(withoutCrash disk: Disk) {
    self.disk = disk
    generator = SeededGenerator(seed: 0)
    odds = nil
  }

  /// Writes the content of the disk to an existing directory.
  mutating func write(to path: String) throws { try write(DiskOperation.root, path) }

  private mutating func write(_ directory: Int, _ path: String) throws {
    guard let contents = disk.directories[directory] else { return }
    for (name, node) in names(contents).sorted(by: { $0.key < $1.key }) {
      let place = "\(path)/\(name)"
      if let file = disk.files[node] {
        let made = FileManager.default.createFile(atPath: place, contents: Data(bytes(file)), attributes: [.posixPermissions: 0o600])
        if !made { throw ImageNotWritten(path: place) }
      } else {
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        try write(node, place)
      }
    }
  }

  struct ImageNotWritten: Error {
    let path: String
  }

  // MARK: Names

  /// The names that are on the disk. In most cases these are the first changes without the later ones, as a journal keeps them; otherwise
  /// any of the changes, as POSIX allows.
  private mutating func names(_ directory: DiskDirectory) -> [String: Int] {
    var names = directory.durable
    let isOrdered = generator.chance(percent: 60)
    let count = isOrdered ? prefix(directory.pending.count) : directory.pending.count
    if count < directory.pending.count { isLossy = true }
    for change in directory.pending[..<count] where isOrdered || isLucky() { DiskDirectory.apply(change.entries, to: &names) }
    return names
  }

  private mutating func prefix(_ count: Int) -> Int {
    guard let odds else { return count }
    switch odds {
    case .nothing: return 0
    case .everything: return count
    default: return Int.random(in: 0...count, using: &generator)
    }
  }

  private mutating func isLucky() -> Bool {
    guard let odds else { return true }
    let isThere = generator.chance(percent: odds.percent)
    if !isThere { isLossy = true }
    return isThere
  }

  // MARK: Bytes

  private mutating func bytes(_ file: DiskFile) -> [UInt8] {
    if file.pending.isEmpty { return file.durable }
    let size = size(file)
    var content = file.durable
    extend(&content, to: size)
    let regions = SectorRegions(file)
    for (region, last) in zip(regions.all, reached(file, regions)) {
      if let last { put(region, file, through: last, &content) }
    }
    if content.count > size { content.removeLast(content.count - size) }
    extend(&content, to: size)
    return content
  }

  /// The size, which reaches the disk independently of the bytes.
  private mutating func size(_ file: DiskFile) -> Int {
    var sizes = [file.durable.count]
    for change in file.pending { sizes.append(change.size(after: sizes[sizes.count - 1])) }
    return odds == nil || generator.chance(percent: 40) ? sizes[sizes.count - 1] : sizes.randomElement(using: &generator) ?? 0
  }

  /// Extends the content. Bytes that have not reached the disk are zeros, or bytes of an earlier file.
  private mutating func extend(_ content: inout [UInt8], to size: Int) {
    guard size > content.count else { return }
    let count = size - content.count
    if generator.chance(percent: 50) {
      DiskFile.extend(&content, to: size)
    } else {
      // Noise instead of bytes of an earlier file, the same for each page.
      let page = generator.bytes(count: 4096)
      for start in stride(from: 0, to: count, by: page.count) { content += page.prefix(count - start) }
    }
  }

  /// For each region, the index of the last change that has reached the disk; nil if none has. A region holds one state of the file, and
  /// other regions may hold others.
  private mutating func reached(_ file: DiskFile, _ regions: SectorRegions) -> [Int?] {
    var last = [Int?](repeating: nil, count: regions.all.count)
    for (index, change) in file.pending.enumerated() {
      let isTorn = odds?.tears ?? false
      var isThere = isLucky()
      for region in regions.indices(of: change.range) {
        if isTorn { isThere = isLucky() }
        if isThere { last[region] = index }
      }
    }
    return last
  }

  /// Sets a region to what the file held there after one of the changes.
  private func put(_ region: Range<Int>, _ file: DiskFile, through last: Int, _ content: inout [UInt8]) {
    DiskFile.extend(&content, to: region.upperBound)
    // Beyond the end that was on disk a sector begins as zeros, and not as garbage.
    let unknown = region.clamped(to: file.durable.count..<Int.max)
    if !unknown.isEmpty { DiskFile.put(.zeros(count: unknown.count), at: unknown, &content, disk.recording.bytes) }
    for change in file.pending[...last] where change.range.overlaps(region) {
      let part = change.range.clamped(to: region)
      switch change.kind {
      case .write(let offset, let written):
        let piece = written.part(part.lowerBound - offset..<part.upperBound - offset)
        DiskFile.put(piece, at: part, &content, disk.recording.bytes)
      case .resize: DiskFile.put(.zeros(count: part.count), at: part, &content, disk.recording.bytes)
      }
    }
  }
}
