import LMDB
import VectorSearch

/// Stage 1 of a search: one query, checked, in the form that the other stages need.
struct SearchPlan {
  let query: SearchQuery
  /// The vector of the query, scaled as the rows are.
  let embedding: [Float]
  /// The users in scope, each once, in ascending order of keys; nil: all users.
  let owners: [(key: UserKey, userID: String)]?
  /// Their keys.
  let users: [UserKey]?

  var condition: BlockCandidates.Condition { .init(filter: query.filter, moment: SearchMoment(query)) }

  /// - Throws: ``StoreError`` of a vector that does not fit the store, or of another parameter out of its range.
  init(_ query: SearchQuery, _ reader: borrowing RecordReader, _ rows: RowFile) throws {
    try Limits.check(query)
    self.query = query
    embedding = try VectorPreparation.prepare(query.embedding.values, dimension: rows.header.dimension, metric: rows.header.metric)
    owners = reader.users(of: query.scope)
    users = owners?.map(\.key)
  }
}
