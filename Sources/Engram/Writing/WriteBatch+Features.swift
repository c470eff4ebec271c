import Formats
import LMDB

/// The features of the format that the store's own record lists.
extension WriteBatch {
  /// Announces a feature in the commit that uses it first: a program that does not know the feature must not open the store.
  ///
  /// Only the stored record changes, which other processes and the next opening read; ``store`` is the record as it was when the store was
  /// opened.
  mutating func require(_ incompatible: UInt64) throws {
    guard (announced | store.features.incompatible) & incompatible == 0 else { return }
    var record = try storeRecord()
    if record.features.incompatible & incompatible == 0 {
      record.features.incompatible |= incompatible
      try put(.store, record.encoded(), in: Tables.Meta.self)
    }
    if !canBeUndone { announced |= incompatible }
  }

  /// The store's own record as this transaction sees it.
  func storeRecord() throws -> StoreRecord {
    guard let value = try reader.value(.store, in: Tables.Meta.self) else {
      throw StoreError(.corrupted, "the store's own record is missing")
    }
    return try StoreRecord(value)
  }
}
