import Foundation
import LMDB
import VectorSearch

/// The files of one generation, open: the environment, its databases, and the rows.
final class Generation: Sendable {
  let directory: String
  let environment: Environment
  let schema: Schema
  let store: StoreRecord
  /// Nil in a store without embeddings.
  let rows: RowFile?

  init(directory: String, environment: Environment, schema: Schema, store: StoreRecord, rows: RowFile?) {
    self.directory = directory
    self.environment = environment
    self.schema = schema
    self.store = store
    self.rows = rows
  }

  func requireRows() throws(StoreError) -> RowFile {
    guard let rows else {
      throw StoreError(.dimensionMismatch, "the store was made without a dimension: it holds no embeddings to search")
    }
    return rows
  }

  static let rowFileName = "rows.f32"
}
