import LMDB

/// The two records that an opening reads before the store can be used.
extension StoreOpening {
  /// The state record of the last commit.
  static func readState(_ environment: Environment, _ schema: Schema) throws -> StateRecord {
    let transaction = try EnvironmentSnapshot(environment)
    guard let value = try transaction.view.value(MetaKey.state.encoded, in: schema[Tables.Meta.self]) else {
      throw StoreError(.corrupted, "the store's state record is missing")
    }
    let state = try StateRecord(value)
    guard state.tables.isDisjoint(with: schema.missing) else {
      throw StoreError(.corrupted, "the store's state record names a table that does not exist")
    }
    return state
  }

  /// Reads the store's own record.
  static func readStore(
    _ environment: Environment, _ schema: Schema, _ number: UInt64, _ options: StoreOptions
  ) throws -> StoreRecord {
    let transaction = try EnvironmentSnapshot(environment)
    guard let value = try transaction.view.value(MetaKey.store.encoded, in: schema[Tables.Meta.self]) else {
      throw StoreError(.corrupted, "the store's own record is missing")
    }
    let store = try StoreRecord(value)
    guard store.generation == number else {
      throw StoreError(.corrupted, "the store's own record is that of generation \(store.generation), expected \(number)")
    }
    let unknown = store.features.readOnlyCompatible & ~StoreRecord.Features.knownReadOnlyCompatible
    if unknown != 0, options.access == .readWrite {
      throw StoreError(
        .newerFormat,
        "this version of Engram may read the store but not write it (feature bits \(String(unknown, radix: 16))): open it read-only")
    }
    return store
  }

  /// Compares the live generation's record with the caller's options. A superseded generation is not compared: it may have another
  /// embedder.
  static func requireDemands(_ store: StoreRecord, _ options: StoreOptions) throws(StoreError) {
    if let dimension = options.dimension, dimension != store.dimension {
      let has = store.dimension.map { "dimension \($0)" } ?? "no dimension"
      throw StoreError(.storeMismatch, "the store has \(has), \(dimension) was asked for")
    }
    if let metric = options.metric, metric != store.metric {
      throw StoreError(.storeMismatch, "the store compares by \(store.metric.rawValue), \(metric.rawValue) was asked for")
    }
    if let language = options.language, language != store.language {
      throw StoreError(.storeMismatch, "the store's words are \(store.language.rawValue), \(language.rawValue) was asked for")
    }
    if let asked = options.embedder?.identity {
      if let pinned = store.embedder, pinned != asked {
        throw StoreError.embedderMismatch(asked, pinned: pinned)
      }
      guard asked.dimension == store.dimension else {
        throw StoreError(
          .embedderMismatch,
          "the embedder '\(asked)' does not make vectors of the store's dimension (\(store.dimension.map(String.init) ?? "none"))")
      }
    }
  }
}
