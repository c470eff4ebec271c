import LMDB
public import Logging

/// How a store is opened. Durations lie between 0 and 3,650 days: others are refused as `.invalidArgument`.
public struct StoreOptions: Sendable {
  public enum Access: Sendable, Hashable {
    case readWrite
    /// Nothing is created or changed; the reader table of LMDB is still written to.
    ///
    /// If that table cannot be written, because the medium is read-only or the permission is missing, each read takes a shared lock on
    /// `writer.lock` instead. No process can write until the read ends: do not hold a snapshot for long.
    case readOnly
    /// As ``readOnly``, and without any lock: for files that no process writes to, such as those of a disk image. If the store changes during a
    /// read nevertheless, the read throws `.snapshotExpired`; what it returned before may be wrong.
    case immutable
  }

  public enum Durability: Sendable, Hashable, Codable {
    /// An acknowledged write is on disk.
    case immediate
    /// A killed process loses nothing; a power failure loses at most the writes of the last `maxDelay`. Integrity always holds.
    case eventual(maxDelay: Duration)
  }

  /// Components of an embedding, 1…65,536. Nil: the dimension of the store, or of the embedder; a new store without either holds contexts
  /// and memories without embeddings. A store of another dimension is refused.
  public var dimension: Int?
  /// Nil: what the store has; cosine for a new one.
  public var metric: Metric?
  /// The language of the texts, for searches by words. Nil: what the store has; English for a new one. A store of another language is
  /// refused.
  public var language: WordLanguage?
  public var access: Access
  /// Makes a store if there is none.
  public var createsIfMissing: Bool
  /// If this process has the store open already, the durability of the first opening holds.
  public var durability: Durability
  /// Makes embeddings of texts. Its identity is pinned by the store: another one is refused by name. Vectors that callers bring with
  /// memories and queries name no embedder, and need the store's dimension only.
  public var embedder: (any Embedder)?
  /// Earlier versions kept of each context and of each memory, without their embeddings; 0 keeps none.
  public var historyLimit: Int
  /// A snapshot held longer is released and then throws `.snapshotExpired`; nil: never.
  public var snapshotMaxAge: Duration?
  /// How long a write may wait for its turn before it fails with `.writerBusy`; nil: forever.
  public var writeTimeout: Duration?
  /// Writes that may wait; past that, `write` suspends its caller.
  public var queueLimit: Int
  public var logger: Logger
  /// How long a read waits for the store to be opened again after a commit failed half-way.
  package var reopeningPatience: Duration = .seconds(10)
  /// The clocks that commits and expiry use.
  var clock = StoreClock()
  /// How long a read waits for the opening of the generation that has replaced the one this process has open.
  package var followingPatience: Duration = .seconds(2)
  /// The least number of rows that get codes. With fewer, floats are as fast.
  package var leastCodedRows = 4096
  /// If set, every page of LMDB's file is checked and reported before the first one is used; damage keeps the store closed.
  var inspectsPages: PageInspection?

  /// The options for opening another generation of a store that is open. They ask for no dimension, metric, language or embedder, because
  /// the generation may have other ones than the caller asked for.
  var forOtherGenerations: StoreOptions {
    var options = self
    (options.dimension, options.metric, options.language, options.embedder) = (nil, nil, nil, nil)
    return options
  }

  /// A check of all pages at the beginning of an opening.
  struct PageInspection: Sendable {
    /// Called now and then; what it throws ends the walk and the opening.
    var check: @Sendable () throws -> Void = {}
    let report: @Sendable (PageReport) -> Void
  }

  public init(
    dimension: Int? = nil, metric: Metric? = nil, language: WordLanguage? = nil, access: Access = .readWrite, createsIfMissing: Bool = true,
    durability: Durability = .immediate, embedder: (any Embedder)? = nil, historyLimit: Int = 16,
    snapshotMaxAge: Duration? = .seconds(600), writeTimeout: Duration? = .seconds(30), queueLimit: Int = 4096,
    logger: Logger = Logger(label: "engram")
  ) {
    self.dimension = dimension
    self.metric = metric
    self.language = language
    self.access = access
    self.createsIfMissing = createsIfMissing
    self.durability = durability
    self.embedder = embedder
    self.historyLimit = historyLimit
    self.snapshotMaxAge = snapshotMaxAge
    self.writeTimeout = writeTimeout
    self.queueLimit = queueLimit
    self.logger = logger
  }
}
