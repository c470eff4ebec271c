import LMDB
import VectorSearch

/// Changes that become visible and durable together. Lent to the body of ``MemoryStore/write(users:token:_:)``; sees its own changes.
///
/// The body is synchronous and runs once, on the store's writer thread. While it runs, no other write of any process runs, so keep
/// slow work outside. If it throws, everything that it changed is undone, and the error is thrown to the caller.
public struct WriteTransaction: ~Copyable {
  var batch: WriteBatch
  /// The users that the body has declared; nil: it may use all.
  var declared: DeclaredUsers?

  init(_ batch: consuming WriteBatch) { self.batch = batch }

  consuming func commit() throws(LMDBError) { try batch.commit() }

  /// Runs one call of the body, which uses the users of `scope`; an error of a layer below becomes a ``StoreError``.
  ///
  /// Every public call on a transaction runs in this function or in ``surfacingRead(_:_:)``, so that none uses a user that the body did not
  /// declare.
  mutating func surfacing<Value>(_ scope: SearchScope, _ call: (inout WriteTransaction) throws -> Value) throws -> Value {
    try declared?.check(scope)
    do {
      return try call(&self)
    } catch {
      throw StoreError.surfacing(error, "the write failed and nothing was changed")
    }
  }

  /// The same for a call that only reads.
  func surfacingRead<Value>(_ scope: SearchScope, _ call: (borrowing WriteTransaction) throws -> Value) throws -> Value {
    try declared?.check(scope)
    do {
      return try call(self)
    } catch {
      throw StoreError.surfacing(error, "the transaction cannot be read")
    }
  }

  /// Stores the caller's token with the batch.
  ///
  /// - Throws: ``StoreError`` `.conflict` if the token was committed before, or another body of the batch has it.
  mutating func record(token: String) throws {
    let hash = UserKey(token, secret: batch.store.secret)
    if try batch.hasPending(token: token) || batch.reader.contains(.token(hash), in: Tables.Tokens.self) {
      throw StoreError(.conflict, "a write with the token '\(token)' was committed before; it is not done twice")
    }
    batch.append(token: token)
  }
}
