/// The parts of a file that reach the disk independently: sectors, or longer pieces of a long write, because a million bytes torn in two
/// thousand places show no more than torn in thirty.
struct SectorRegions {
  /// The ranges of bytes in order, each from the beginning of a sector to the end of one.
  let all: [Range<Int>]

  private static let longWriteSectors = 64

  /// Makes the regions that the pending changes of a file lie in.
  init(_ file: DiskFile) {
    var bounds: Set<Int> = []
    for change in file.pending where !change.range.isEmpty {
      let sectors = DiskFile.sectors(change.range)
      let step = sectors.count > Self.longWriteSectors ? Self.longWriteSectors : 1
      bounds.formUnion(stride(from: sectors.lowerBound, to: sectors.upperBound, by: step))
      bounds.insert(sectors.upperBound)
    }
    let sorted = bounds.sorted().map { $0 * DiskFile.sectorBytes }
    all = zip(sorted, sorted.dropFirst()).map { $0..<$1 }
  }

  /// The indices of the regions that a change lies in.
  func indices(of range: Range<Int>) -> Range<Int> {
    if range.isEmpty { return 0..<0 }
    return first { $0.upperBound > range.lowerBound }..<first { $0.lowerBound >= range.upperBound }
  }

  /// The index of the first region for which a condition holds, which must then hold for all later ones.
  private func first(_ holds: (Range<Int>) -> Bool) -> Int {
    var (low, high) = (0, all.count)
    while low < high {
      let middle = (low + high) / 2
      if holds(all[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
