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

  static let rowFileName = "rows.f32"
}
