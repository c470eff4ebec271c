import CSearchKernels
import Checksums

/// The beginning of a file of codes: 4096 bytes as those of the row file that the codes belong to, but for the magic bytes, the bits of the tiers
/// and the checksum of the mean; then the mean. FileFormat.md has the byte table.
package struct CodeFileHeader: Sendable, Equatable {
  private static let magic: [UInt8] = Array("ENGRAMCD".utf8)
  private static let bitsOffset = 52
  private static let coarseBitsOffset = 53
  private static let meanChecksumOffset = 56
  /// Codes exist up to this dimension: beyond it, sums of products are not exact in a `Float`.
  package static let largestDimension = 8192

  /// The header of the row file.
  package let rows: RowFileHeader

  package init(rows: RowFileHeader) {
    precondition(rows.dimension <= Self.largestDimension, "rows of this dimension have no codes")
    self.rows = rows
  }

  /// Bytes of a row's code.
  package func codeBytes(_ tier: CodeTier) -> Int { search_code_bytes(rows.dimension, tier.bits) }
  /// Where the codes of a tier begin in a chunk: those of ``CodeFile/chunkRows`` rows, then 4 bytes of metadata of each.
  func offset(_ tier: CodeTier) -> Int { tier == .fine ? 0 : tierBytes(.fine) }
  private func tierBytes(_ tier: CodeTier) -> Int { CodeFile.chunkRows * (codeBytes(tier) + 4) }
  /// Bytes of a chunk: one tier after the other.
  package var chunkBytes: Int { tierBytes(.fine) + tierBytes(.coarse) }
  /// Where the first chunk begins.
  package var firstChunkOffset: Int { RowFileHeader.byteCount + (rows.dimension * 4 + 4095) / 4096 * 4096 }

  /// The header and the mean as they are in the file.
  func encoded(mean: [Float]) -> [UInt8] {
    precondition(mean.count == rows.dimension, "a mean has the store's dimension")
    var meanBytes: [UInt8] = []
    for component in mean { meanBytes.appendLittleEndian(component.bitPattern) }
    var bytes = rows.encoded()
    bytes.replaceSubrange(0..<Self.magic.count, with: Self.magic)
    bytes[Self.bitsOffset] = UInt8(CodeTier.fine.bits)
    bytes[Self.coarseBitsOffset] = UInt8(CodeTier.coarse.bits)
    bytes.replace(at: Self.meanChecksumOffset, with: XXH3.hash64(unsafe meanBytes.span.bytes))
    bytes.replace(at: RowFileHeader.checksumOffset, with: RowFileHeader.checksum(of: bytes))
    bytes += meanBytes
    bytes.append(contentsOf: repeatElement(0, count: firstChunkOffset - bytes.count))
    return bytes
  }

  /// Reads the mean of a file's beginning.
  ///
  /// - Parameter bytes: ``firstChunkOffset`` bytes; fewer if the file is shorter.
  /// - Throws: ``RowFileError`` if the bytes are not those of a file of codes with this header.
  func mean(_ bytes: [UInt8]) throws(RowFileError) -> [Float] {
    guard bytes.count == firstChunkOffset else { throw .truncated(expectedBytes: firstChunkOffset, foundBytes: bytes.count) }
    let mean = (0..<rows.dimension).map { place in
      Float(bitPattern: bytes.littleEndian(at: RowFileHeader.byteCount + 4 * place, as: UInt32.self))
    }
    guard mean.allSatisfy(\.isFinite), encoded(mean: mean) == bytes else {
      throw .headerMismatch(field: "header of the codes", expected: "that of the row file, and a mean with its checksum", found: "another")
    }
    return mean
  }
}

/// How many bits a code has for each component: with fewer, a scan reads fewer bytes, and excludes fewer rows.
package enum CodeTier: Sendable, CaseIterable {
  /// 4 bits.
  case fine
  /// 2 bits.
  case coarse

  var bits: Int32 { self == .fine ? 4 : 2 }

  /// A row is likely to reach a score if its estimate and this share of the distance to its bound do.
  var nearness: Float { self == .fine ? 0.07 : 0.2 }
}

extension [UInt8] {
  fileprivate mutating func replace(at offset: Int, with value: UInt64) {
    for index in 0..<8 { self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
  }
}
