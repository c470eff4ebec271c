import Foundation
import Synchronization
import VectorSearch

/// Checksums and norms of the rows of a file, computed on a thread of its own while the records that name the rows are read.
struct RowDigests: Sendable {
  /// XXH3-64 and squared norm by row.
  fileprivate(set) var checksums: [UInt64]
  fileprivate(set) var squaredNorms: [Double]
  /// Why rows cannot be read, by row: a bad sector affects its own row only.
  fileprivate(set) var failures: [Int: String] = [:]
  /// Rows that have another code in the file than the one that is computed from them.
  fileprivate(set) var wrongCodes: Set<Int> = []

  fileprivate init(count: Int) {
    checksums = [UInt64](repeating: 0, count: count)
    squaredNorms = [Double](repeating: 0, count: count)
  }
}

/// Reads all rows of a file, on a thread of its own.
///
/// After ``begin()``, the caller must call ``finish(_:)`` or ``cancel()``.
final class RowReading: Sendable {
  private static let runBytes = 256 << 10

  private let rows: RowFile
  private let count: Int
  private let codes: CodeFile?
  private let isCancelled = Atomic(false)
  private let hasThread = Atomic(false)
  private let digests = Mutex<RowDigests?>(nil)
  private let isOver = DispatchSemaphore(value: 0)

  /// - Parameters:
  ///   - count: The number of rows that lie inside the file.
  ///   - codes: Compared with the rows; nil if there are none.
  init(_ rows: RowFile, count: Int, codes: CodeFile?) {
    self.rows = rows
    self.count = count
    self.codes = codes
  }

  func begin() {
    do throws(StoreError) {
      try startThread {
        let read = self.read {}
        self.digests.withLock { $0 = read }
        self.isOver.signal()
      }
      hasThread.store(true, ordering: .relaxed)
    } catch {
      // Without a thread, `finish` reads the rows on the caller's thread, which is slower.
    }
  }

  /// Waits for the end.
  ///
  /// - Parameter check: Called fifty times a second, or once for each run of rows; an error that it throws ends the waiting.
  func finish(_ check: () throws -> Void) throws -> RowDigests {
    guard hasThread.load(ordering: .relaxed) else { return try read(check) }
    while isOver.wait(timeout: .now() + .milliseconds(20)) == .timedOut { try check() }
    return digests.withLock { digests in digests.take() } ?? RowDigests(count: 0)
  }

  /// Does not wait: the thread ends after the run of rows that it reads.
  func cancel() { isCancelled.store(true, ordering: .relaxed) }

  /// Reads the rows in the order of the file, a run at a time.
  private func read(_ check: () throws -> Void) rethrows -> RowDigests {
    var digests = RowDigests(count: count)
    let (dimension, stride) = (rows.header.dimension, rows.header.strideBytes / 4)
    let runRows = max(1, Self.runBytes / rows.header.strideBytes)
    var buffer: [Float] = []
    var encoded = CodeFile.Encoded()
    for start in Swift.stride(from: 0, to: count, by: runRows) {
      if isCancelled.load(ordering: .relaxed) { break }
      try check()
      let run = start..<min(start + runRows, count)
      let readable = (try? rows.read(rows: run, into: &buffer)) ?? 0
      encoded.removeAll()
      codes?.encode(buffer.span, count: readable, stride: stride, into: &encoded)
      for (index, row) in run.enumerated() {
        if index < readable {
          let components = buffer.span.extracting(index * stride..<index * stride + dimension)
          digests.set(row, components)
          if let codes, !codes.hasCode(row: row, encoded, index) { digests.wrongCodes.insert(row) }
        } else {
          digests.readAlone(row, of: rows)
        }
      }
    }
    return digests
  }
}

extension CodeFile {
  /// Whether the file has code `index` of `encoded` for a row.
  fileprivate func hasCode(row: Int, _ encoded: Encoded, _ index: Int) -> Bool {
    guard let found = try? read(row: row) else { return false }
    return encoded.hasSameCodes(as: found, at: index)
  }
}

extension RowDigests {
  fileprivate mutating func set(_ row: Int, _ components: Span<Float>) {
    checksums[row] = RowFile.checksum(of: components)
    squaredNorms[row] = VectorPreparation.squaredNorm(components)
  }

  /// Reads a row alone that could not be read with its neighbours.
  fileprivate mutating func readAlone(_ row: Int, of rows: RowFile) {
    do {
      let components = try rows.read(row: row)
      set(row, components.span)
    } catch {
      // If a whole disk is lost, only as many messages are kept as are reported.
      failures[row] = failures.count < VerificationReport.problemLimit ? StoreVerifier.message(of: error) : "as those before it"
    }
  }
}
