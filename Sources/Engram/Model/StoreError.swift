import Files
import Formats
import LMDB
import VectorSearch

/// Why a call failed. Unless a code says otherwise nothing was changed, and the store stays usable.
///
/// Besides this one, only `CancellationError` and errors of the caller's own closure or embedder leave the library.
public struct StoreError: Error, Sendable, CustomStringConvertible {
  public enum Code: Sendable, Hashable {
    // The caller's input
    /// The vector has another number of components than the store.
    case dimensionMismatch
    /// A component is NaN or infinite as a 32-bit float.
    case notFinite
    /// A vector without direction, in a store that compares by cosine.
    case zeroNorm
    /// A norm above 1e18.
    case normTooLarge
    /// The text changed, and neither a new embedding nor an embedder is there.
    case embeddingRequired
    /// The store has no embeddings, or no embedder to make one from a text.
    case embedderRequired
    /// Empty, or longer than 1024 UTF-8 bytes.
    case invalidUserID
    /// A text above 1 MiB, or another field above its bound.
    case valueTooLarge
    /// A parameter outside its range, or a time or number that is not finite.
    case invalidArgument
    /// Another memory has the id or the dedupe key.
    case conflict
    /// No such memory.
    case notFound
    /// The value cannot be encoded.
    case encodingFailed
    /// The record does not decode as the requested type.
    case decodingFailed
    /// A line of an import is wrong.
    case invalidImport
    // The store and its surroundings
    case storeMissing
    case storeExists
    /// The directory holds something else.
    case notAStore
    /// The store has another dimension or metric than was asked for.
    case storeMismatch
    /// The store is pinned to another embedder.
    case embedderMismatch
    /// The store was written by a later version.
    case newerFormat
    /// A value, row or file is damaged.
    case corrupted
    case diskFull
    case permissionDenied
    /// The store, or a file of it, belongs to another user than the one this process runs as.
    case foreignOwner
    /// The group or others may read or write the store or a file of it.
    case loosePermissions
    /// In the store's directory something stands in the place of a file: a link, a pipe, a device; or a file has a second name.
    case unexpectedFile
    case readOnlyFileSystem
    case networkFileSystem
    /// A process of another pid namespace has the store open.
    case foreignNamespace
    /// All reader slots are taken. If some are idle, they were waited for.
    case tooManyReaders
    /// The process or the system has no thread, descriptor or address space left.
    case outOfResources
    case inputOutput
    // The state of this process
    /// Another process, or this one's own earlier writes, held the writer lock past the deadline.
    case writerBusy(processID: Int32?)
    /// Another process held a lock of the store past the limit of the wait; see Concurrency.md for the limits. Try again.
    case storeBusy(processID: Int32?)
    /// `write` was called inside a write body.
    case nestedWrite
    /// The snapshot was held too long, or the store had to be opened again after a commit failed: take a new one.
    case snapshotExpired
    /// A commit failed half-way, and the store is being opened again to find out what became of it: try again.
    case reopening
    case closed
    /// The store was opened read-only.
    case readOnly
    /// A flush failed: this process writes no more. Reading goes on.
    case poisoned
    /// The commit failed half-way, and whether it happened could not be found out: it shows when the store is opened again. This process
    /// writes no more.
    case inDoubt
    /// The store was moved, replaced or removed while this process had it open: it reads on in the files that it has open, and writes no more.
    /// Where `committed` is true, the write was committed to those files, which the store's path no longer leads to. ``StoreError/cause`` is the error
    /// that the move led to, if a call met one.
    case storeMoved(committed: Bool)
    /// Snapshots or writes were still under way at the deadline of `close`.
    case stillInUse
  }

  public let code: Code
  /// English: what was wrong, by name, and what to do. Characters of the data that it quotes are escaped where they could steer a terminal
  /// or a log, as `\u{1B}`.
  public let message: String
  /// What the layer below said.
  public let cause: (any Error)?

  public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
    self.code = code
    self.message = TerminalText.escaped(message)
    self.cause = cause
  }

  public var description: String {
    cause.map { TerminalText.escaped("\(message) (\($0))") } ?? message
  }
}

extension StoreError.Code {
  /// Whether files that were moved, removed or exchanged can be the reason. False for what concerns the caller's input, the state of this process, or
  /// a commit whose outcome is unknown.
  var isOfFiles: Bool {
    switch self {
    case .storeMismatch, .notAStore, .newerFormat, .corrupted, .diskFull, .permissionDenied, .foreignOwner, .loosePermissions,
      .unexpectedFile,
      .readOnlyFileSystem, .outOfResources, .inputOutput, .writerBusy, .storeBusy:
      true
    case .dimensionMismatch, .notFinite, .zeroNorm, .normTooLarge, .embeddingRequired, .embedderRequired, .invalidUserID, .valueTooLarge,
      .invalidArgument, .conflict, .notFound, .encodingFailed, .decodingFailed, .invalidImport, .storeMissing, .storeExists,
      .embedderMismatch,
      .networkFileSystem, .foreignNamespace, .tooManyReaders, .nestedWrite, .snapshotExpired, .reopening, .closed, .readOnly, .poisoned,
      .inDoubt,
      .storeMoved, .stillInUse:
      false
    }
  }
}

extension StoreError {
  /// Gives an error of a lower layer its place in ``Code``; a `StoreError` and errors of the caller's own stay as they are.
  static func wrapping(_ error: any Error, _ doing: @autoclosure () -> String) -> any Error {
    switch error {
    case let error as FileError: StoreError(error, doing())
    case let error as LMDBError: StoreError(error, doing())
    case let error as VectorError: StoreError(error)
    case let error as RowFileError: StoreError(error)
    case is EnvironmentLost: StoreError(.reopening, "\(doing()): a commit failed, and the store is being opened again: try again")
    default: error
    }
  }

  /// Two userIDs hash to one 128-bit key, which nobody has seen yet.
  static func sameKey(_ userID: String) -> StoreError {
    StoreError(.conflict, "another userID has the key of '\(userID)': use a different one")
  }

  /// The same where an error is about to leave the public surface: what concerns only callers inside gets a place, too.
  static func surfacing(_ error: any Error, _ doing: @autoclosure () -> String) -> any Error {
    switch error {
    case let error as CBORError: StoreError(.corrupted, "\(doing()): \(error)", cause: error)
    case is Superseded, is CopyOutdated:
      StoreError(.storeBusy(processID: nil), "\(doing()): the store moved on to another generation meanwhile: try again")
    default: wrapping(error, doing())
    }
  }

  init(_ error: FileError, _ doing: String) {
    if error.isTimeout {
      let holder = error.holders.first
      let who = holder.map { "process \($0)" } ?? "another process"
      self.init(
        Directories.name(of: error.path) == "writer.lock" ? .writerBusy(processID: holder) : .storeBusy(processID: holder),
        "\(doing): \(who) holds \(error.path) and did not give it up in time; nothing was changed: try again, or see what it waits for",
        cause: error)
      return
    }
    let code: Code =
      if error.isNoSpace {
        .diskFull
      } else if error.isReadOnlyFileSystem {
        .readOnlyFileSystem
      } else if error.isPermission || error.isSymbolicLink {
        .permissionDenied
      } else if error.isOutOfResources {
        .outOfResources
      } else {
        .inputOutput
      }
    self.init(code, "\(doing): \(error.path): \(error.reason)", cause: error)
  }

  init(_ error: LMDBError, _ doing: String) {
    if error.isReadersFull {
      let holders = error.slotsByProcess.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        .map { "process \($0.key): \($0.value) slot\($0.value == 1 ? "" : "s")" }.joined(separator: ", ")
      self.init(
        .tooManyReaders,
        "\(doing): all reader slots are taken (\(holders.isEmpty ? "the reader table cannot be read" : holders)): end snapshots or close the store there",
        cause: error)
      return
    }
    let code: Code =
      if error.isNoSpace || error.isMapFull {
        .diskFull
      } else if error.isReadOnlyFileSystem {
        .readOnlyFileSystem
      } else if error.isPermission {
        .permissionDenied
      } else if error.isPanic {
        .inDoubt
      } else if error.isCorruption {
        .corrupted
      } else if error.isOutOfResources {
        .outOfResources
      } else if error.isTimeout {
        .storeBusy(processID: nil)
      } else {
        .inputOutput
      }
    self.init(code, "\(doing): \(error)", cause: error)
  }

  init(_ error: VectorError) {
    switch error {
    case .dimensionMismatch(let expected, let found):
      self.init(.dimensionMismatch, "the vector has \(found) components, the store has dimension \(expected)", cause: error)
    case .notFinite(let index):
      self.init(.notFinite, "component \(index) of the vector is NaN or infinite as a 32-bit float", cause: error)
    case .zeroNorm:
      self.init(.zeroNorm, "the vector is zero, which has no direction to compare by cosine", cause: error)
    case .normTooLarge(let norm):
      self.init(.normTooLarge, "the vector's norm is \(norm), the largest allowed is \(VectorPreparation.largestNorm)", cause: error)
    }
  }

  init(_ error: RowFileError) {
    switch error {
    case .headerMismatch(let field, let expected, let found):
      self.init(.corrupted, "rows.f32 does not belong to this store: its \(field) is \(found), expected \(expected)", cause: error)
    case .truncated(let expected, let found):
      self.init(.corrupted, "rows.f32 is truncated: \(found) bytes, at least \(expected) expected", cause: error)
    case .checksumMismatch(let row):
      self.init(.corrupted, "row \(row) of rows.f32 does not match its checksum", cause: error)
    }
  }
}
