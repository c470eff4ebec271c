public import Foundation
import LMDB
import Synchronization

extension MemoryStore {
  /// Reads the whole store in one snapshot and checks that its parts match: the checksum of every value and every row; the records with
  /// their rows, blocks, columns, timeline, expiry and dedupe entries in both directions; all counts.
  ///
  /// Waits for no writer, and writes may go on meanwhile. Rows are read, not mapped: a bad sector is a problem in the report.
  ///
  /// - Parameters:
  ///   - deep: First checks every page of LMDB's file: each must be used once or free once, with its entries in order and within its
  ///     bounds. If this finds damage, the other checks are skipped, because LMDB would follow damaged page numbers.
  ///   - progress: Called now and then, see ``OperationProgress``.
  /// - Returns: What was found; damage is a problem in the report, not an error.
  /// - Throws: ``StoreError`` `.closed`, `.tooManyReaders`, `.inputOutput`.
  ///   `CancellationError` within about a tenth of a second once the task is cancelled.
  /// - Complexity: O(size of the store); keeps about a hundred bytes for each memory, twenty for each row, and a few for each user and each
  ///   block. Runs on two threads of its own, one for the rows. Closing the store ends it with `.closed`.
  public func verify(
    deep: Bool = false, progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> VerificationReport {
    try requireOpen()
    return try await core.background("the store cannot be verified") { _, check in
      try self.verifyBlocking(deep: deep, check: check, progress: progress)
    }
  }

  /// As ``verify(deep:progress:)``, on the caller's thread, which must not belong to the cooperative pool.
  ///
  /// - Parameter check: Called now and then; what it throws ends the verification.
  package func verifyBlocking(
    deep: Bool, check: @escaping @Sendable () throws -> Void = {}, progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) throws -> VerificationReport {
    try read { snapshot in
      var pages: PageReport?
      if deep {
        do {
          pages = try snapshot.generation.pages(check)
        } catch let error as LMDBError where error.isPanic || error.isClosed {
          throw StoreError.wrapping(EnvironmentLost(), "the pages of data.mdb cannot be read")
        } catch {
          throw core.live.surfacing(error, "the pages of data.mdb cannot be read")
        }
        if let pages, !pages.isClean { return VerificationReport(pages) }
      }
      return try snapshot.read { reader in
        var verifier = StoreVerifier(reader)
        if let pages { verifier.report = VerificationReport(pages) }
        return try verifier.run(reporting(progress, check))
      }
    }
  }

  /// Verifies the store at `url`, which may be so damaged that it cannot be opened: a deep verification reads every page before LMDB does.
  ///
  /// - Parameters:
  ///   - url: The store's directory. This process and others may have the store open.
  ///   - deep: As in ``verify(deep:progress:)``.
  ///   - access: `.readOnly`, or `.immutable` for a medium that nobody writes to.
  ///   - progress: Called now and then, see ``OperationProgress``.
  /// - Returns: What was found; damage is a problem in the report, not an error.
  /// - Throws: ``StoreError`` `.storeMissing`, `.notAStore` and other codes of an opening if the store cannot be read. `CancellationError`.
  ///   Nothing is changed, and the store is closed again.
  /// - Complexity: As ``verify(deep:progress:)``.
  public static func verify(
    at url: URL, deep: Bool = false, access: StoreOptions.Access = .readOnly,
    progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> VerificationReport {
    var options = StoreOptions(access: access, createsIfMissing: false, snapshotMaxAge: nil)
    let walked = Mutex<PageReport?>(nil)
    let stop = StopFlag()
    if deep {
      options.inspectsPages = .init(
        check: { if stop.isSet { throw CancellationError() } }, report: { pages in walked.withLock { $0 = pages } })
    }
    let store: MemoryStore
    do {
      let inspecting = options
      store = try await withTaskCancellationHandler {
        try await open(at: url, options: inspecting)
      } onCancel: {
        stop.set()
      }
    } catch let error as StoreError where error.code == .corrupted {
      return VerificationReport(walked.withLock { $0 }, error)
    }
    do {
      let pages = walked.withLock { $0 }
      // If this process had the store open already, this opening has not checked the pages.
      var report = try await store.verify(deep: deep && pages == nil, progress: progress)
      if let pages { report.count(pages) }
      try await store.close()
      return report
    } catch {
      // The first error is the one to report.
      try? await store.close()
      throw error
    }
  }
}
