import Files
import Formats
import LMDB
import VectorSearch

/// Why a call failed. Unless a code says otherwise nothing was changed, and the store stays usable.
///
/// Besides this one, only `CancellationError` and errors of the caller's own closure or embedder leave the library.
public struct StoreError: Error, Sendable, CustomStringConvertible {
  /// What kind of failure it is. Later versions may add codes, so a `switch` over codes needs a `default`.
  public struct Code: RawRepresentable, Sendable, Hashable, Codable, CustomStringConvertible {
    /// The name of the code, such as `diskFull`: stable, for logs and metrics.
    public let rawValue: String

    /// A code of this name. Codes that the library does not use are legal: they equal none of its own.
    public init(rawValue: String) { self.rawValue = rawValue }

    public static func == (left: Code, right: Code) -> Bool { left.rawValue.hasSameBytes(as: right.rawValue) }
    public func hash(into hasher: inout Hasher) { rawValue.hash(bytesInto: &hasher) }
    public var description: String { rawValue }

    // The caller's input
    /// The vector has another number of components than the store, or than its embedder should make.
    public static let dimensionMismatch = Code(rawValue: "dimensionMismatch")
    /// A component is NaN or infinite as a 32-bit float.
    public static let notFinite = Code(rawValue: "notFinite")
    /// The norm of the vector is zero, in a store that compares by cosine.
    public static let zeroNorm = Code(rawValue: "zeroNorm")
    /// A norm above 1e18.
    public static let normTooLarge = Code(rawValue: "normTooLarge")
    /// An embedding is needed, was not given, and no embedder makes it here: for a changed text, a draft inside a write, or a dense search.
    public static let embeddingRequired = Code(rawValue: "embeddingRequired")
    /// The store has no embeddings, or no embedder to make one from a text.
    public static let embedderRequired = Code(rawValue: "embedderRequired")
    /// Empty, or longer than 1024 UTF-8 bytes.
    public static let invalidUserID = Code(rawValue: "invalidUserID")
    /// A text above 1 MiB, or another field above its bound.
    public static let valueTooLarge = Code(rawValue: "valueTooLarge")
    /// A parameter outside its range, or a time or number that is not finite.
    public static let invalidArgument = Code(rawValue: "invalidArgument")
    /// Another memory has the id or the dedupe key.
    public static let conflict = Code(rawValue: "conflict")
    /// No such memory.
    public static let notFound = Code(rawValue: "notFound")
    /// A write body used a user that `write(users:)` did not declare. Nothing of the write was committed.
    public static let undeclaredUser = Code(rawValue: "undeclaredUser")
    /// The context or the memory has another version than was expected.
    public static let versionMismatch = Code(rawValue: "versionMismatch")
    /// The value cannot be encoded.
    public static let encodingFailed = Code(rawValue: "encodingFailed")
    /// The record does not decode as the requested type.
    public static let decodingFailed = Code(rawValue: "decodingFailed")
    /// A line of an import is wrong.
    public static let invalidImport = Code(rawValue: "invalidImport")
    /// A file of an embedding model is missing, damaged or of a kind that is not supported.
    public static let invalidModel = Code(rawValue: "invalidModel")
    /// The server or program that makes embeddings cannot be reached, refuses, takes too long, or answers with something else than
    /// embeddings.
    public static let embedderFailed = Code(rawValue: "embedderFailed")
    // The store and its surroundings
    public static let storeMissing = Code(rawValue: "storeMissing")
    public static let storeExists = Code(rawValue: "storeExists")
    /// The directory holds something else.
    public static let notAStore = Code(rawValue: "notAStore")
    /// The store has another dimension, metric or language than the options ask for.
    public static let storeMismatch = Code(rawValue: "storeMismatch")
    /// The store is pinned to another embedder.
    public static let embedderMismatch = Code(rawValue: "embedderMismatch")
    /// The store was written by a later version.
    public static let newerFormat = Code(rawValue: "newerFormat")
    /// A value, row or file is damaged.
    public static let corrupted = Code(rawValue: "corrupted")
    public static let diskFull = Code(rawValue: "diskFull")
    public static let permissionDenied = Code(rawValue: "permissionDenied")
    /// The store, or a file of it, belongs to another user than the one this process runs as.
    public static let foreignOwner = Code(rawValue: "foreignOwner")
    /// The group or others may read or write the store or a file of it.
    public static let loosePermissions = Code(rawValue: "loosePermissions")
    /// A file of the store is something else, such as a link, a pipe or a device, or has a second name (a hard link).
    public static let unexpectedFile = Code(rawValue: "unexpectedFile")
    public static let readOnlyFileSystem = Code(rawValue: "readOnlyFileSystem")
    public static let networkFileSystem = Code(rawValue: "networkFileSystem")
    /// A process of another pid namespace has the store open.
    public static let foreignNamespace = Code(rawValue: "foreignNamespace")
    /// All reader slots are taken. If some of them were idle, the call has waited for their release.
    public static let tooManyReaders = Code(rawValue: "tooManyReaders")
    /// The process or the system has no thread, descriptor or address space left.
    public static let outOfResources = Code(rawValue: "outOfResources")
    public static let inputOutput = Code(rawValue: "inputOutput")
    // The state of this process
    /// Another process, or this one's own earlier writes, held the writer lock past the limit of the wait; ``StoreError/holder`` names it.
    public static let writerBusy = Code(rawValue: "writerBusy")
    /// Another process held a lock of the store past the limit of the wait; see Concurrency.md for the limits. ``StoreError/holder`` names
    /// it. Try again.
    public static let storeBusy = Code(rawValue: "storeBusy")
    /// `write` was called inside a write body.
    public static let nestedWrite = Code(rawValue: "nestedWrite")
    /// The snapshot was held too long, or the store had to be opened again after a commit failed: take a new one.
    public static let snapshotExpired = Code(rawValue: "snapshotExpired")
    /// A commit failed half-way, and the store is being opened again to find out what became of it: try again.
    public static let reopening = Code(rawValue: "reopening")
    public static let closed = Code(rawValue: "closed")
    /// The store was opened read-only.
    public static let readOnly = Code(rawValue: "readOnly")
    /// A flush failed: this process writes no more. Reading goes on.
    public static let poisoned = Code(rawValue: "poisoned")
    /// The commit failed half-way, and it could not be determined whether it happened: opening the store again shows it. This process
    /// writes no more.
    public static let inDoubt = Code(rawValue: "inDoubt")
    /// The store was moved, replaced or removed while this process had it open. The process goes on reading the files that it has open, and
    /// writes no more. If ``StoreError/isCommitted`` is true, the write was committed to those files, which the store's path no longer
    /// leads to. ``StoreError/cause`` is the error that the move caused, if there was one.
    public static let storeMoved = Code(rawValue: "storeMoved")
    /// Snapshots or writes were still under way when the timeout of `close` was over.
    public static let stillInUse = Code(rawValue: "stillInUse")
  }

  public let code: Code
  /// English: what was wrong, by name, and what to do. Characters of quoted data that could control a terminal or a log are escaped, such
  /// as `\u{1B}`.
  public let message: String
  /// The process that holds the lock which was waited for; nil if it is not known, and for codes other than ``Code/writerBusy`` and
  /// ``Code/storeBusy``.
  public let holder: Int32?
  /// Whether the write was committed although the call failed; true only with ``Code/storeMoved``, and for an import whose
  /// ``ImportOptions/rejectsFile`` could not be finished. False means that it was not committed or, with ``Code/inDoubt`` and
  /// ``Code/poisoned``, that it is not known.
  public let isCommitted: Bool
  /// The error of the layer below, if there was one.
  public let cause: (any Error)?

  public init(_ code: Code, _ message: String, holder: Int32? = nil, isCommitted: Bool = false, cause: (any Error)? = nil) {
    self.code = code
    self.message = TerminalText.escaped(message)
    self.holder = holder
    self.isCommitted = isCommitted
    self.cause = cause
  }

  public var description: String {
    cause.map { TerminalText.escaped("\(message) (\($0))") } ?? message
  }
}

/// The cause is left out: it can be of any type. ``description`` quotes it.
extension StoreError: Codable {
  private enum CodingKeys: String, CodingKey { case code, message, holder, isCommitted }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      try container.decode(Code.self, forKey: .code), try container.decode(String.self, forKey: .message),
      holder: try container.decodeIfPresent(Int32.self, forKey: .holder), isCommitted: try container.decode(Bool.self, forKey: .isCommitted)
    )
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(code, forKey: .code)
    try container.encode(message, forKey: .message)
    try container.encodeIfPresent(holder, forKey: .holder)
    try container.encode(isCommitted, forKey: .isCommitted)
  }
}

extension StoreError.Code {
  /// Whether files that were moved, removed or exchanged can be the reason. False for what concerns the caller's input, the state of this
  /// process, or a commit whose outcome is unknown.
  var isOfFiles: Bool {
    switch self {
    case .storeMismatch, .notAStore, .newerFormat, .corrupted, .diskFull, .permissionDenied, .foreignOwner, .loosePermissions,
      .unexpectedFile, .readOnlyFileSystem, .outOfResources, .inputOutput, .writerBusy, .storeBusy:
      true
    default: false
    }
  }
}

extension StoreError {
  /// Converts an error of a lower layer to a `StoreError` whose message begins with `doing`. A `StoreError` and errors of the caller's own
  /// are returned as they are.
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

  /// Also used if the memory belongs to another user: the error must not reveal that the id exists.
  static func noMemory(_ id: MemoryID, of userID: String) -> StoreError {
    StoreError(.notFound, "the user '\(userID)' has no memory \(id)")
  }

  static func otherMemory(_ id: MemoryID) -> StoreError {
    StoreError(.invalidArgument, "the transform of memory \(id) returned another memory")
  }

  /// The memory does not have the version that the caller expects.
  static func versionMismatch(_ memory: Memory, expected: Int) -> StoreError {
    StoreError(
      .versionMismatch,
      "memory \(memory.id) of '\(memory.userID)' was expected to be version \(expected), and is version \(memory.version): read it again, and "
        + "decide anew")
  }

  /// Vectors of two embedders are not comparable.
  static func embedderMismatch(_ embedder: EmbedderIdentity, pinned: EmbedderIdentity) -> StoreError {
    StoreError(
      .embedderMismatch,
      "the store's embeddings are made by '\(pinned)', the embedder given is '\(embedder)': open the store with the first, or embed it anew with the second"
    )
  }

  /// Two userIDs hash to the same 128-bit key. No such pair is known.
  static func sameKey(_ userID: String) -> StoreError {
    StoreError(.conflict, "another userID has the key of '\(userID)': use a different one")
  }

  /// As ``wrapping(_:_:)``, for an error that is about to leave the library: it also converts the errors that only the layers use.
  static func surfacing(_ error: any Error, _ doing: @autoclosure () -> String) -> any Error {
    switch error {
    case let error as CBORError: StoreError(.corrupted, "\(doing()): \(error)", cause: error)
    case is Superseded, is CopyOutdated:
      StoreError(.storeBusy, "\(doing()): the store moved on to another generation meanwhile: try again")
    default: wrapping(error, doing())
    }
  }

  init(_ error: FileError, _ doing: String) {
    if error.isTimeout {
      let holder = error.holders.first
      let who = holder.map { "process \($0)" } ?? "another process"
      self.init(
        Directories.name(of: error.path) == "writer.lock" ? .writerBusy : .storeBusy,
        "\(doing): \(who) holds \(error.path) and did not give it up in time; nothing was changed: try again, or see what it waits for",
        holder: holder, cause: error)
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
        .storeBusy
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
