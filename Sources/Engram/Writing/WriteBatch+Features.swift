import Formats
import LMDB

/// What the store's own record says of its format.
extension WriteBatch {
  /// Announces a feature in the commit that uses it first: a program that does not know the feature must not open the store.
  ///
  /// Other processes and the next opening read it; the record that ``store`` keeps is that of the opening.
  mutating func require(_ incompatible: UInt64) throws {
    guard (announced | store.features.incompatible) & incompatible == 0 else { return }
    var record = try storeRecord()
    if record.features.incompatible & incompatible == 0 {
      record.features.incompatible |= incompatible
      try put(.store, record.encoded(), in: Tables.Meta.self)
    }
    if !canBeUndone { announced |= incompatible }
  }

  /// As this transaction sees it.
  func storeRecord() throws -> StoreRecord {
    guard let value = try reader.value(.store, in: Tables.Meta.self) else {
      throw StoreError(.corrupted, "the store's own record is missing")
    }
    return try StoreRecord(value)
  }
}
